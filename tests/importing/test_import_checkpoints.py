"""Checkpoints as programs and releases of PyTorch write them, and such as somebody made to do harm."""

from __future__ import annotations

import copy
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from lrbench.errors import LRBenchError
from lrbench.importing import Given, import_policy

pytestmark = pytest.mark.filterwarnings("ignore")
POLICY = "STEP(k0=0.08, gamma=0.5, l=12)"


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.08, momentum=0.9)


def state(make: Callable[[torch.optim.Optimizer], Any]) -> dict[str, Any]:
    """The state of a scheduler after five steps."""
    opt = optimizer()
    scheduler = make(opt)
    for _ in range(5):
        opt.step()
        scheduler.step()
    found: dict[str, Any] = scheduler.state_dict()
    return found


def step() -> dict[str, Any]:
    return state(lambda opt: lr_scheduler.StepLR(opt, 12, 0.5))


def refusal(path: Path) -> str:
    with pytest.raises(LRBenchError) as caught:
        import_policy(str(path), Given())
    assert caught.value.exit_code == 2
    return str(caught.value).removeprefix(f"{path}: ")


CHECKPOINTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "alone": lambda own: own,
    "beside a model": lambda own: {"model": {}, "scheduler": own},
    "Lightning": lambda own: {
        "epoch": 5,
        "global_step": 5,
        "pytorch-lightning_version": "2.2.0",
        "state_dict": {"w": torch.zeros(1)},
        "loops": {},
        "callbacks": {},
        "optimizer_states": [optimizer().state_dict()],
        "lr_schedulers": [own],
    },
    "a last_epoch of its own": lambda own: {
        "last_epoch": 5,
        "net": {"w": torch.zeros(1)},
        "optimizer": optimizer().state_dict(),
        "scheduler": own,
    },
    "a trainer in it": lambda own: {"trainer": {"optimizer": optimizer().state_dict(), "scheduler": own}},
    "the same state twice": lambda own: {"scheduler": own, "trainer": {"schedulers": [own]}},
    "an lr that is a tensor": lambda own: {**own, "base_lrs": [torch.tensor(0.08)]},
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("of_today", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_a_scheduler_is_found_wherever_a_checkpoint_has_it(kind: str, of_today: bool, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.ckpt"
    torch.save(CHECKPOINTS[kind](step()), path, _use_new_zipfile_serialization=of_today)
    assert import_policy(str(path), Given()).policy.text == POLICY


def test_a_doubled_milestone_steps_twice(tmp_path: Path) -> None:
    torch.save(state(lambda opt: lr_scheduler.MultiStepLR(opt, [3, 3, 8], 0.5)), tmp_path / "state.pt")
    policy = import_policy(str(tmp_path / "state.pt"), Given()).policy
    np.testing.assert_allclose(
        policy.rates(np.array([0, 2, 3, 7, 8, 50]), 60), [0.08, 0.08, 0.02, 0.02, 0.01, 0.01], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda opt: lr_scheduler.ChainedScheduler([lr_scheduler.OneCycleLR(opt, 0.1, 30)]),
            "OneCycleLR: its state does not hold",
        ),
        (lambda opt: lr_scheduler.LambdaLR(opt, lambda t: 0.9**t), "LambdaLR: it holds a function of yours"),
        (lambda opt: lr_scheduler.OneCycleLR(opt, 0.1, 30), "OneCycleLR: its state does not hold all of its rates; "),
        (lambda opt: lr_scheduler.CyclicLR(opt, 0.1, 0.2), "CyclicLR: its state does not hold all of its rates; "),
        (
            lambda opt: lr_scheduler.SequentialLR(
                opt, [lr_scheduler.LinearLR(opt), lr_scheduler.OneCycleLR(opt, 1, 9)], [9]
            ),
            "OneCycleLR: its state does not hold",
        ),
        (
            lambda opt: lr_scheduler.SequentialLR(
                opt,
                [
                    lr_scheduler.SequentialLR(opt, [lr_scheduler.LinearLR(opt), lr_scheduler.StepLR(opt, 5)], [9]),
                    lr_scheduler.StepLR(opt, 5),
                ],
                [19],
            ),
            "SequentialLR: it holds another SequentialLR or ChainedScheduler; describe it as text, without nesting",
        ),
    ],
)
def test_a_state_without_all_of_its_rates_is_refused_by_its_name(make: Any, message: str, tmp_path: Path) -> None:
    torch.save({"scheduler": state(make)}, tmp_path / "state.pt")
    assert refusal(tmp_path / "state.pt").startswith(message)


def test_schedulers_that_began_with_different_rates_are_refused(tmp_path: Path) -> None:
    sequence = state(
        lambda opt: lr_scheduler.SequentialLR(opt, [lr_scheduler.LinearLR(opt), lr_scheduler.StepLR(opt, 5)], [9])
    )
    sequence["_schedulers"][1]["base_lrs"] = [0.2]
    torch.save(sequence, tmp_path / "state.pt")
    assert refusal(tmp_path / "state.pt").startswith("SequentialLR: its schedulers began with different rates: [")
    torch.save({"a": step(), "b": [step()]}, tmp_path / "state.pt")
    assert refusal(tmp_path / "state.pt").startswith("it holds 2 states of schedulers, but must hold one")


def multistep(milestones: object) -> dict[str, Any]:
    return {"last_epoch": 5, "base_lrs": [0.1], "milestones": milestones, "gamma": 0.5}


