"""Results that an earlier version wrote are read by every command, with the same figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from command_line import typed
from factories.measured import measured, without_clocks

from lrbench.runs.description import read_description
from lrbench.runs.directory import RunDirectory

ARCHIVE = Path(__file__).parent / "data_files/written_by_a1ab8e9/results.tar.xz"
BEST = ("--set", "objective.at=best")
"""Earlier versions compared policies by their best accuracy on the test set."""
TESTED = {"against_the_best", "p_value", "p_value_holm"}
"""Results of tests, which compare all pairs since."""
PAPER = ("--set", "search.functions=[paper13]")
"""The LR functions that earlier versions searched by default."""
COMPUTED = {"seeds", "spread", "diverged_share", "cost", "shipped"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    shutil.unpack_archive(ARCHIVE, folder)
    return folder


@pytest.fixture
def earlier(unpacked: Path, tmp_path: Path) -> Path:
    """The earlier results in a folder of the test's own."""
    return Path(shutil.copytree(unpacked, tmp_path / "earlier"))


def lrbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    answer = typed(*arguments, cwd=folder)
    assert answer.returncode == 0, answer.stderr
    return answer


def expected(folder: Path, name: str) -> Any:
    return json.loads((folder / "expected" / f"{name}.json").read_text())


def kept(now: Any, then: Any) -> Any:
    """What of ``now`` the earlier output had: keys may be added, none may go or change its value."""
    if isinstance(then, dict) and isinstance(now, dict):
        return {name: kept(now[name], then[name]) if name in now else "missing" for name in then}
    if isinstance(then, list) and isinstance(now, list) and len(now) == len(then):
        return [kept(one, other) for one, other in zip(now, then, strict=True)]
    return now


def by_policy(report: Any) -> dict[tuple[str, ...], Any]:
    return {(row["workload"], row["engine"], row["solver"], row["policy"]): row for row in report["policies"]}


def without_tests(report: Any) -> Any:
    """The report without the results of tests in its table."""
    rows = [{name: value for name, value in row.items() if name not in TESTED} for row in report["policies"]]
    return {**report, "policies": rows}


def test_report_ranks_the_earlier_runs_with_the_same_figures(earlier):
    now = json.loads(
        lrbench(
            earlier, "report", "results/runs", "results/native", "--sort", "best_accuracy", "--format", "json"
        ).stdout
    )
    then = expected(earlier, "report")
    assert all(now["policies"][0].keys() >= row.keys() for row in then["policies"])
    then = without_tests(then)
    assert kept(by_policy(now), by_policy(then)) == by_policy(then)
    runs = {row["run_id"]: row for row in then["runs"]}
    assert kept({row["run_id"]: row for row in now["runs"]}, runs) == runs


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "csv"),
        ("--format", "markdown"),
        ("--format", "latex"),
        ("--format", "html"),
        ("--by", "engine"),
        ("--sort", "iterations_to_target"),
    ],
)
def test_report_reads_the_earlier_runs_in_every_format(earlier, arguments):
    assert "TRI2_HIGH" in lrbench(earlier, "report", "results/runs", *arguments).stdout.replace("\\", "")


def test_plot_and_watch_read_the_earlier_runs(earlier):
    lrbench(earlier, "plot", "results/runs", "-o", "accuracy.png")
    assert (earlier / "accuracy.png").stat().st_size > 10_000
    assert "no runs are active" in lrbench(earlier, "watch", "results/runs", "results/cut_off", "--once").stderr


def by_id(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in entries}


def test_the_earlier_database_is_read_and_takes_the_same_runs_once(earlier):
    then = by_id(expected(earlier, "db_list"))
    now = by_id(json.loads(lrbench(earlier, "db", "list", "--db", "runs.db", "--format", "json").stdout))
    assert kept(now, then) == then
    assert now.keys() == then.keys()
    assert "nothing new; 88 runs already stored" in lrbench(earlier, "db", "add", "results", "--db", "runs.db").stderr


