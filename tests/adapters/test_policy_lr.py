"""``lrbench.torch.PolicyLR`` in real training: the rates that PyTorch's optimizers use are the policy's."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
import torch

from lrbench.errors import PolicyError, UsageError
from lrbench.exporting import export_policy
from lrbench.policies import parse_policy
from lrbench.torch import PolicyLR

ITERATIONS = 120
OPEN = (
    "FIX(k0=0.01)",
    "STEP(k0=0.1, gamma=0.5, l=30)",
    "POLY(k0=0.1, p=2)",
    "SGDR(k0=0.1, l=10, mult=2)",
    "SINEXP(k0=0.01, k1=0.06, gamma=0.99, l=20)",
    "ONECYCLE(k0=0.004, k1=0.1, k2=4e-07)",
    "WARMUP(policy=COSDECAY(k0=0.1), l=20)",
    "SCALE(factor=0.5, policy=COMPOSE(policies=[TRI(k0=0, k1=0.1, l=9), FIX(k0=0.001)], boundaries=[60]))",
)
PLATEAU = "PLATEAU(k0=0.1, factor=0.5, patience=2, threshold=0.01, cooldown=1, monitor=test_loss, min_rate=0.01)"
SWITCH = "SWITCH(policies=[TRI(k0=0.01, k1=0.06, l=5), FIX(k0=0.01)], patience=2, monitor=accuracy, at_end=cycle)"


class Training:
    """A weight without momentum whose gradient is 1, so that each step moves it by the rate that was used."""

    def __init__(
        self, policy: str | list[str], iterations: int | None = ITERATIONS, lr: float | torch.Tensor = 7.0
    ) -> None:
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.optimizer = torch.optim.SGD([self.weight], lr=lr)
        self.scheduler = PolicyLR(self.optimizer, policy, iterations)

    def step(self, metrics: dict[str, float] | None = None) -> float:
        self.weight.data.zero_()
        self.weight.grad = torch.ones_like(self.weight)
        self.optimizer.step()
        self.scheduler.step(metrics)
        return -self.weight.item()


def loaded(saved: io.BytesIO) -> dict[str, dict[str, Any]]:
    saved.seek(0)
    states: dict[str, dict[str, Any]] = torch.load(saved, weights_only=True)
    return states


@pytest.mark.parametrize("text", OPEN)
def test_every_step_uses_the_policys_rate_bit_for_bit_also_after_save_and_load(text: str) -> None:
    want = parse_policy(text).rates(np.arange(ITERATIONS), ITERATIONS).tolist()
    first = Training(text)
    used = [first.step() for _ in range(50)]
    saved = io.BytesIO()
    torch.save({"optimizer": first.optimizer.state_dict(), "scheduler": first.scheduler.state_dict()}, saved)
    second = Training(text)
    second.optimizer.load_state_dict(loaded(saved)["optimizer"])
    second.scheduler.load_state_dict(loaded(saved)["scheduler"])
    assert second.scheduler.get_last_lr() == [want[50]]
    used += [second.step() for _ in range(ITERATIONS - 50)]
    assert used == want


def test_loading_the_scheduler_alone_gives_the_optimizer_its_rate() -> None:
    first, second = Training(OPEN[4]), Training(OPEN[4])
    for _ in range(17):
        first.step()
    second.scheduler.load_state_dict(first.scheduler.state_dict())
    assert [second.step() for _ in range(9)] == [first.step() for _ in range(9)]


@pytest.mark.parametrize("text", [PLATEAU, SWITCH, f"WARMUP(policy={PLATEAU}, l=11)"])
def test_a_closed_loop_policy_sees_the_evaluations_and_goes_on_from_its_state(text: str) -> None:
    draw = random.Random(0)
    rows = {n: {"test_loss": draw.random(), "accuracy": draw.random()} for n in range(5, ITERATIONS + 1, 5)}
    controller = parse_policy(text).start(ITERATIONS)
    want = []
    for t in range(ITERATIONS):
        if t in rows:
            controller.observe({"iteration": t, "accuracy_top1": rows[t]["accuracy"], **rows[t]})
        want.append(float(controller.rates(t, t + 1)[0]))
    assert len(set(want)) > 2
    training = Training(text)
    used = []
    for t in range(ITERATIONS):
        used.append(training.step(rows.get(t + 1)))
        if t == 61:
            saved = io.BytesIO()
            torch.save(training.scheduler.state_dict(), saved)
            training = Training(text)
            training.scheduler.load_state_dict(loaded(saved))
    assert used == want


def test_each_parameter_group_may_have_its_own_policy() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    scheduler = PolicyLR(optimizer, [parse_policy("FIX(k0=0.01)"), "LINEAR(k0=0.1)"], iterations=10)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.01, pytest.approx(0.09, rel=1e-15)]
    one = PolicyLR(torch.optim.SGD(groups, lr=1.0), "FIX(k0=0.5)")
    assert one.get_last_lr() == [0.5, 0.5]


def test_a_rate_that_is_a_tensor_is_changed_in_place() -> None:
    training = Training("LINEAR(k0=0.5)", 4, lr=torch.tensor(9.0, dtype=torch.float64))
    rate = training.optimizer.param_groups[0]["lr"]
    assert [training.step() for _ in range(3)] == [0.5, 0.375, 0.25]
    assert training.optimizer.param_groups[0]["lr"] is rate


def test_the_last_rate_stays_after_the_run_and_a_policy_without_end_goes_on() -> None:
    ended, endless = Training("TRI(k0=0, k1=1, l=2)", 4), Training("TRI(k0=0, k1=1, l=2)", None)
    assert [ended.step() for _ in range(7)] == [0, 0.5, 1, 0.5, 0.5, 0.5, 0.5]
    assert [endless.step() for _ in range(7)] == [0, 0.5, 1, 0.5, 0, 0.5, 1]


def test_it_can_go_on_at_an_iteration_without_a_state() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [weight], "initial_lr": 1.0}], lr=1.0)
    assert PolicyLR(optimizer, "LINEAR(k0=1)", 10, last_epoch=4).get_last_lr() == [0.5]


def test_it_takes_its_turn_in_pytorchs_own_sequence() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    parts = [torch.optim.lr_scheduler.ConstantLR(optimizer, 0.5, 100), PolicyLR(optimizer, "LINEAR(k0=8)", 8)]
    sequence = torch.optim.lr_scheduler.SequentialLR(optimizer, parts, [2])
    used = []
    for _ in range(5):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        sequence.step()
    assert used == [0.5, 0.5, 8, 7, 6]


@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_an_integer_is_the_iteration_to_go_to() -> None:
    scheduler = Training("LINEAR(k0=8)", 8).scheduler
    scheduler.optimizer.step()
    scheduler.step(5)
    scheduler.step(0)  # so SequentialLR begins it in older releases of PyTorch
    assert (scheduler.last_epoch, scheduler.get_last_lr()) == (0, [8])


@pytest.mark.parametrize("monitor", ["test_loss", "accuracy"])
def test_the_plateau_snippet_is_the_policy(monitor: str) -> None:
    for case in range(30):
        draw = random.Random(case)
        mode = draw.choice(["rel", "abs"])
        text = (
            f"SCALE(factor=0.5, policy=PLATEAU(k0=0.8, factor=0.5, patience={draw.randint(1, 3)}, threshold=0.02, "
            f"threshold_mode={mode}, cooldown={draw.randint(0, 3)}, monitor={monitor}, min_rate=0.01))"
        )
        names: dict[str, object] = {}
        exec(export_policy(parse_policy(text), "torch"), names)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3.0)
        theirs = names["scheduler"](optimizer)  # type: ignore[operator]
        ours = Training(text, 100)
        for _ in range(60):
            value = draw.choice([draw.random(), float("nan")])
            theirs.step(value)
            ours.step({monitor: value})
            assert ours.scheduler.get_last_lr() == [pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)]


def refusal(*arguments: Any, **more: Any) -> str:
    with pytest.raises(UsageError) as caught:
        PolicyLR(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), *arguments, **more)
    return str(caught.value)


def test_what_cannot_be_is_refused() -> None:
    assert refusal("POLY(k0=0.1, p=1)").startswith("POLY: its rates depend on how many iterations")
    assert refusal("FIX(k0=-1)").startswith("FIX: k0 is -1")
    assert refusal(["FIX(k0=1)"] * 2).startswith("PolicyLR: there are 2 policies for 1 parameter groups; give one")
    assert refusal("POLY(k0=1, p=1.5, l=10)", 100).startswith("POLY: the rate at t = 11 is nan")


def test_metrics_must_be_those_that_the_policies_monitor() -> None:
    training = Training(PLATEAU)
    for metrics, message in (
        ({"loss": 1.0}, 'PolicyLR.step: "loss" is no metric that a policy monitors; give accu'),
        ({"accuracy": 1.0}, "PolicyLR.step: PLATEAU monitors test_loss, which is not among"),
    ):
        with pytest.raises(UsageError) as caught:
            training.scheduler.step(metrics)
        assert str(caught.value).startswith(message)
    for value in (0.3, torch.tensor(0.3), 0):
        with pytest.raises(UsageError, match=r'^PolicyLR.step: is given .* name it, as {"test_loss": 0.3}'):
            training.scheduler.step(value)  # type: ignore[arg-type]  # what PyTorch's own scheduler takes
    with pytest.raises(UsageError, match="it cannot go on without the evaluations so far"):
        PolicyLR(training.optimizer, PLATEAU, ITERATIONS, last_epoch=3)


def test_a_state_of_another_policy_is_refused() -> None:
    state = Training("FIX(k0=1)", None).scheduler.state_dict()
    with pytest.raises(UsageError, match=r"^PolicyLR: the state is of policies \['FIX\(k0=1\)'\], this scheduler of"):
        Training("FIX(k0=2)", None).scheduler.load_state_dict(state)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    foreign = torch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict()
    with pytest.raises(UsageError, match=r"^PolicyLR: the state is of policies None, this scheduler of"):
        Training("FIX(k0=2)", None).scheduler.load_state_dict(foreign)


def test_an_endless_policy_that_becomes_impossible_says_so() -> None:
    training = Training("POLY(k0=1, p=1.5, l=3)", None)
    with pytest.raises((UsageError, PolicyError), match="the rate at t = 4 is nan"):
        [training.step() for _ in range(5)]
