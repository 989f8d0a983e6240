"""The policies that a search's best one is compared with where the spec names none."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from factories.made_up_runs import made_up_runner

from lrbench.policies import parse_policy
from lrbench.report.render import render
from lrbench.report.views.tune import tune_data, tune_document
from lrbench.spec.model import SolverSettings
from lrbench.tuning.baselines import Baselines, careful_baselines, given_baselines, highest_rate
from lrbench.tuning.range_test.result import Peak, RangeCost
from lrbench.tuning.space import Space, search_space
from lrbench.tuning.tune import tune

RANGE: Any = SimpleNamespace(peak=Peak(0.03, "it trains"), cost=RangeCost(8, 450, 3.0, 1.0))
MEASURED = Space((), RANGE)


@pytest.fixture
def runner(tmp_path, digits):
    return lambda text="trials: 3": made_up_runner(tmp_path, digits, text)


def of_net(made, net, dataset, iterations=1000, **solver):
    workload = replace(made.experiment.workload, net_name=net, dataset=dataset, iterations=iterations)
    made = made.with_settings(solver=[SolverSettings(**{"type": "SGD", **solver})])
    return replace(made, experiment=replace(made.experiment, workload=workload))


def careful(made, space=MEASURED, found=()):
    beside = careful_baselines(made, space, [parse_policy(text) for text in found])
    return [policy.text for policy in beside.policies], beside.reason


@pytest.mark.parametrize(
    ("net", "dataset", "iterations", "policy"),
    [
        ("lenet", "mnist", 10_000, "INV(k0=0.01, gamma=0.0001, p=0.75)"),
        ("lenet_train_test", "mnist", 1000, "INV(k0=0.01, gamma=0.001, p=0.75)"),
        ("cifar10_quick_train_test", "cifar10", 5000, "NSTEP(k0=0.001, gamma=0.1, l=[4000])"),
        ("cnn3", "cifar10", 7000, "NSTEP(k0=0.001, gamma=0.1, l=[6000, 6500])"),
        ("resnet20", "cifar10", 640, "NSTEP(k0=0.1, gamma=0.1, l=[320, 480])"),
    ],
)
def test_a_net_with_a_published_policy_has_that(runner, net, dataset, iterations, policy):
    policies, reason = careful(of_net(runner(), net, dataset, iterations))
    assert policies == [policy]
    assert reason.startswith("the published policy of the net (")
    assert ("stretched to the run's length" in reason) is (iterations in (1000, 7000, 640))


@pytest.mark.parametrize(
    ("net", "dataset", "solver"),
    [
        ("lenet", "digits", {}),
        ("cnn3", "mnist", {}),
        ("my_net", "cifar10", {}),
        ("lenet", "mnist", {"lr_scale": 2.0}),
        ("lenet", "mnist", {"type": "AdaGrad"}),
    ],
)
def test_others_have_a_fixed_rate_and_a_cosine_at_the_peak_of_the_range_test(runner, net, dataset, solver):
    policies, reason = careful(of_net(runner(), net, dataset, **solver))
    assert policies == ["FIX(k0=0.03)", "COSDECAY(k0=0.03, k1=0)"]
    assert reason == "a fixed rate and a cosine, at the peak rate that the range test suggests, 0.03"


def test_adam_has_a_cosine_after_a_warm_up(runner):
    policies, reason = careful(of_net(runner(), "lenet", "mnist", type="Adam"))
    assert policies == ["WARMUP(policy=COSDECAY(k0=0.03, k1=0), l=50, k0=0, count=stage)"]
    assert reason.startswith("a cosine after a warm-up, which is usual for Adam, at the peak rate")


def test_without_a_range_test_the_peak_is_that_of_the_best_policy(runner):
    made = of_net(runner(), "lenet", "digits")
    policies, reason = careful(made, Space(()), ["TRI(k0=0.001, k1=0.02, l=100)", "FIX(k0=1)"])
    assert policies == ["FIX(k0=0.02)", "COSDECAY(k0=0.02, k1=0)"]
    assert "at the highest rate of the best policy found, 0.02" in reason
    assert careful(made, Space(()), []) == ([], "")


def test_the_highest_rate_of_a_policy_that_reacts_to_evaluations_is_that_of_its_bounds():
    assert highest_rate(parse_policy("SWITCH(policies=[FIX(k0=0.01), FIX(k0=0.2)])"), 100) == 0.2


def test_baselines_of_the_spec_come_first_even_if_there_are_none(runner):
    assert given_baselines(runner().experiment) is None
    assert given_baselines(runner("baselines: []").experiment) == Baselines(())
    assert given_baselines(runner("baselines: [FIX(k0=1)]").experiment) == Baselines((parse_policy("FIX(k0=1)"),))


def test_the_result_says_why_and_counts_the_range_test(runner):
    made = runner("rates: [0.01, 0.1]\nfunctions: [EXP]\ntrials: 3\nfinal_seeds: 0")
    space = replace(
        search_space(made.experiment.settings.search, (0.01, 0.1), made.experiment.document), range_test=RANGE
    )
    result = tune(made, made, space)
    assert [row.policy.text for row in result.confirmed if row.role == "baseline"] == [
        "FIX(k0=0.03)",
        "COSDECAY(k0=0.03, k1=0)",
    ]
    text = " ".join(render(tune_document(result), "text", 200).decode().split())
    assert "baseline: a fixed rate and a cosine, at the peak rate that the range test suggests, 0.03; search." in text
    assert "; of the range test before it: 8 runs, 450 iterations, 4 s" in text
    assert tune_data(result)["range_test_cost"]["iterations"] == 450
    again = replace(made, results=made.results / "again")
    plain = tune(again, again, replace(space, range_test=None))
    assert "range test" not in render(tune_document(plain), "text", 200).decode()
    assert tune_data(plain)["range_test_cost"] is None
