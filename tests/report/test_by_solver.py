"""``report --by solver`` from runs that are made up, so that every figure is known."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from factories import fake_runs
from shown import csv_comparison, json_comparison, markdown_comparison, terminal_comparison

from lrbench.errors import ResultsError
from lrbench.metrics.registry import metric_named
from lrbench.policies import parse_policy
from lrbench.report.build import build_report
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare, unscaled
from lrbench.report.figures.comparison import heat_map, write_comparison_figures
from lrbench.report.load import load

FIX, TRI, COS = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)", "COS(k0=0.01, k1=0.06, l=2000)"
SGD = fake_runs.SOLVER
ADAM = {"type": "Adam", "momentum": 0.9, "lr_scale": 0.1}
TORCH = {**fake_runs.ENGINE, "name": "torch"}


def write(results: Path, policy: str, solver, best, seed: int = 0, **others) -> Path:
    """A run whose policy is scaled as its solver says, with ``best`` at iteration 500 or the accuracies given."""
    text = parse_policy(policy).scaled(solver["lr_scale"]).text
    accuracies = [0.1, best] if isinstance(best, float) else best
    return fake_runs.write_run(results, text, accuracies, seed=seed, solver=solver, **others)


def filled(results: Path, values) -> Path:
    """Runs of three seeds, 0.2 points apart, around the mean of each policy and solver."""
    for (policy, solver), mean in values.items():
        for seed, shift in enumerate((-0.002, 0.0, 0.002)):
            write(results, policy, {"SGD": SGD, "Adam": ADAM}[solver], mean + shift, seed)
    return results


def compared(results: Path, metric: str = "best_accuracy"):
    loaded = load([results])
    return compare(build_report(loaded.runs, metric_named(metric), [results], loaded.problems), AXES["solver"])


@pytest.fixture
def results(tmp_path):
    """TRI is the best under SGD, FIX under Adam; COS is just behind the best under both."""
    return filled(
        tmp_path,
        {
            (TRI, "SGD"): 0.95,
            (COS, "SGD"): 0.949,
            (FIX, "SGD"): 0.90,
            (TRI, "Adam"): 0.80,
            (COS, "Adam"): 0.969,
            (FIX, "Adam"): 0.97,
        },
    )


def test_the_whole_page(results):
    assert (
        terminal_comparison(compared(results), 100)
        == """\
lenet on MNIST, batch 100, 2,000 iterations: policies x solvers

best accuracy %: mean ± sample standard deviation over 3 seeds, unless a cell says otherwise

policy                                  SGD    Adam (rates    Adam - SGD  noise
                                                     x0.1)        points
-----------------------------  ------------  -------------  ------------  ----------------
COS(k0=0.01, k1=0.06, l=2000)  94.90 ± 0.20   96.90 ± 0.20         +2.00  differs, p<0.001
FIX(k0=0.01)                   90.00 ± 0.20   97.00 ± 0.20         +7.00  differs, p<0.001
TRI(k0=0.01, k1=0.06, l=2000)  95.00 ± 0.20   80.00 ± 0.20        -15.00  differs, p<0.001

noise: t-test between the solvers, by the spread of all policies at each or a policy's own if
larger, p corrected for the number of policies (Sidak); differs means p < 0.05

ranks that the tests leave possible under each solver, with the gap to its best in brackets; holds:
under no solver significantly worse than the best (Tukey's test of all pairs over the seeds, p <
0.05; Welch's, corrected for their number, where the policies' spreads clearly differ). With few
seeds few gaps are significant: mind their sizes, too.

policy                                SGD        Adam    worst rank    largest gap  verdict
-----------------------------  ----------  ----------  ------------  -------------  ----------------
COS(k0=0.01, k1=0.06, l=2000)  1-2 (0.10)  1-2 (0.10)             2           0.10  holds
FIX(k0=0.01)                     3 (5.00)  1-2 (0.00)             3           5.00  worse under SGD
TRI(k0=0.01, k1=0.06, l=2000)  1-2 (0.00)   3 (17.00)             3          17.00  worse under Adam

