"""``lrbench status``: runs planned, done and active, where they are, and the time left; in ``watch`` and the page, too."""

from __future__ import annotations

import json
import platform
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
from factories import fake_runs
from factories.fake_engine import FakeEngine

from lrbench.executors import plan
from lrbench.executors.dispatcher import Dispatcher
from lrbench.executors.local import LocalExecutor
from lrbench.report.load import read_report
from lrbench.report.page.document import page_document
from lrbench.runs.directory import RunDirectory
from lrbench.runs.planned import write_planned
from lrbench.runs.status import Status
from lrbench.spec.reading import read_experiment

SPEC = """\
name: exp
workload:
  {net: lenet, dataset: digits, order: as stored, batch_size: 50, test_batch_size: 100, iterations: 2000, test_interval: 500}
solver: {type: SGD, momentum: 0.9}
seeds: SEEDS
policies: [POLICIES]
"""


@pytest.fixture
def results(tmp_path):
    """Eight planned runs: two done, one active on a GPU at 500 of 2,000 iterations, a failed one and one cut off there, too."""
    folder = tmp_path / "results"
    names = []
    with ExitStack() as held:
        for seed, (status, accuracies) in enumerate(
            [
                ("finished", [0.1, 0.9, 0.9, 0.9, 0.9]),
                ("diverged", [0.1, 0.9, 0.9]),
                ("running", [0.1, 0.9]),
                ("failed", [0.1]),
                ("running", [0.1, 0.9]),
            ]
        ):
            run = fake_runs.write_run(folder, "FIX(k0=0.01)", accuracies, seed=seed, status=status)
            names.append(run.name)
            if seed == 2:
                (run / "status.json").write_bytes(Status("running", 0, host="node7", gpu=3).content())
                held.enter_context(fake_runs.held(run))
        write_planned(folder / "exp", [*names, "to-come-1", "to-come-2", "to-come-3"])
        yield folder


def test_a_results_folder_says_what_is_planned_done_and_where(lrbench, results):
    code, out, err = lrbench("status", results)
    assert (code, err) == (0, "")
    head, _, row = out.splitlines()[:3]
    assert head.split() == ["experiment", "planned", "done", "active", "to", "do", "failed", "time", "left"]
    assert row.split() == ["exp", "8", "2", "1", "4", "1", "4", "min"]
    assert "node7" in out
    assert out.splitlines()[-1] == f"next: lrbench report {results}/exp"


def test_the_time_left_is_that_of_the_stored_runs(lrbench, results):
    (exp,) = json.loads(lrbench("status", results, "--format", "json")[1])["experiments"]
    assert exp["statuses"] == {"finished": 1, "diverged": 1, "running": 1, "failed": 1, "cut off": 1, "pending": 3}
    assert (exp["planned"], exp["done"], exp["to_do"], exp["failed"]) == (8, 2, 4, 1)
    # Of five runs, three took 12 s for 500 iterations; the active one, the failed one and one cut off have 1,500 left.
    assert exp["seconds_left"] == pytest.approx(12 / 500 * (3 * 1500 + 3 * 2000))
    (active,) = exp["active"]
    assert (active["where"], active["iteration"], active["value"]) == ("node7 GPU 3", 500, 0.9)


def test_a_spec_counts_its_own_runs_alone(lrbench, tmp_path, digits):
    spec = tmp_path / "exp.yaml"
    spec.write_text(SPEC.replace("SEEDS", "3").replace("POLICIES", "FIX(k0=0.01)"))
    experiment = read_experiment(spec, ())
    for number, run_id in enumerate(experiment.run_ids(digits)[:2]):
        status = ("finished", "running")[number]
        fake_runs.write_run(tmp_path / "results", "FIX(k0=0.01)", seed=number, run_id=run_id, status=status)
    fake_runs.write_run(tmp_path / "results", "FIX(k0=0.5)", run_id="of another spec")
    for trial in range(3):
        reason = "pruned: others were better by this iteration" if trial else None
        status = "pending" if trial else "finished"
        results, name = tmp_path / "results", "exp-tune"
        fake_runs.write_run(results, "FIX(k0=0.01)", seed=trial, status=status, reason=reason, experiment=name)
    answer = lrbench("status", spec, "--results", tmp_path / "results", "--set", "search.trials=5", "--format", "csv")
    assert answer[0] == 0
    rows = [line.split(",") for line in answer[1].splitlines()]
    assert [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] == [
        {**row, "folder": str(tmp_path / "results" / row["experiment"])}
        for row in (
            {"experiment": "exp", "planned": "3", "done": "1", "to_do": "2", "failed": "0", "cut_off": "1"}
            | {"seconds_left": rows[1][-1]},
            {"experiment": "exp-tune", "planned": "5", "done": "3", "to_do": "2", "failed": "0", "cut_off": "0"}
            | {"seconds_left": rows[2][-1]},
        )
    ]


