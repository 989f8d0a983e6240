"""The report for LaTeX: its structure, what is bold, and that no text of anybody's does harm."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

import pytest
from factories import fake_runs
from factories.made_up_reports import POLICIES, report_of, run_row
from hypothesis import example, given
from hypothesis import strategies as st
from report.report_readers import latex_tables, unlatexed
from shown import latex_comparison, latex_report

from lrbench.errors import plain
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare
from lrbench.report.render.latex import escaped as latex

EVERYTHING = "".join(map(chr, range(0x20, 0x180)))
HOSTILE = [*POLICIES, EVERYTHING, "[x]", "*", "\\input{/etc/passwd}", "}{", "学习率 \U0001f600 \x1b[3m", "--- << ,, ?`"]
OURS = {
    "begin",
    "end",
    "centering",
    "small",
    "setlength",
    "tabcolsep",
    "caption",
    "label",
    "textwidth",
    "raggedright",
    "arraybackslash",
    "toprule",
    "midrule",
    "bottomrule",
    "endhead",
    "textbf",
    "shortstack",
    "medskip",
    "LTcapwidth",
    "usepackage",
}
HARMLESS = {
    "textbackslash",
    "textasciitilde",
    "textasciicircum",
    "textasciigrave",
    "textless",
    "textgreater",
    "textbar",
    "ldots",
    "char",
    "div",
    "pm",
    "times",
    "dagger",
    "allowbreak",
}


def runs_of(policies, spread=0.01, **values):
    """Three seeds of each policy, each a point behind the one before."""
    return [
        run_row(policy, [0.1, 0.9 - place / 100 + spread * (seed - 1)], seed=seed, **values)
        for place, policy in enumerate(policies)
        for seed in range(3)
    ]


@cache
def hostile_reports() -> tuple[str, ...]:
    """The three views of hostile policies."""
    workload = {**fake_runs.WORKLOAD, "net": {"name": HOSTILE[3], "sha256": "d"}}
    solvers = [run for name in ("S%G_D", "{#}") for run in runs_of(HOSTILE, solver={"type": name}, workload=workload)]
    engines = [run for name in ("ca_ff&", "t^rch") for run in runs_of(HOSTILE, engine={"name": name})]
    return (
        latex_report(report_of([*solvers, *engines])),
        latex_comparison(compare(report_of(engines), AXES["engine"])),
        latex_comparison(compare(report_of(solvers), AXES["solver"])),
    )


@given(text=st.text())
@example(text=EVERYTHING)
@example(text="a---b--c")
def test_text_comes_out_as_it_went_in(text):
    shown = plain(plain(text.replace("†", "")))
    assert shown == "--" or unlatexed(latex(shown)) == shown


@given(text=st.text())
@example(text=EVERYTHING)
def test_text_holds_nothing_that_latex_would_act_on(text):
    written = latex(text)
    assert set(re.findall(r"\\([a-zA-Z]+)", written)) <= HARMLESS
    known = r"\$\^\{\\dagger\}\$|\$\\[a-z]+\$|\\[&%$#_{}]|\\[a-z]+\{\}|\{\\char34\}|\{[\[*]\}|-\{\}"
    assert not set(re.sub(known, "", written)) & set('&%$#_^~\\<>|"`{}[*')
    assert "--" not in written
    assert all(character.isascii() or character.isalpha() for character in written)


def test_braces_and_environments_are_balanced_and_only_our_commands_are_there():
    for text in hostile_reports():
        bare = re.sub(r"\\[\\{}]", "", text)
        assert bare.count("{") == bare.count("}")
        begun, ended = (re.findall(rf"\\{word}\{{(\w+\*?)\}}", text) for word in ("begin", "end"))
        assert sorted(begun) == sorted(ended) != []
        assert set(re.findall(r"\\([a-zA-Z]+)", text.replace(r"\\", " "))) <= OURS | HARMLESS


def test_every_row_has_as_many_cells_as_the_table_has_columns():
    for text in hostile_reports():
        specs = re.findall(r"\\begin\{(?:tabularx\}\{\\textwidth|tabular|longtable)\}\{(.*)\}\n", text)
        tables = latex_tables(text)
        assert len(specs) == len(tables) > 0
        for spec, (head, rows) in zip(specs, tables, strict=True):
            columns = len(re.findall(r"p\{.*?\}|[Xlr]", spec.replace(r">{\raggedright\arraybackslash}", "")))
            assert {len(row) for row in (head, *rows)} == {columns}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX on this machine")
def test_a_real_latex_sets_it(tmp_path):
    body = "\n\\clearpage\n".join(hostile_reports())
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs,tabularx,longtable}\n"
        f"\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def test_the_best_is_bold_and_what_is_not_significantly_different_has_a_dagger():
    runs = runs_of(["FIX(k0=0.01)", "FIX(k0=1)"]) + [
        run_row("FIX(k0=5)", [0.5 + seed / 1000], seed=seed) for seed in range(3)
    ]
    text = latex_report(report_of(runs))
    assert r"\textbf{90.00 $\pm$ 1.00} & a & 3 & best" in re.sub(" +", " ", text)
    assert r"89.00 $\pm$ 1.00$^{\dagger}$ & a & 3 & not significant, p=0.55" in re.sub(" +", " ", text)
    assert r"50.10 $\pm$ 0.10 & b & 3 & worse, p\textless{}0.001" in re.sub(" +", " ", text)
    assert text.count(r"\textbf") == 1


def test_the_caption_says_over_how_many_seeds_and_how_it_was_tested():
    text = " ".join(latex_report(report_of(runs_of(["FIX(k0=0.01)", "FIX(k0=1)"]))).split())
    assert (
        r"\caption{lenet on MNIST, batch 100, 2,000 iterations: policies ranked by best accuracy. Mean $\pm$ "
        r"sample standard deviation over 3 seeds. Bold: the best; $^{\dagger}$: not significantly different from it. Vs. "
        r"best: Tukey's test of all pairs over the seeds; worse means p \textless{} 0.05. It takes all policies to vary "
        r"alike over the seeds, and counts one that varies more with its own spread. Group: policies that share a letter do "
        r"not differ significantly; \#: the ranks that the tests leave possible. 3 seeds a policy show a difference of 3.58 "
        r"points in 4 of 5 cases; the 1.00 points between the first two would take 18 seeds a policy.}"
    ) in text
    assert r"\label{tab:lenet-on-mnist-batch-100-2-000-iterations}" in text
    assert r"accuracy \%" in text


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        ([run_row("FIX(k0=1)", [0.5])], "One seed each, so the noise between seeds is unknown and nothing is"),
        (
            [*(run_row("FIX(k0=1)", [0.5 + seed / 10], seed=seed) for seed in range(2)), run_row("FIX(k0=2)", [0.5])],
            "over 1 to 2 seeds.",
        ),
        ([run_row("FIX(k0=1)", [], status="running")], "No policy has a value yet."),
        (
            [run_row("FIX(k0=1)", [0.5, 0.5, None], status="diverged", seed=seed) for seed in range(2)],
            "A policy of which some",
        ),
    ],
)
def test_the_caption_claims_no_more_than_there_is(runs, sentence):
    assert sentence in " ".join(latex_report(report_of(runs)).split())


def test_a_table_too_long_for_a_page_breaks_over_pages_with_its_caption():
    text = latex_report(report_of([run_row(f"FIX(k0={number + 1})", [0.5]) for number in range(60)]))
    assert re.search(r"\\begin\{longtable\}.*\n\\caption", text)
    assert r"\endhead" in text
    assert "table*" not in text.split(r"\end{longtable}")[0]
    assert len(latex_tables(text)[0][1]) == 60


def test_each_workload_has_a_table_and_a_label_of_its_own():
    other = {**fake_runs.WORKLOAD, "net": {"name": "cnn3", "sha256": "d"}}
    text = latex_report(report_of([*runs_of(["FIX(k0=1)"]), *runs_of(["FIX(k0=1)"], workload=other)]))
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == ["tab:cnn3-on-mnist-batch-100-2-000-iterations", "tab:lenet-on-mnist-batch-100-2-000-iterations"]


def test_labels_differ_however_long_the_name():
    long = {**fake_runs.WORKLOAD, "net": {"name": "a_net_" * 12, "sha256": "d"}}
    policies = ["FIX(k0=1)", "FIX(k0=2)", "EXP(k0=1, gamma=0.9)"]
    labels = re.findall(r"\\label\{(.*?)\}", latex_report(report_of(runs_of(policies, workload=long))))
    assert len(labels) == len(set(labels)) == 2
