"""Results as a program and a notebook see them."""

from __future__ import annotations

import ast
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas
import pytest
from factories.fake_runs import write_run
from shown import terminal_report

import lrbench
from lrbench.api.frames import POLICY_COLUMNS, RUN_COLUMNS, RUN_METRICS
from lrbench.report.views.ranking_data import ranking_data

GUIDE = Path(__file__).resolve().parents[2] / "docs/how-to/use-lrbench-from-python.md"


def test_a_row_a_run_has_every_metric_and_says_what_it_was(workplace):
    frame = lrbench.load_results("results")
    assert list(frame.columns) == [*RUN_COLUMNS, *RUN_METRICS]
    assert len(frame) == 3
    best = frame.set_index(["function", "seed"])["best_accuracy"]
    assert best.to_dict() == {("STEP", 0): 0.95, ("STEP", 1): 0.97, ("FIX", 0): 0.5}
    run = frame[frame["status"] == "diverged"].iloc[0]
    assert (run["solver"], run["engine"], run["net"], run["dataset"]) == ("SGD", "caffe", "lenet", "MNIST")
    assert (run["batch_size"], run["iterations"], run["iteration"]) == (100, 2000, 1000)
    assert run["reason"] == "the loss is NaN"
    assert Path(run["path"]).is_dir()


def test_what_is_not_known_stays_nan(workplace):
    frame = lrbench.load_results("results", target=0.96)
    reached = frame.set_index(["function", "seed"])["iterations_to_target"]
    assert reached["STEP", 1] == 1000
    assert math.isnan(reached["STEP", 0])
    assert math.isnan(reached["FIX", 0])
    assert frame["final_accuracy"].isna().tolist() == (frame["function"] == "FIX").tolist()
    assert frame["target_accuracy"].unique().tolist() == [0.96]
    curves = lrbench.load_results("results", rows="evaluations")
    diverged = curves[curves["function"] == "FIX"]
    assert diverged["iteration"].tolist() == [0, 500, 1000]
    assert diverged["test_loss"].isna().tolist() == [False, False, True]


def test_a_row_an_evaluation_is_what_the_run_wrote(workplace):
    curves = lrbench.load_results("results", rows="evaluations")
    assert len(curves) == 9
    for folder, rows in curves.groupby("path"):
        lines = [json.loads(line) for line in (Path(str(folder)) / "evaluations.jsonl").read_text().splitlines()]
        for name in lines[0]:
            written = [math.nan if line[name] is None else line[name] for line in lines]
            assert np.array_equal(rows[name].to_numpy(dtype=float), written, equal_nan=True), name


def test_runs_that_know_different_columns_leave_the_others_unknown(workplace):
    folder = write_run(workplace / "results", "FIX(k0=0.5)", (0.1,), experiment="quickstart")
    (folder / "evaluations.jsonl").write_text('{"iteration": 7, "accuracy_top1": 0.5, "novelty": 3}\n')
    curves = lrbench.load_results("results", rows="evaluations")
    known = curves[curves["policy"] == "FIX(k0=0.5)"].iloc[0]
    assert (known["novelty"], known["accuracy_top1"]) == (3, 0.5)
    assert math.isnan(known["test_loss"])
    assert curves["novelty"].count() == 1


def test_a_row_a_policy_is_that_of_the_report(workplace):
    results = lrbench.Results("results")
    exported = ranking_data(results.report)["policies"]
    assert results.policies["policy"].tolist() == [row["policy"] for row in exported]
    assert results.policies["rank"].isna().tolist() == [False, True]  # its every run diverged: no final accuracy
    assert lrbench.Results("results", sort="best_accuracy").policies["rank"].tolist() == [1, 2]
    assert set(POLICY_COLUMNS) <= set(results.policies.columns)
    for _, row in results.policies.iterrows():
        of = next(each for each in exported if each["policy"] == row["policy"])
        for name in RUN_METRICS:
            for column, part in ((name, "mean"), (f"{name}_standard_deviation", "standard_deviation")):
                expected = math.nan if of[name][part] is None else of[name][part]
                assert row[column] == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
            assert row[f"{name}_n"] == of[name]["n"]


def test_a_notebook_shows_the_tables_of_the_terminal(workplace):
    results = lrbench.Results("results")
    assert str(results) == terminal_report(results.report)
    assert repr(results) == "<Results: 3 runs, 2 policies>"
    shown = Cells.of(results._repr_html_())
    assert "STEP(k0=0.02, gamma=0.5, l=100)" in shown
    assert "96.00 ± 1.41" in shown
    assert "96.00 ± 1.41" in str(results)


def test_names_of_anybody_are_no_markup_in_a_notebook(workplace):
    hostile = "FIX(k0=0.1)<img src=x onerror=alert(1)></table>"
    write_run(
        workplace / "results",
        hostile,
        experiment="quickstart",
        run_id="evil",
        status="failed",
        reason="<script>alert(1)</script>",
    )
    shown = lrbench.Results("results")._repr_html_()
    assert not {"img", "script"} & set(re.findall(r"<(\w+)", shown))
    assert hostile in Cells.of(shown)


