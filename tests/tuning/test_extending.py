"""Finished runs trained on: the rates proposed, and that nothing is trained again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories.fake_engine import FakeEngine
from factories.made_up_jobs import prepared

from lrbench.errors import SpecError
from lrbench.executors.dispatcher import Dispatcher
from lrbench.executors.local import LocalPlaces
from lrbench.executors.plan import tasks
from lrbench.executors.prefixes import run_planned, run_sharing
from lrbench.policies import parse_policy
from lrbench.report.load import read_report
from lrbench.report.render import render
from lrbench.report.views.extend import extend_document
from lrbench.spec.reading import read_experiment
from lrbench.tuning.branching import StoredRun
from lrbench.tuning.extending import extensions, proposals

SPEC = """
name: first
workload: {{net: lenet, dataset: digits, batch_size: 10, test_batch_size: 10, iterations: {}, test_interval: 10}}
solver: {{type: SGD, momentum: 0.9}}
seeds: [0, 1]
policies: ['{}']
"""


def finished(folder: Path, policy: str = "COSDECAY(k0=0.001)", iterations: int = 40) -> list[StoredRun]:
    (folder / "first.yaml").write_text(SPEC.format(iterations, policy))
    experiment, data = read_experiment(folder / "first.yaml"), prepared(folder)
    plan = tasks(experiment, data, folder / "results")
    run_sharing(Dispatcher(FakeEngine(), LocalPlaces()), plan)
    return [StoredRun(experiment, task.run, data, task.folder) for task in plan]


def test_an_annealed_run_climbs_again_or_goes_on_at_a_tenth():
    given = proposals(parse_policy("COSDECAY(k0=0.1)"), 100, 200)
    assert list(given) == [
        "climbs to its largest rate again",
        "climbs to half of its largest rate",
        "goes on at a tenth of its largest rate",
    ]
    before = parse_policy("COSDECAY(k0=0.1)").schedule(100)
    after = [policy.schedule(200) for policy in given.values()]
    assert all(rates[:100].tolist() == before.tolist() for rates in after)
    assert [rates[100:].max() for rates in after] == pytest.approx([0.1, 0.05, 0.01], rel=0.01)
    assert all(rates[-1] < 0.001 for rates in after)


def test_a_run_that_was_not_annealed_falls_from_where_it_is():
    *_, (what, policy) = proposals(parse_policy("FIX(k0=0.1)"), 100, 200).items()
    assert what == "goes on at its last rate"
    assert policy.schedule(200)[[99, 100, 150]].tolist() == pytest.approx([0.1, 0.1, 0.05])


def test_an_extension_too_short_to_climb_in_has_one_proposal():
    assert list(proposals(parse_policy("FIX(k0=0.1)"), 100, 102)) == ["goes on at its last rate"]


def test_every_seed_is_trained_on_from_its_last_snapshot(tmp_path):
    runs, engine = finished(tmp_path), FakeEngine()
    plan, meaning = extensions(runs, 60, 1)
    run_planned(Dispatcher(engine, LocalPlaces(2)), plan)
    assert [len(engine.rates[task.folder.name]) for task in plan] == [20] * 6
    assert {task.folder.parent.name for task in plan} == {"first-extend"}
    document = extend_document(
        read_report([run.folder for run in runs]), read_report([task.folder for task in plan]), meaning
    )
    text = render(document, "text", 120).decode()
    assert "before: COSDECAY(k0=0.001, k1=0) at iteration 40: final accuracy" in text
    assert "climbs to its largest rate again: COMPOSE(" in " ".join(text.split())
    assert len(json.loads(render(document, "json", 120))["after"]["runs"]) == 6


@pytest.mark.parametrize(
    ("iterations", "policy", "end", "message"),
    [
        (40, "FIX(k0=0.001)", 40, "the run has 40 iterations, so that 40 do not extend it"),
        (45, "FIX(k0=0.001)", 90, "the run ends between its evaluations, which are every 10 iterations"),
        (40, "PLATEAU(k0=0.001)", 80, "PLATEAU reacts to evaluations"),
    ],
)
def test_what_cannot_be_extended_is_refused(tmp_path, iterations, policy, end, message):
    with pytest.raises(SpecError, match=message):
        extensions(finished(tmp_path, policy, iterations), end, 1)


def test_an_unfinished_run_is_refused(tmp_path):
    (run, _) = finished(tmp_path)
    (run.folder / "status.json").write_text(json.dumps({"status": "pending", "iteration": 20}))
    with pytest.raises(SpecError, match="the run has not finished: pending"):
        extensions([run], 80, 1)