NO_STATE = "the state in it is of no scheduler of PyTorch's ("
HOSTILE: dict[str, tuple[Callable[[], Any], str]] = {
    "many of one milestone": (
        lambda: multistep(Counter({20: 3 * 10**8})),
        "MultiStepLR: it has 300000000 milestones; at most 100,000 are read",
    ),
    "very many": (lambda: multistep(Counter({20: 2**63})), f"MultiStepLR: it has {2**63} milestones; at most"),
    "fewer than none": (lambda: multistep(Counter({20: -2})), f"{NO_STATE}its milestones are no whole numbers"),
    "tensors for milestones": (lambda: multistep(torch.ones(3)), f"{NO_STATE}milestones is a Tensor)"),
    "a tensor counted": (lambda: multistep(Counter({20: torch.ones(3)})), f"{NO_STATE}its milestones are no whole"),
    "a tensor as gamma": (lambda: {**step(), "gamma": torch.ones(2)}, f"{NO_STATE}gamma is a Tensor)"),
    "a tensor without numbers": (lambda: {**step(), "gamma": torch.ones(1, device="meta")}, f"{NO_STATE}gamma is a"),
    "a sparse tensor": (lambda: {**step(), "gamma": torch.ones(1).to_sparse()}, f"{NO_STATE}gamma is a Tensor)"),
    "tensors as schedulers": (
        lambda: {"last_epoch": 5, "_schedulers": torch.ones(3), "_milestones": [3]},
        f"{NO_STATE}_schedulers is a Tensor)",
    ),
    "numbers as schedulers": (
        lambda: {"last_epoch": 5, "_schedulers": [3, 4], "_milestones": [3]},
        f"{NO_STATE}a scheduler in it is 3)",
    ),
    "many groups": (lambda: {**step(), "base_lrs": [0.1] * 100_001}, "base_lrs has 100001 values; at most 100,000"),
    "no groups": (lambda: {**step(), "base_lrs": []}, f"{NO_STATE}base_lrs is [])"),
    "a policy that is a list": (lambda: {"last_epoch": 5, "policies": [["FIX(k0=1)"]]}, f"{NO_STATE}a policy in it"),
    "a rate beyond numbers": (lambda: {**step(), "base_lrs": [10**400]}, "STEP: k0 is 1000"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_state_made_to_do_harm_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    made, message = HOSTILE[kind]
    torch.save({"scheduler": made()}, tmp_path / "state.pt")
    assert refusal(tmp_path / "state.pt").startswith(message)


def written(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/version", "3\n")
    return path


def test_a_small_file_that_would_unpack_to_a_large_one_is_refused(tmp_path: Path) -> None:
    gigabytes = b"\x80\x02cbuiltins\nbytearray\n\x8a\x05" + (4 * 10**9).to_bytes(5, "little") + b"\x85R."
    assert refusal(written(tmp_path / "a.pt", gigabytes)).startswith("it holds a bytearray, whose size it may set")
    (tmp_path / "b.pt").write_bytes(gigabytes)
    assert refusal(tmp_path / "b.pt").startswith("it holds a bytearray, whose size it may set")
    zeros = written(tmp_path / "c.pt", bytes(10**6), zipfile.ZIP_DEFLATED)
    assert refusal(zeros).startswith("its members unpack to more than the file holds")


def test_a_state_that_holds_itself_is_looked_through_once(tmp_path: Path) -> None:
    checkpoint: dict[str, Any] = {"scheduler": step()}
    checkpoint["trainer"] = [checkpoint]
    torch.save(checkpoint, tmp_path / "state.pt")
    assert import_policy(str(tmp_path / "state.pt"), Given()).policy.text == POLICY


VALUES: list[Any] = [
    0,
    -1,
    2**70,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    0.5,
    "x",
    None,
    True,
    [1],
    {},
    (),
    [],
    torch.ones(1),
    torch.ones(0),
    torch.tensor(0.5),
    torch.ones(2, 2),
    torch.tensor(1 + 1j),
    Counter({3: 2}),
    Counter({"a": 1}),
    2 + 1j,
    [[1]],
    ["FIX(k0=1)"],
]
KEYS = ("policies", "_schedulers", "_milestones", "milestones", "gamma", "base_lrs", "min_lrs", "T_max", "eta_min", 3)


def changed(valid: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A state with some of its values, or of those of a scheduler in it, taken out or replaced by others."""
    made = copy.deepcopy(valid)
    for _ in range(draw.randint(1, 3)):
        schedulers = made.get("_schedulers")
        target = draw.choice([made, *schedulers]) if isinstance(schedulers, list) else made
        if not isinstance(target, dict) or not target:
            continue
        key = draw.choice([*target, draw.choice(KEYS)])
        if key in target and draw.random() < 0.2:
            del target[key]
        else:
            target[key] = copy.deepcopy(draw.choice(VALUES))
    return made


def test_changed_states_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    draw, path, accepted, tries = random.Random(24), tmp_path / "state.pt", 0, 400
    restarts = lr_scheduler.CosineAnnealingWarmRestarts
    makes: list[Callable[[torch.optim.Optimizer], Any]] = [
        lambda opt: lr_scheduler.StepLR(opt, 3),
        lambda opt: lr_scheduler.MultiStepLR(opt, [3, 3, 5]),
        lr_scheduler.ConstantLR,
        lr_scheduler.LinearLR,
        lambda opt: lr_scheduler.ExponentialLR(opt, 0.9),
        lambda opt: lr_scheduler.CosineAnnealingLR(opt, 9),
        lambda opt: restarts(opt, 5),
        lambda opt: lr_scheduler.SequentialLR(opt, [lr_scheduler.LinearLR(opt), lr_scheduler.StepLR(opt, 3)], [4]),
    ]
    valid = [state(make) for make in makes]
    for _ in range(tries):
        torch.save(changed(draw.choice(valid), draw), path)
        try:
            import_policy(str(path), Given(rate=0.1))
            accepted += 1
        except LRBenchError as error:
            if error.exit_code != 2 or "\n" in str(error):
                raise
    assert accepted > tries / 5