def test_before_anything_has_begun_all_is_to_do(lrbench, tmp_path, digits):
    spec = tmp_path / "exp.yaml"
    spec.write_text(SPEC.replace("SEEDS", "[0, 1]").replace("POLICIES", '"FIX(k0=[0.1, 0.2])"'))
    code, out, err = lrbench("status", spec, "--results", tmp_path / "results")
    assert (code, err) == (0, "")
    assert out.splitlines()[2].split() == ["exp", "4", "0", "0", "4", "0", "-"]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("command", ["status", "run"])
def test_ten_thousand_runs_take_less_than_two_seconds(lrbench, tmp_path, digits, command):
    spec = tmp_path / "exp.yaml"
    rates = ", ".join(f"{rate / 10000:g}" for rate in range(1, 101))
    spec.write_text(SPEC.replace("SEEDS", "100").replace("POLICIES", f'"FIX(k0=[{rates}])"'))
    run_id = read_experiment(spec, ()).run_ids(digits)[0]
    fake_runs.write_run(tmp_path / "results", "FIX(k0=0.0001)", run_id=run_id)
    before = time.process_time()
    options = ["--dry-run"] if command == "run" else []
    code, out, err = lrbench(command, spec, "--results", tmp_path / "results", *options)
    taken = time.process_time() - before
    assert code == 0
    if command == "status":
        assert "     10,000       1" in out
    else:
        assert "9999 of 10000 runs to do; about " in err
        assert "(by 1 stored run: 50 iterations/s per run" in err
    assert taken < 20, "of processor time: it is under 2 on an idle machine"


def test_watch_and_the_page_say_how_far_the_experiment_is(lrbench, results):
    line = "exp: 2 of 8 runs done, 1 active, 1 failed, about 4 min left"
    assert line in lrbench("watch", results, "--once")[1].splitlines()
    page = page_document(read_report([results]), datetime.now().astimezone())
    assert page["progress"] == [line]
    assert [run["place"] for run in page["underway"]] == ["node7 GPU 3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], "nowhere.yaml: there is no such spec file"),
        (["empty"], "there is no run in this folder; start one: lrbench run SPEC"),
        (["a.yaml", "b.yaml"], "give one SPEC, or results folders"),
    ],
)
def test_what_is_no_experiment_is_one_line(lrbench, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    code, out, err = lrbench("status", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_a_run_in_training_says_on_which_machine(tmp_path, digits):
    spec = tmp_path / "exp.yaml"
    spec.write_text(SPEC.replace("SEEDS", "1").replace("POLICIES", "FIX(k0=0.01)"))
    (task,) = plan.tasks(read_experiment(spec, ()), digits, tmp_path / "results")
    seen = []
    engine = FakeEngine()
    engine.before_train = lambda session: seen.append(RunDirectory(task.folder).status())
    Dispatcher(engine, LocalExecutor().places(task.experiment.settings.engine, 1, 1, 1)).run([task])
    assert {status.place for status in seen} == {platform.node()}
    assert RunDirectory(task.folder).status().place == ""


def test_a_cluster_has_no_results_to_show(lrbench, tmp_path):
    code, out, err = lrbench("status", tmp_path, "--executor", "ray://head:10001")
    assert (code, out) == (2, "")
    assert err == (
        "error: --executor ray://head:10001: results are on the machine whose command trains, not on the cluster; "
        "leave it out, and run lrbench status on that machine\n"
    )
