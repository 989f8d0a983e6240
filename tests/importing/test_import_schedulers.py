"""Policies read from descriptions of PyTorch schedulers have the rates that PyTorch's own give the optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from lrbench.errors import LRBenchError
from lrbench.importing import Given, import_policy
from lrbench.importing.description import REQUIRED, SIGNATURES
from lrbench.policies import parse_policy
from lrbench.torch import PolicyLR

STEPS = 130
RATE = 0.1

# What PyTorch is given, and the policy that it is; each of an optimizer with lr=0.1 and stepped once an iteration.
EQUAL = {
    "StepLR(opt, 30)": "STEP(k0=0.1, gamma=0.1, l=30)",
    "MultiStepLR(opt, milestones=[30, 80], gamma=0.5)": "NSTEP(k0=0.1, gamma=0.5, l=[30, 80])",
    "MultiStepLR(opt, milestones=[30, 30, 80], gamma=0.5)": "COMPOSE(policies=[FIX(k0=0.1), FIX(k0=0.025), FIX(k0=0.0125)], boundaries=[30, 80], count=stage)",
    "ConstantLR(opt, factor=0.5, total_iters=4)": "COMPOSE(policies=[FIX(k0=0.05), FIX(k0=0.1)], boundaries=[4], count=stage)",
    "LinearLR(opt, start_factor=0.25, total_iters=50)": "LINEAR(k0=0.025, k1=0.1, l=50)",
    "ExponentialLR(opt, gamma=0.98)": "EXP(k0=0.1, gamma=0.98)",
    "PolynomialLR(opt, total_iters=100, power=2.0)": "POLYDECAY(k0=0.1, k1=0, p=2, l=100)",
    "CosineAnnealingLR(opt, T_max=50, eta_min=0.01)": "COS(k0=0.01, k1=0.1, l=100)",
    "CosineAnnealingLR(opt, T_max=50, eta_min=0.2)": "COS_LOW(k0=0.2, k1=0.1, l=100)",
    "CosineAnnealingWarmRestarts(opt, T_0=20)": "SGDR(k0=0.1, k1=0, l=20, mult=1)",
    "CosineAnnealingWarmRestarts(opt, T_0=10, T_mult=2, eta_min=0.01)": "SGDR(k0=0.1, k1=0.01, l=10, mult=2)",
    "CyclicLR(opt, 0.01, 0.06, step_size_up=20, cycle_momentum=False)": "TRI(k0=0.01, k1=0.06, l=20)",
    "CyclicLR(opt, 0.01, 0.06, step_size_up=20, mode='triangular2')": "TRI2(k0=0.01, k1=0.06, l=20)",
    "CyclicLR(opt, 0.01, 0.06, step_size_up=20, mode='exp_range', gamma=0.99)": "TRIEXP(k0=0.01, k1=0.06, gamma=0.99, l=20)",
    "OneCycleLR(opt, max_lr=0.1, total_steps=131)": "ONECYCLE(k0=0.004, k1=0.1, k2=4e-07, l=131, rise=0.3, anneal=cos)",
    "OneCycleLR(opt, max_lr=0.1, epochs=10, steps_per_epoch=15, pct_start=0.4, anneal_strategy='linear')": "ONECYCLE(k0=0.004, k1=0.1, k2=4e-07, l=150, rise=0.4, anneal=linear)",
    "SequentialLR(opt, [LinearLR(opt, 0.1, total_iters=20), CosineAnnealingLR(opt, T_max=200)], milestones=[20])": "COMPOSE(policies=[LINEAR(k0=0.01, k1=0.1, l=20), COS(k0=0, k1=0.1, l=400)], boundaries=[20], count=stage)",
}


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE, momentum=0.9)


def made(text: str, opt: torch.optim.Optimizer) -> Any:
    return eval(text, {**vars(lr_scheduler), "opt": opt})  # noqa: S307 - the texts of this file


def used(opt: torch.optim.Optimizer, scheduler: Any, every: int = 1) -> Iterator[float]:
    for step in range(STEPS):
        yield float(opt.param_groups[0]["lr"])
        opt.step()
        if (step + 1) % every == 0:
            scheduler.step()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", EQUAL)
def test_the_policy_has_the_rates_of_pytorchs_scheduler(text: str) -> None:
    imported = import_policy(text, Given(rate=RATE))
    assert imported.policy.text == EQUAL[text]
    opt = optimizer()
    theirs = list(used(opt, made(text, opt)))
    np.testing.assert_allclose(imported.policy.rates(np.arange(STEPS), STEPS), theirs, rtol=1e-9, atol=1e-15)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "text",
    [
        "OneCycleLR(opt, max_lr=0.1, total_steps=131)",
        "OneCycleLR(opt, max_lr=0.1, total_steps=200, pct_start=0.4, anneal_strategy='linear', max_momentum=0.9)",
        "CyclicLR(opt, 0.01, 0.06, step_size_up=20)",
    ],
)
def test_a_note_has_the_policy_of_the_momentum_that_pytorch_cycles(text: str) -> None:
    (note,) = [note for note in import_policy(text, Given(rate=RATE)).notes if "momentum" in note]
    policy = parse_policy(note.partition("solver.momentum: ")[2])
    opt, theirs = optimizer(), []
    scheduler = made(text, opt)
    for _ in range(130):
        theirs.append(opt.param_groups[0]["momentum"])
        opt.step()
        scheduler.step()
    np.testing.assert_allclose(policy.rates(np.arange(130), 130), theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("StepLR(opt, 3)", "STEP(k0=0.1, gamma=0.1, l=30)"),
        ("MultiStepLR(opt, [3, 8])", "NSTEP(k0=0.1, gamma=0.1, l=[30, 80])"),
        ("ExponentialLR(opt, 0.9)", "STEP(k0=0.1, gamma=0.9, l=10)"),
        ("ConstantLR(opt, 0.5, 4)", "COMPOSE(policies=[FIX(k0=0.05), FIX(k0=0.1)], boundaries=[40], count=stage)"),
    ],
)
def test_what_is_stepped_once_an_epoch_stays_for_the_epoch(text: str, policy: str) -> None:
    imported = import_policy(text, Given(rate=RATE, steps_per_epoch=10))
    assert imported.policy.text == policy
    opt = optimizer()
    theirs = list(used(opt, made(text, opt), every=10))
    np.testing.assert_allclose(imported.policy.rates(np.arange(STEPS), STEPS), theirs, rtol=1e-12)


def test_a_cosine_that_the_run_does_not_outlast_is_a_decay() -> None:
    imported = import_policy("CosineAnnealingLR(T_max=100)", Given(rate=RATE, iterations=100))
    assert imported.policy.text == "COSDECAY(k0=0.1, k1=0, l=100)"
    longer = import_policy("CosineAnnealingLR(T_max=100)", Given(rate=RATE, iterations=200))
    assert longer.policy.text == "COS(k0=0, k1=0.1, l=200)"
    assert any("rises again after T_max = 100" in note for note in longer.notes)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_reduce_on_plateau_is_plateau(mode: str) -> None:
    text = f"ReduceLROnPlateau(opt, mode='{mode}', factor=0.5, patience=2, threshold=0.05, cooldown=2, min_lr=0.001)"
    imported = import_policy(text, Given(rate=RATE, monitor="accuracy" if mode == "max" else "test_loss"))
    opt, ours = optimizer(), PolicyLR(optimizer(), imported.policy, 1000)
    theirs, draw, rates = made(text, opt), np.random.default_rng(1), set()
    for value in draw.random(80).tolist():
        theirs.step(value)
        ours.optimizer.step()
        ours.step({imported.policy.parameters["monitor"]: value})
        assert ours.get_last_lr() == [pytest.approx(opt.param_groups[0]["lr"], rel=1e-12)]
        rates.update(ours.get_last_lr())
    assert len(rates) > 3


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signatures_are_pytorchs(name: str) -> None:
    parameters = inspect.signature(getattr(lr_scheduler, name)).parameters.values()
    theirs = {
        one.name: REQUIRED if one.default is inspect.Parameter.empty else one.default
        for one in parameters
        if one.name not in {"optimizer", "last_epoch", "verbose"}
    }
    assert list(SIGNATURES[name].items()) == list(theirs.items())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", [text for text in EQUAL if not text.startswith(("CyclicLR", "OneCycleLR"))])
def test_a_saved_state_says_the_same_as_the_description(text: str, tmp_path: Path) -> None:
    opt = optimizer()
    scheduler = made(text, opt)
    opt.step()
    scheduler.step()
    path = tmp_path / "checkpoint.pt"
    torch.save({"epoch": 1, "optimizer": opt.state_dict(), "scheduler": scheduler.state_dict()}, path)
    assert import_policy(str(path), Given()).policy.text == EQUAL[text]


def test_a_saved_policy_lr_is_its_policy(tmp_path: Path) -> None:
    torch.save(PolicyLR(optimizer(), "COSDECAY(k0=0.1)", 100).state_dict(), tmp_path / "state.pt")
    assert import_policy(str(tmp_path / "state.pt"), Given()).policy.text == "COSDECAY(k0=0.1, k1=0)"


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return (open, ("/tmp/written_by_a_checkpoint", "w"))


def refusal(source: str, **given: object) -> str:
    with pytest.raises(LRBenchError) as caught:
        import_policy(source, Given(**given))  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_file_that_would_run_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"scheduler": Hostile()}, path)
    assert "is no file that PyTorch reads safely" in refusal(str(path))
    assert not Path("/tmp/written_by_a_checkpoint").exists()
    path.write_bytes(b"PK\x03\x04 and no more")
    assert "is no file that PyTorch reads safely" in refusal(str(path))
    torch.save({"weights": torch.zeros(1)}, path)
    assert "it holds 0 states of schedulers" in refusal(str(path))
    states: list[dict[str, Any]] = [
        {"policies": 5},
        {"policies": []},
        {"gamma": 0.9, "base_lrs": ["x"]},
        {"gamma": 0.9, "base_lrs": 3},
    ]
    for state in states:
        torch.save({"scheduler": {"last_epoch": 1, **state}}, path)
        assert refusal(str(path)).startswith(f"{path}: the state in it is of no scheduler of PyTorch's (")
    opt = optimizer()
    torch.save(lr_scheduler.OneCycleLR(opt, 0.1, 10).state_dict(), path)
    assert "state does not hold all of its rates; describe it as text" in refusal(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("StepLR(30)", "StepLR: it changes the optimizer's lr, which it does not say; give it by --rate"),
        ("StepLR()", "StepLR: step_size is missing; give step_size"),
        ("StepLR(step=3)", 'StepLR: it takes no "step"; did you mean step_size?'),
        ("StepLR(opt, epochs * 3)", 'StepLR: "epochs" is not written out; write numbers'),
        ("StepLR(opt, '3')", "StepLR: step_size is 3, which PyTorch does not take"),
        ("MultiStepLR(opt, [30, 'a'])", "MultiStepLR: milestones is [30, 'a'], which PyTorch does not take"),
        (
            "SequentialLR(opt, [StepLR(opt, 3), StepLR(opt, 4)], [[5]])",
            "SequentialLR: milestones is [[5]], which PyTorch",
        ),
        (
            "StepLR(opt, 2.5)",
            "StepLR: step_size is 2.5, which PyTorch does not take; write step_size as for PyTorch, in",
        ),
        ("LinearLR(opt, 0.5, total_iters=7.5)", "LinearLR: total_iters is 7.5, which PyTorch does not take"),
        ("MultiStepLR(opt, [2.5])", "MultiStepLR: milestones is [2.5], which PyTorch does not take"),
        ("StepLR(opt, 3, 0.1, 4, 5)", "StepLR: it has 4 arguments, but takes 2"),
        ("StepLR(opt, 3, step_size=4)", "StepLR: step_size cannot be read; give each argument once"),
        ("StepLR(**options)", "StepLR: ** cannot be read"),
        ("StepLR(opt, 1 / 0)", "StepLR: division by zero"),
        ("StepLr(opt, 1)", '"StepLr" is no scheduler that is known; did you mean StepLR'),
        ("StepLR(opt", '"StepLR(opt" cannot be read; write it as the call'),
        ("__import__('os').system('true')", '"system" is no scheduler that is known'),
        ("StepLR(opt, 1); StepLR(opt, 2)", "a scheduler is one call"),
        ("(" * 5000 + ")", "cannot be read; write it as the call"),
        ("LambdaLR(opt, lambda t: t)", "LambdaLR: it holds a function of yours, so that no policy can be read from it"),
        ("ChainedScheduler([])", "ChainedScheduler: it needs a list of schedulers"),
        (
            "ChainedScheduler([StepLR(opt, 3), CyclicLR(opt, 0.1, 0.2, 5)])",
            "ChainedScheduler: it holds a CyclicLR, which",
        ),
        ("CyclicLR(opt, 0.1, 0.2, 5, 6)", "CyclicLR: its way up and its way down differ in length"),
        ("OneCycleLR(opt, 0.1, 9, three_phase=True)", "OneCycleLR: three_phase=True falls in two ways"),
        ("OneCycleLR(opt, 0.1, 9, div_factor=0)", "OneCycleLR: its values make no rates"),
        ("no such file", "no such file: no such file, and no description of a scheduler; give a solver.prototxt"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("StepLR(opt, 0)", "STEP: l is 0, but must be a finite number above 0"),
        (
            "CosineAnnealingLR(opt, 10)",
            "CosineAnnealingLR: stepped once an epoch it makes a staircase that no LR function",
        ),
        ("ConstantLR(opt, 0.5, 0)", "ConstantLR: factor is 0.5 and total_iters 0; set factor above 0 and to at most"),
        (
            "SequentialLR(opt, [StepLR(opt, 3)], [4])",
            "SequentialLR: it needs a list of schedulers and a milestone fewer",
        ),
        ("ConstantLR(opt, 0.5, 2.5)", "ConstantLR: total_iters is 2.5, which PyTorch does not take"),
        (
            "SequentialLR(opt, [StepLR(opt, 3), StepLR(opt, 4)], [4.5])",
            "SequentialLR: milestones is [4.5], which PyTorch",
        ),
        ("ReduceLROnPlateau(opt, min_lr=[0, 1])", "ReduceLROnPlateau: min_lr is a list"),
        ("ReduceLROnPlateau(opt, 'rel')", "ReduceLROnPlateau: mode is 'rel'; set mode to min or max"),
    ],
)
def test_what_no_policy_does_is_one_line(text: str, message: str) -> None:
    assert message in refusal(text, rate=0.1, steps_per_epoch=10)


def test_factors_that_pytorch_refuses_are_refused() -> None:
    assert "LinearLR: start_factor is 2 and end_factor 1.0; set start_factor" in refusal("LinearLR(2)", rate=0.1)
    assert "LinearLR: start_factor is 0.5 and end_factor -1" in refusal("LinearLR(0.5, -1)", rate=0.1)


def test_what_is_assumed_is_said() -> None:
    assert import_policy("OneCycleLR(0.1, 50)", Given(iterations=80)).notes[1] == (
        "after its 50 steps PyTorch's OneCycleLR raises an error; the policy stays at its last rate"
    )
    assert import_policy("StepLR(3)", Given(rate=1)).notes == (
        "assumed: one step() of the scheduler an iteration; --steps-per-epoch says otherwise",
    )
    assert import_policy("ReduceLROnPlateau(mode='max')", Given(rate=1)).notes == (
        "assumed: it is shown the accuracy; --monitor says otherwise",
        "PyTorch leaves out reductions of less than eps = 1e-08; the policy does not",
    )