@pytest.mark.parametrize("what", ["rates", "losses", "accuracy", "confidence"])
def test_a_notebook_shows_the_plots(workplace, what):
    picture = lrbench.Results("results").plot(what)
    assert picture._repr_png_().startswith(b"\x89PNG")
    picture.save("out.svg")
    assert "STEP(k0=0.02" in re.sub(r"<!--|-->", "", Path("out.svg").read_text())


def test_the_best_policy_is_the_one_that_ranks_first(workplace):
    assert lrbench.Results("results").best == lrbench.Policy.parse("STEP(k0=0.02, gamma=0.5, l=100)")
    write_run(workplace / "results", "FIX(k0=0.01)", experiment="other", workload=dict(WORKLOAD, batch_size=7))
    with pytest.raises(lrbench.LRBenchError, match=r"^these are 2 workloads: .*; name one of them by a part"):
        _ = lrbench.Results("results").best
    assert lrbench.Results("results").plot(workload="batch 7").figure.axes


WORKLOAD = {
    "net": {"name": "lenet", "sha256": "a" * 64},
    "dataset": {"name": "mnist", "sha256": "b" * 64},
    "batch_size": 100,
    "iterations": 2000,
    "test_interval": 500,
}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: lrbench.load_results("nowhere"),
            "nowhere: no such file or folder; give a results folder or a Caffe log",
        ),
        (
            lambda: lrbench.load_results("results", rows="run"),  # type: ignore[arg-type]  # that is the mistake
            "rows is 'run'; give one of runs, evaluations, policies",
        ),
        (
            lambda: lrbench.load_results("results", target=98),
            "target is 98, but an accuracy is above 0 and at most 1; give a fraction, such as 0.98 for 98 %, or "
            "METRIC=VALUE for another metric",
        ),
        (lambda: lrbench.Results("results", sort="best"), "unknown metric 'best'; did you mean best_accuracy?"),
        (lambda: lrbench.Results("results").plot("acuracy"), "there is no picture 'acuracy'; did you mean accuracy?"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(workplace, call, message):
    with pytest.raises(lrbench.LRBenchError) as refused:
        call()
    assert str(refused.value) == message


def test_a_workload_can_be_chosen_whose_name_ends_anothers(tmp_path):
    for net in ("lenet", "my_lenet"):
        write_run(tmp_path / net, "FIX(k0=1)", workload={**WORKLOAD, "net": {"name": net, "sha256": net}})
    results = lrbench.Results(tmp_path)
    with pytest.raises(lrbench.LRBenchError, match="these are 2 workloads: lenet on mnist"):
        results.plot(workload="lenet on mnist")
    assert results.plot("rates", workload=results.report.workloads[0].label)
    assert results.plot("rates", workload="my_lenet")


def test_damaged_runs_are_named_and_the_rest_is_shown(workplace):
    (workplace / "results/quickstart/half").mkdir()
    (workplace / "results/quickstart/half/run.json").write_text("{")
    results = lrbench.Results("results")
    assert len(results.runs) == 3
    (problem,) = results.problems
    assert problem.startswith("results/quickstart/half: run.json is not JSON")


def test_the_guide_names_every_column():
    text = GUIDE.read_text()
    for column, meaning in RUN_COLUMNS.items():
        assert f"| `{column}` | {meaning} |" in text


def test_without_pandas_the_error_names_the_extra(workplace):
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "import lrbench\n"
        "results = lrbench.Results('results'); print(results.best)\n"
        "try: lrbench.load_results('results')\n"
        "except lrbench.LRBenchError as error: print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == [
        "STEP(k0=0.02, gamma=0.5, l=100)",
        "tables for programs need pandas, which is not installed; type: pip install 'lrbench[pandas]'",
    ]


def test_importing_lrbench_loads_nothing_before_it_is_used():
    code = "import sys, lrbench; dir(lrbench); print(sorted(name for name in sys.modules if 'lrbench' in name))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "['lrbench', 'lrbench._version']\n"
    assert (Path(lrbench.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="module 'lrbench' has no attribute 'polcy'"):
        _ = lrbench.polcy


def test_a_type_checker_sees_what_a_program_gets():
    tree = ast.parse(Path(lrbench.__file__).read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.name: node.module or ""
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(imported) == sorted(lrbench.__all__)
    for name, module in imported.items():
        assert getattr(lrbench, name) is getattr(import_module(module), name)


def test_frames_are_pandas_own(workplace):
    assert all(
        isinstance(frame, pandas.DataFrame)
        for frame in (
            lrbench.load_results("results"),
            lrbench.load_results("results", rows="evaluations"),
            lrbench.load_results("results", rows="policies"),
        )
    )


class Cells(HTMLParser):
    """The text of a table's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.inside = False

    @classmethod
    def of(cls, markup: str) -> list[str]:
        parser = cls()
        parser.feed(markup)
        return [cell.strip() for cell in parser.cells]

    def handle_starttag(self, tag, attrs):
        self.inside = tag in ("td", "th")
        if self.inside:
            self.cells.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data
