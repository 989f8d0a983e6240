"""Cooldowns from a stable run: the policies, where they begin, and what is trained for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from factories.fake_engine import FakeEngine
from factories.made_up_jobs import prepared

from lrbench.errors import SpecError
from lrbench.executors.dispatcher import Dispatcher
from lrbench.executors.local import LocalPlaces
from lrbench.executors.plan import Task, tasks
from lrbench.executors.prefixes import run_planned, run_sharing
from lrbench.policies import parse_policy
from lrbench.report.render import render
from lrbench.report.views.branch import branch_document
from lrbench.runs.directory import RunDirectory
from lrbench.spec.reading import read_experiment
from lrbench.tuning.branching import SHAPES, StoredRun, branches, cooldown_start, cooled, results_by_length

STABLE = "WARMUP(policy=FIX(k0=0.001), l=10)"
SPEC = """
name: stable
workload: {{net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: {}, test_interval: 10}}
solver: {{type: SGD, momentum: 0.9}}
policies: ['{}']
"""


def stable(
    folder: Path, iterations: int = 160, policy: str = STABLE, keep: str = "all", momentum: str = "0.9"
) -> StoredRun:
    (folder / "stable.yaml").write_text(SPEC.format(iterations, policy))
    changes = [f"snapshots.keep={keep}", f"solver.momentum={momentum}"]
    experiment = read_experiment(folder / "stable.yaml", changes)
    data = prepared(folder)
    (task,) = tasks(experiment, data, folder / "results")
    run_sharing(Dispatcher(FakeEngine(), LocalPlaces()), [task])
    return StoredRun(experiment, task.run, data, task.folder)


def trained(plan: list[Task]) -> dict[int, int]:
    engine = FakeEngine()
    run_planned(Dispatcher(engine, LocalPlaces()), plan)
    return {task.experiment.workload.iterations: len(engine.rates.get(task.folder.name, [])) for task in plan}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cooldown_falls_from_the_rate_that_it_finds_to_0(shape):
    policy = cooled(parse_policy(STABLE), 80, 100, shape)
    rates = policy.schedule(100)
    assert rates[:80].tolist() == parse_policy(STABLE).schedule(100)[:80].tolist()
    assert rates[80] == pytest.approx(0.001)
    assert np.all(np.diff(rates[80:]) < 0)
    assert 0 < rates[99] < 0.001 / 10


def test_from_kept_snapshots_only_the_cooldowns_are_trained(tmp_path):
    assert trained(branches([stable(tmp_path)], [50, 100, 200], 0.2, "linear", 1)) == {50: 10, 100: 20, 200: 40}


def test_without_them_the_longest_is_trained_from_the_start_and_the_others_branch_from_it(tmp_path):
    plan = branches([stable(tmp_path, keep="2")], [50, 100, 200], 0.2, "linear", 1)
    assert trained(plan) == {50: 10, 100: 20, 200: 200}
    assert trained(plan) == {50: 0, 100: 0, 200: 0}


def test_each_is_an_ordinary_run_of_the_composed_policy(tmp_path):
    plan = branches([stable(tmp_path)], [50, 100], 0.2, "linear", 1)
    run_planned(Dispatcher(FakeEngine(), LocalPlaces()), plan)
    for task in plan:
        (tmp_path / "alone").mkdir(exist_ok=True)
        iterations, text = task.experiment.workload.iterations, task.run.effective_policy.text
        (tmp_path / "alone/stable-branch.yaml").write_text(
            SPEC.format(iterations, text).replace("name: stable", "name: stable-branch")
        )
        experiment = read_experiment(tmp_path / "alone/stable-branch.yaml")
        (alone,) = tasks(experiment, task.data, tmp_path / "alone/results")
        run_sharing(Dispatcher(FakeEngine(), LocalPlaces()), [alone])
        assert alone.folder.name == task.folder.name
        here, there = RunDirectory(task.folder), RunDirectory(alone.folder)
        assert [row.metrics for row in here.evaluations()] == [row.metrics for row in there.evaluations()]


def test_a_policy_whose_rates_depend_on_the_length_is_refused(tmp_path):
    with pytest.raises(SpecError, match="depend on the length of its run"):
        branches([stable(tmp_path, policy="COSDECAY(k0=0.001)")], [80], 0.2, "linear", 1)


def test_an_end_without_an_evaluation_for_its_cooldown_is_refused():
    assert cooldown_start(100, 0.2, 10) == 80
    assert [cooldown_start(25, share, 10) for share in (0.01, 0.1, 0.9)] == [20, 20, 10]
    with pytest.raises(SpecError, match=r"a run of 10 iterations .* end it later, after 10 iterations"):
        cooldown_start(10, 0.2, 10)


def test_the_document_has_a_row_for_each_length_and_what_was_trained(tmp_path):
    one = stable(tmp_path, keep="2")
    plan = branches([one], [50, 100, 200], 0.2, "linear", 1)
    run_planned(Dispatcher(FakeEngine(), LocalPlaces()), plan)
    lengths = results_by_length(plan, 0.2)
    assert [(each.iterations, each.start, each.trained) for each in lengths] == [
        (50, 40, 10),
        (100, 80, 20),
        (200, 160, 200),
    ]
    objective = one.experiment.settings.objective.resolved
    document = branch_document(lengths, objective, STABLE, "lenet on digits", plan[0].folder.parent)
    text = render(document, "text", 120).decode()
    assert "230 iterations trained, 1.15 times those of the longest; each run by itself would take 350 in all" in text
    assert "one seed each: differences may be chance" in text
    assert [row["iterations"] for row in document.records()] == [50, 100, 200]
    assert document.data()["iterations_trained"] == 230


def test_a_momentum_that_depends_on_the_length_of_its_run_is_refused(tmp_path):
    run = stable(tmp_path, momentum="LINEAR(k0=0.9, k1=0.8, l=100)")
    assert trained(branches([run], [50, 100], 0.2, "linear", 1)) == {50: 10, 100: 20}
    (tmp_path / "other").mkdir()
    run = stable(tmp_path / "other", momentum="LINEAR(k0=0.9, k1=0.8)")
    with pytest.raises(SpecError, match=r"the momentum LINEAR\(k0=0.9, k1=0.8\) depends on the length of its run"):
        branches([run], [50, 100], 0.2, "linear", 1)