def as_exported(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without what `db list` computes from its runs."""
    return {name: value for name, value in entry.items() if name not in COMPUTED}


def test_every_entry_of_the_earlier_database_is_shown_and_exported(earlier):
    then = by_id(expected(earlier, "db_list"))
    lines = lrbench(earlier, "db", "export", "--db", "runs.db").stdout.splitlines()
    stored = {identity: as_exported(entry) for identity, entry in then.items()}
    assert kept({entry["id"]: entry for entry in map(json.loads, lines)}, stored) == stored
    for identity in list(then)[::20]:
        shown = lrbench(earlier, "db", "show", identity[:8], "--db", "runs.db", "--format", "json").stdout
        assert kept(json.loads(shown), then[identity]) == then[identity]


def test_earlier_entries_are_imported(earlier):
    then = expected(earlier, "db_list")
    (earlier / "entries.jsonl").write_text("".join(f"{json.dumps(as_exported(entry))}\n" for entry in then))
    lrbench(earlier, "db", "import", "entries.jsonl", "--db", "other.db")
    now = by_id(json.loads(lrbench(earlier, "db", "list", "--db", "other.db", "--format", "json").stdout))
    grown = {identity for identity, entry in by_id(then).items() if len(now[identity]["runs"]) > len(entry["runs"])}
    assert kept(now, by_id(then)).keys() == by_id(then).keys()
    for identity, entry in by_id(then).items():
        if identity not in grown:
            assert kept(now[identity], entry) == entry
            continue
        assert entry["shipped"], "LRBench ships more runs of these by now"
        runs = {run["run_id"]: run for run in entry["runs"]}
        assert kept({run["run_id"]: run for run in now[identity]["runs"]}, runs) == runs


@pytest.mark.engines
def test_verify_takes_a_policy_of_the_earlier_database(earlier):
    answer = lrbench(
        earlier,
        "verify",
        "runs.yaml",
        "--engine",
        "torch",
        "--db",
        "runs.db",
        "--target",
        "0.85",
        "--phase",
        "database",
        "--seeds",
        "1",
        "--candidates",
        "1",
    )
    assert "known policies: FIX(k0=0.05) (reached it with 2 of 2 seeds" in answer.stdout
    assert "REACHED: 85 % within 200 iterations, by FIX(k0=0.05)" in answer.stdout


def test_serve_shows_the_earlier_runs_with_the_same_figures(earlier):
    command = [
        sys.executable,
        "-u",
        "-m",
        "lrbench",
        "serve",
        "results/runs",
        "results/native",
        "--port",
        "0",
        "--sort",
        "best_accuracy",
    ]
    with subprocess.Popen(command, cwd=earlier, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        with urllib.request.urlopen(f"{address}data.json", timeout=300) as answer:
            now = json.load(answer)["report"]
        process.terminate()
    then = without_tests(expected(earlier, "report"))
    assert kept(by_policy(now), by_policy(then)) == by_policy(then)


def test_recommend_names_the_same_policies(earlier):
    answer = lrbench(earlier, "recommend", "runs.yaml", *BEST, "--db", "runs.db", "--format", "json").stdout
    now, then = (
        document["recommendations"][0]["shortlist"] for document in (json.loads(answer), expected(earlier, "recommend"))
    )
    named = [[(row["place"], row["policy"], row["evidence"]["entry"]) for row in rows] for rows in (now, then)]
    assert named[0] == named[1]


def evaluations(folder: Path, engine: str) -> list[dict[str, Any]]:
    """Return the evaluations of an experiment's only run with an engine."""
    (found,) = (path for path in folder.glob("*/run.json") if json.loads(path.read_text())["engine"]["name"] == engine)
    return measured(found.parent)


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.engines
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_run_cut_off_earlier_resumes_to_the_same_evaluations(earlier, engine):
    """Bit for bit on processors that train its beginning bit for bit, too; on others sums are rounded differently."""
    then = without_clocks(earlier / f"expected/cut_off_{engine}.jsonl")
    answer = lrbench(earlier, "run", "cut_off.yaml", "--engine", engine)
    assert "resuming at iteration 1000" in answer.stderr
    now = kept(evaluations(earlier / "results/cut_off", engine), then)
    beginning = ["--set", "workload.iterations=500", "--set", "workload.order=as stored", "--results", "beginning"]
    lrbench(earlier, "run", "cut_off.yaml", "--engine", engine, *beginning)
    again = kept(evaluations(earlier / "beginning/cut_off", engine), then[:1])
    if again == then[:1]:
        assert now == then
    else:
        assert again == [pytest.approx(then[0], rel=0.02)]
        assert now[:2] == then[:2]
        assert now[2:4] == [pytest.approx(row, rel=0.02) for row in then[2:4]]
        assert [row["iteration"] for row in now] == [row["iteration"] for row in then]


def test_an_earlier_search_trains_nothing_again_and_finds_the_same(earlier):
    answer = lrbench(earlier, "tune", "search.yaml", *BEST, *PAPER)
    assert "started" not in answer.stderr
    assert figures(answer.stdout) == figures((earlier / "expected/tune.txt").read_text())


def test_an_earlier_composition_trains_nothing_again_and_finds_the_same(earlier):
    answer = lrbench(earlier, "compose", "composition.yaml", *BEST, *PAPER)
    assert "started" not in answer.stderr
    assert figures(answer.stdout) == figures((earlier / "expected/compose.txt").read_text())


def test_an_earlier_search_under_todays_functions_says_how_to_resume_it(earlier):
    answer = typed("tune", "search.yaml", cwd=earlier)
    assert answer.returncode == 2
    assert "a search of an earlier version had functions: [paper13] by default" in answer.stderr


def test_an_earlier_range_test_trains_nothing_again_and_gives_the_same_range(earlier):
    answer = lrbench(earlier, "range", "range.yaml", "--format", "json")
    assert "started" not in answer.stderr
    now, then = json.loads(answer.stdout)["solvers"], expected(earlier, "range")["solvers"]
    for solver in now:
        solver["reasons"] = [reason for reason in solver["reasons"] if not reason.startswith("a search goes up to ")]
    assert kept(now, then) == then


def figures(screen: str) -> list[str]:
    """Every accuracy with its deviation on the screen above the answer, in the order in which they stand."""
    return [word for word in screen.partition("\nanswer: ")[0].replace(" ± ", "±").split() if "±" in word]


def test_the_earlier_files_of_a_run_would_be_written_the_same_today(unpacked):
    found = sorted(path.parent for path in unpacked.rglob("run.json"))
    assert len(found) > 90
    for run in found:
        assert json.loads(read_description(run).content()) == json.loads((run / "run.json").read_text()), run
        written, evaluations = run / "evaluations.jsonl", RunDirectory(run).evaluations()
        assert b"".join(each.line() for each in evaluations) == (written.read_bytes() if written.exists() else b""), run
