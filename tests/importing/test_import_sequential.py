"""A SequentialLR has PyTorch's rates at every step, also where one of its schedulers changes the base of the others."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from lrbench.errors import UsageError
from lrbench.importing import Given, import_policy

pytestmark = pytest.mark.filterwarnings("ignore")
STEPS = 130
CASES = 120
REASONS = ("PyTorch stops in between", "falls from the start of the OneCycleLR")

# The optimizer's lr, the schedulers with the milestones, and the rates that PyTorch printed for some steps.
KNOWN = [
    (
        0.05,
        "[OneCycleLR(opt, max_lr=0.4, total_steps=30), ExponentialLR(opt, gamma=0.95)], [30]",
        {0: 0.016, 4: 0.208, 7: 0.38538487, 8: 0.4, 20: 0.15549679, 30: 0.016},
    ),
    (
        0.05,
        "[LinearLR(opt, start_factor=0.25, total_iters=8), OneCycleLR(opt, max_lr=0.4, total_steps=30)], [8]",
        {0: 0.004, 4: 0.01, 7: 0.0145, 8: 0.016, 20: 0.36524789, 30: 0.1000012},
    ),
    (
        0.05,
        "[CyclicLR(opt, base_lr=0.002, max_lr=0.06, step_size_up=5), StepLR(opt, 10, 0.5)], [20]",
        {0: 0.002, 4: 0.0484, 7: 0.0368, 8: 0.0252, 20: 0.002, 30: 0.001},
    ),
    (
        0.1,
        "[OneCycleLR(opt, 0.4, total_steps=10), OneCycleLR(opt, 0.8, total_steps=10)], [10]",
        {0: 0.032, 2: 0.8, 5: 0.48901, 10: 0.032, 12: 0.8},
    ),
]


def rates_of_pytorch(text: str, rate: float, steps: int = STEPS) -> list[float]:
    """The rates that the optimizer uses, up to an error of PyTorch's."""
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate, momentum=0.9)
    scheduler = eval(text, {**vars(lr_scheduler), "opt": opt})  # noqa: S307 - the texts of this file
    rates = []
    for _ in range(steps):
        rates.append(float(opt.param_groups[0]["lr"]))
        opt.step()
        try:
            scheduler.step()
        except (ValueError, NotImplementedError):
            break
    return rates


@pytest.mark.parametrize(("rate", "text", "known"), KNOWN)
def test_a_changed_base_is_the_base_of_the_other_schedulers(rate: float, text: str, known: dict[int, float]) -> None:
    policy = import_policy(f"SequentialLR(opt, {text})", Given(rate)).policy
    np.testing.assert_allclose(policy.rates(np.array(list(known)), STEPS), list(known.values()), rtol=1e-6)


def scheduler(draw: random.Random, base: float) -> str:
    """A random scheduler with legal values."""
    length, gamma, low = draw.randint(1, 25), draw.choice([0.5, 0.9, 0.97]), base * draw.choice([0, 0.1])
    milestones = sorted(draw.choices(range(1, 30), k=draw.randint(0, 4)))
    kinds: list[Callable[[], str]] = [
        lambda: f"StepLR(opt, {length}, {gamma})",
        lambda: f"MultiStepLR(opt, {milestones}, {gamma})",
        lambda: f"ConstantLR(opt, {draw.choice([0.25, 1.0])}, {length})",
        lambda: f"LinearLR(opt, {draw.choice([0.01, 0.5, 1.0])}, {draw.choice([0.0, 0.3, 1.0])}, {length})",
        lambda: f"ExponentialLR(opt, {gamma})",
        lambda: f"PolynomialLR(opt, {length}, {draw.choice([0.5, 1.0, 2.0])})",
        lambda: f"CosineAnnealingLR(opt, {length}, {low})",
        lambda: f"CosineAnnealingWarmRestarts(opt, {length}, {draw.choice([1, 2])})",
        lambda: f"CyclicLR(opt, {base / 4}, {base}, {length}, mode='{draw.choice(['triangular', 'triangular2'])}')",
        lambda: f"CyclicLR(opt, {base / 4}, {base}, {length}, mode='exp_range', gamma=0.99, cycle_momentum=False)",
        lambda: (
            f"OneCycleLR(opt, {base * draw.choice([1, 8])}, total_steps={draw.randint(12, 60)}, "
            f"anneal_strategy='{draw.choice(['cos', 'linear'])}', div_factor={draw.choice([4.0, 25.0])})"
        ),
    ]
    return draw.choice(kinds)()


def test_random_sequences_have_pytorchs_rates_or_are_refused() -> None:
    draw, refused = random.Random(8), 0
    for _ in range(CASES):
        base = draw.choice([0.05, 0.1])
        parts = [scheduler(draw, base) for _ in range(draw.randint(1, 4))]
        milestones = sorted(draw.sample(range(1, 70), len(parts) - 1))
        text = f"SequentialLR(opt, [{', '.join(parts)}], {milestones})"
        rates = rates_of_pytorch(text, base)
        try:
            policy = import_policy(text, Given(base)).policy
        except UsageError as error:
            refused += 1
            if not any(reason in str(error) for reason in REASONS):
                raise
            continue
        # A OneCycleLR raises an error one step after the rate that it computes beyond its end.
        steps = len(rates) if len(rates) == STEPS else len(rates) - 1
        np.testing.assert_allclose(
            policy.rates(np.arange(steps), STEPS), rates[:steps], rtol=1e-9, atol=1e-12, err_msg=text
        )
    assert refused < CASES / 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[SequentialLR(opt, [StepLR(opt, 3), StepLR(opt, 4)], [5]), StepLR(opt, 5)], [9]",
            "SequentialLR: it holds another SequentialLR, whose milestones PyTorch reaches a step early, or never; list the",
        ),
        (
            "[ChainedScheduler([StepLR(opt, 3)]), StepLR(opt, 5)], [9]",
            "SequentialLR: PyTorch takes no ChainedScheduler in it",
        ),
        ("[StepLR(opt, 5), ReduceLROnPlateau(opt)], [9]", "SequentialLR: PyTorch takes no ReduceLROnPlateau in it"),
        (
            "[OneCycleLR(opt, 0.4, total_steps=10), StepLR(opt, 3)], [14]",
            "OneCycleLR: it has 10 steps and the next milestone comes after 14: PyTorch stops in between",
        ),
        (
            "[CosineAnnealingLR(opt, 5), OneCycleLR(opt, 0.4, 10)], [14]",
            "CosineAnnealingLR: it falls from the start of the OneCycleLR after it, then rises to the optimizer's lr; set",
        ),
    ],
)
def test_rates_that_no_policy_has_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        import_policy(f"SequentialLR(opt, {text})", Given(0.1))
    assert message in str(caught.value)


def test_a_rate_that_no_scheduler_uses_need_not_be_given() -> None:
    text = "SequentialLR([CyclicLR(base_lr=0.002, max_lr=0.06, step_size_up=5), StepLR(10, 0.5)], [20])"
    policy = import_policy(text, Given()).policy
    assert policy.text == (
        "COMPOSE(policies=[TRI(k0=0.002, k1=0.06, l=5), STEP(k0=0.002, gamma=0.5, l=10)], boundaries=[20], count=stage)"
    )
    with pytest.raises(UsageError, match="give it by --rate"):
        import_policy("SequentialLR([StepLR(10), CyclicLR(base_lr=0.002, max_lr=0.06)], [20])", Given())