best accuracy under Adam minus under SGD: -2.00 points in the mean over 3 policies; beyond the
seeds' noise (paired by policy, p<0.001); one by one, 3 policies differ.

1 policy of 3 holds across the 2 solvers (best, or not significantly worse than the best, under
each): COS(k0=0.01, k1=0.06, l=2000). With few seeds this is weak evidence: gaps of up to 0.10
points were not significant.

Safest policy for any solver: COS(k0=0.01, k1=0.06, l=2000), at most 0.10 points behind the best
(worst rank 2 of 3).

The best policy differs: TRI(k0=0.01, k1=0.06, l=2000) under SGD; FIX(k0=0.01) under Adam.

The best policy under SGD, TRI(k0=0.01, k1=0.06, l=2000), ranks 3 of 3 under Adam, 17.00 points
behind; beyond the seeds' noise.

The best policy under Adam, FIX(k0=0.01), ranks 3 of 3 under SGD, 5.00 points behind; beyond the
seeds' noise.

Rank correlation of SGD and Adam over 3 policies (Kendall's tau-b): -1.00; of the true orders
between -1.00 and 0.33 (95% interval); the seeds leave the order of most policies open.
"""
    )


def test_one_policy_under_several_scales_is_one_row(results):
    (table,) = compared(results).tables
    assert (table.values, table.factors) == (("SGD", "Adam"), {"SGD": 1.0, "Adam": 0.1})
    assert {policy: sorted(by) for policy, by in table.rows.items()} == {
        policy: ["Adam", "SGD"] for policy in (TRI, COS, FIX)
    }


@pytest.mark.parametrize(
    ("policy", "factor", "plain"),
    [
        ("SCALE(factor=0.1, policy=FIX(k0=0.01))", 0.1, FIX),
        (
            "SCALE(factor=0.1, policy=SCALE(factor=0.1, policy=FIX(k0=0.01)))",
            0.1,
            "SCALE(factor=0.1, policy=FIX(k0=0.01))",
        ),
        ("SCALE(factor=0.1, policy=FIX(k0=0.01))", 1.0, "SCALE(factor=0.1, policy=FIX(k0=0.01))"),
        ("SCALE(factor=0.5, policy=FIX(k0=0.01))", 0.1, "SCALE(factor=0.5, policy=FIX(k0=0.01))"),
        ("MINE(a=1)", 0.1, "MINE(a=1)"),
    ],
)
def test_only_the_solvers_own_scale_is_taken_off(policy, factor, plain):
    assert unscaled(policy, factor) == plain


def test_ranks_are_those_of_each_solver_alone(results):
    (table,) = compared(results).tables
    assert {each.policy: dict(each.ranks) for each in table.standings} == {
        COS: {"SGD": 2, "Adam": 2},
        FIX: {"SGD": 3, "Adam": 1},
        TRI: {"SGD": 1, "Adam": 3},
    }
    assert [each.policy for each in table.standings if each.holds] == [COS]


def test_what_diverged_or_was_not_run_is_said_and_never_the_safest(tmp_path):
    filled(tmp_path, {(FIX, "SGD"): 0.9, (FIX, "Adam"): 0.8, (COS, "SGD"): 0.95})
    for seed in range(3):
        write(tmp_path, TRI, SGD, 0.99, seed)
        write(tmp_path, TRI, ADAM, [0.1, 0.1, None], seed, status="diverged")
    report = compared(tmp_path)
    (table,) = report.tables
    assert [each.policy for each in table.standings] == [FIX, COS, TRI]
    fixed, cosine, triangle = table.standings
    assert (cosine.troubles["not run"], triangle.troubles["diverged"]) == (("Adam",), ("Adam",))
    assert (cosine.largest_regret, triangle.largest_regret, triangle.worst_rank) == (None, None, 2)
    assert fixed.largest_regret == pytest.approx(0.09)
    assert "10.00 (3/3 diverged)" in markdown_comparison(report)
    text = terminal_comparison(report)
    assert "diverged under Adam" in text
    assert "None of 3 policies holds across the 2 solvers" in text


def test_runs_under_way_show_what_they_have_and_get_no_rank(tmp_path):
    filled(tmp_path, {(FIX, "SGD"): 0.9, (TRI, "SGD"): 0.8, (FIX, "Adam"): 0.8})
    write(tmp_path, TRI, ADAM, 0.95, status="pending")
    report = compared(tmp_path)
    by = {each.policy: each for each in report.tables[0].standings}
    assert (by[TRI].troubles["unfinished"], by[TRI].ranks["Adam"]) == (("Adam",), None)
    assert "95.00 (n=1)" in terminal_comparison(report)


def test_one_seed_is_no_test(tmp_path):
    for policy, solver, best in ((FIX, SGD, 0.9), (TRI, SGD, 0.8), (FIX, ADAM, 0.9), (TRI, ADAM, 0.8)):
        write(tmp_path, policy, solver, best)
    report = compared(tmp_path)
    assert [dict(each.troubles) for each in report.tables[0].standings] == [{}, {"not tested": ("SGD", "Adam")}]
    assert "over one seed" in terminal_comparison(report)


def test_by_iterations_to_the_target_fewer_is_better_and_a_miss_has_no_value(tmp_path):
    for solver in (SGD, ADAM):
        for seed in range(2):
            write(tmp_path, FIX, solver, [0.1, 0.5, 0.9], seed, target_accuracy=0.9)
            write(tmp_path, TRI, solver, [0.1, 0.9, 0.9], seed, target_accuracy=0.9)
            write(tmp_path, COS, solver, [0.1, 0.9 if seed else 0.5, 0.5], seed, target_accuracy=0.9)
    write(tmp_path, "FIX(k0=1)", SGD, [0.1, 0.2, 0.3], target_accuracy=0.9)
    report = compared(tmp_path, "iterations_to_target")
    by = {each.policy: each for each in report.tables[0].standings}
    assert dict(by[FIX].regrets) == {"SGD": 500.0, "Adam": 500.0}
    assert dict(by[TRI].regrets) == {"SGD": 0.0, "Adam": 0.0}
    assert by[COS].troubles["a seed without a value"] == ("SGD", "Adam")
    assert (by[COS].largest_regret, by[COS].holds) == (None, False)
    assert dict(by["FIX(k0=1)"].troubles) == {"no value": ("SGD",), "not run": ("Adam",)}
    assert "500 (1/2)" in terminal_comparison(report)


def test_two_solvers_of_one_type_are_two_columns(tmp_path):
    for number, momentum in enumerate((0.5, 0.9, "LINEAR(k0=0.9, k1=0.5)", "LINEAR(k0=0.9, k1=0.8)")):
        solver = {**SGD, "momentum": momentum}
        write(tmp_path, FIX, solver, 0.9, run_id=f"m{number}")
    (table,) = compared(tmp_path).tables
    assert table.values == (
        "SGD (momentum=0.5)",
        "SGD (momentum=0.9)",
        "SGD (momentum=LINEAR(k0=0.9, k1=0.5))",
        "SGD (momentum=LINEAR(k0=0.9, k1=0.8))",
    )


def test_engines_are_not_mixed_and_what_has_one_solver_is_left_out(tmp_path):
    write(tmp_path, FIX, SGD, 0.9)
    write(tmp_path, FIX, ADAM, 0.9)
    write(tmp_path, FIX, SGD, 0.8, engine=TORCH, run_id="torch")
    report = compared(tmp_path)
    assert [table.label for table in report.tables] == ["lenet on MNIST, batch 100, 2,000 iterations, caffe"]
    assert report.notes == (
        "lenet on MNIST, batch 100, 2,000 iterations, torch: left out, because only SGD has runs of it",
    )
    assert f"note: {report.notes[0]}" in " ".join(terminal_comparison(report).split())


def test_nothing_to_compare(tmp_path):
    write(tmp_path, FIX, SGD, 0.9)
    with pytest.raises(
        ResultsError, match=r"all runs are of one solver, SGD, so there is nothing to compare; give the spec a list of"
    ):
        compared(tmp_path)


def test_a_narrow_screen_gets_several_tables(results):
    for type_ in ("Nesterov", "AdaGrad", "RMSProp", "AdaDelta"):
        write(results, FIX, {**SGD, "type": type_}, 0.9)
    text = terminal_comparison(compared(results), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall("^policy ", text, re.MULTILINE)) >= 4
    (heads,) = {
        " ".join(re.findall(r"SGD|Nesterov|AdaGrad|RMSProp|AdaDelta|Adam(?! \()", line))
        for line in text.splitlines()
        if line.startswith("policy") and "SGD" in line and "Adam" in line
    } or {""}
    assert heads in ("", "SGD Nesterov AdaGrad RMSProp AdaDelta Adam")


def test_all_formats_say_the_same(results):
    report = compared(results)
    (table,) = json.loads(json_comparison(report))["tables"]
    lines = list(csv.DictReader(io.StringIO(csv_comparison(report))))
    assert len(table["rows"]) == len(lines) == 6
    for row, line in zip(table["rows"], lines, strict=True):
        assert (row["policy"], row["solver"], str(row["rank"])) == (line["policy"], line["solver"], line["rank"])
        assert row["best_accuracy"]["mean"] == pytest.approx(float(line["best_accuracy_mean"]))
        assert row["regret"] == pytest.approx(float(line["regret"]))
    first = table["rows"][1]
    assert (first["policy"], first["policy_as_trained"]) == (COS, f"SCALE(factor=0.1, policy={COS})")
    assert [(each["policy"], each["holds"]) for each in table["policies"]] == [(COS, True), (FIX, False), (TRI, False)]
    assert lines[0]["policy_verdict"] == "holds"
    assert "| COS(k0=0.01, k1=0.06, l=2000) |" in markdown_comparison(report)
    assert all(sentence in " ".join(terminal_comparison(report, 400).split()) for sentence in table["findings"])


def test_the_picture_has_a_number_in_each_cell_and_hatches_what_diverged(results):
    for seed in range(3):
        write(results, "FIX(k0=9)", SGD, [None], seed, status="diverged")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = heat_map(compared(results).tables[0])
    axes = figure.axes[0]
    cells = [text.get_text() for text in axes.texts]
    assert cells == [
        "94.90 ± 0.20",
        "96.90 ± 0.20",
        "90.00 ± 0.20",
        "97.00 ± 0.20",
        "95.00 ± 0.20",
        "80.00 ± 0.20",
        "3/3 diverged",
        "-",
    ]
    assert [patch.get_hatch() for patch in axes.patches if patch.get_hatch()] == ["////", "xx"]
    shades = axes.images[0].get_array()
    assert isinstance(shades, np.ma.MaskedArray)
    assert shades.mask.tolist() == [[False, False]] * 3 + [[True, True]]
    assert shades[0].tolist() == pytest.approx([0.001, 0.001])


def test_files_of_the_picture(results, tmp_path):
    assert write_comparison_figures(compared(results), tmp_path / "plots") == [
        tmp_path / "plots" / "policies_by_solver.png"
    ]
    assert (tmp_path / "plots" / "policies_by_solver.png").read_bytes().startswith(b"\x89PNG")


def test_labels_from_files_do_no_harm(tmp_path):
    evil = "FIX(k0=0.01)\x1b]0;owned\x07|$\\frac{1}{$"
    for solver in (SGD, {"type": "Mine\x1b[31m|", "lr_scale": "x"}):
        fake_runs.write_run(tmp_path, evil, [0.9], solver=solver, run_id=str(len(solver)))
    report = compared(tmp_path)
    for text in (terminal_comparison(report), markdown_comparison(report)):
        assert all(line.isprintable() for line in text.splitlines())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(write_comparison_figures(report, tmp_path / "plots")) == 1
