"""A ChainedScheduler is a PRODUCT with PyTorch's rates at every step, from its text and from its state."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from lrbench.errors import UsageError
from lrbench.importing import Given, import_policy

pytestmark = pytest.mark.filterwarnings("ignore")
STEPS, CASES = 60, 60


def rates_of_pytorch(text: str, rate: float, folder: Path) -> list[float]:
    """The rates that the optimizer uses; the state after some steps is saved."""
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    chained = eval(text, {**vars(lr_scheduler), "opt": opt})  # noqa: S307 - the texts of this file
    rates = []
    for step in range(STEPS):
        rates.append(float(opt.param_groups[0]["lr"]))
        opt.step()
        chained.step()
        if step == 7:
            torch.save({"scheduler": chained.state_dict()}, folder / "state.pt")
    return rates


def scheduler(draw: random.Random) -> str:
    length, gamma = draw.randint(1, 25), draw.choice([0.5, 0.9, 0.97])
    milestones = sorted(draw.choices(range(1, 30), k=draw.randint(0, 4)))
    return draw.choice(
        [
            f"StepLR(opt, {length}, {gamma})",
            f"MultiStepLR(opt, {milestones}, {gamma})",
            f"ConstantLR(opt, {draw.choice([0.25, 1.0])}, {length})",
            f"LinearLR(opt, {draw.choice([0.01, 0.5, 1.0])}, {draw.choice([0.3, 1.0])}, {length})",
            f"ExponentialLR(opt, {gamma})",
            f"PolynomialLR(opt, {STEPS}, {draw.choice([0.5, 1.0, 2.0])})",
            f"CosineAnnealingLR(opt, {STEPS})",
        ]
    )


def test_random_chains_have_pytorchs_rates(tmp_path):
    draw = random.Random(0)
    for _ in range(CASES):
        rate = draw.choice([0.1, 0.03, 1.0])
        text = f"ChainedScheduler([{', '.join(scheduler(draw) for _ in range(draw.randint(1, 3)))}])"
        expected = rates_of_pytorch(text, rate, tmp_path)
        for what in (text, str(tmp_path / "state.pt")):
            policy = import_policy(what, Given(rate, iterations=STEPS)).policy
            np.testing.assert_allclose(policy.schedule(STEPS), expected, rtol=1e-9, atol=1e-12, err_msg=text)


@pytest.mark.parametrize(("cosine", "iterations"), [("5, 0.1", 5), ("5", None), ("5", 60)])
def test_a_cosine_that_does_not_multiply_is_refused(cosine, iterations):
    with pytest.raises(UsageError, match="multiplies the rate only with eta_min 0 and up to T_max"):
        import_policy(f"ChainedScheduler([StepLR(opt, 3), CosineAnnealingLR(opt, {cosine})])", Given(0.1, iterations))


def test_a_step_an_epoch_is_a_product_of_staircases():
    given = Given(0.1, steps_per_epoch=10)
    policy = import_policy("ChainedScheduler([ConstantLR(opt, 0.5, 3), StepLR(opt, 4, 0.1)])", given).policy
    assert policy.name == "PRODUCT"
    assert policy.rates(np.array([0, 29, 30, 39, 40]), 60).tolist() == pytest.approx([0.05, 0.05, 0.1, 0.1, 0.01])
