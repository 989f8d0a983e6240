"""The scheduler whose ``state_dict`` PyTorch saved, alone or in a checkpoint beside other things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrbench.errors import UsageError, placed
from lrbench.importing.description import SIGNATURES, Described, described, refuse_unreadable
from lrbench.importing.torch_file import load_file, number_of_tensor, scheduler_states
from lrbench.policies import Policy, parse_policy
from lrbench.policies.values import shown

MOST_VALUES = 100_000
"""Values of one list or milestones of one scheduler that are read."""
_TOLD_BY = {
    "CosineAnnealingWarmRestarts": ("T_0", "T_mult", "eta_min"),
    "CosineAnnealingLR": ("T_max", "eta_min"),
    "ReduceLROnPlateau": ("mode", "patience", "cooldown", "factor"),
    "StepLR": ("step_size", "gamma"),
    "MultiStepLR": ("milestones", "gamma"),
    "LinearLR": ("start_factor", "end_factor", "total_iters"),
    "PolynomialLR": ("power", "total_iters"),
    "ConstantLR": ("factor", "total_iters"),
    "ExponentialLR": ("gamma",),
}
"""The entries of a state by which its scheduler is told; the first that has all of its own is it."""
_PARTIAL = {"_schedule_phases": "OneCycleLR", "total_size": "CyclicLR"}
"""Entries of schedulers whose state does not hold all of their rates."""


def read_checkpoint(path: Path) -> tuple[Policy | Described, float | None]:
    """The policy of a saved ``PolicyLR``, or the scheduler of another state, and the optimizer's lr that it began with.

    Raises:
        UsageError: no file of PyTorch's, one that holds more than numbers, words and containers, or no scheduler in it.
    """
    states = list(scheduler_states(load_file(path)))
    if len(states) != 1:
        raise UsageError(
            f"it holds {len(states)} states of schedulers, but must hold one",
            where=str(path),
            remedy="save scheduler.state_dict() by itself",
        )
    with placed(str(path)):
        return _read(states[0])


def _read(state: Mapping[str, Any]) -> tuple[Policy | Described, float | None]:
    if "policies" not in state:
        return _scheduler(state), _base_rate(state)
    listed = _list("policies", state["policies"])
    texts = sorted({t if isinstance(t, str) else _refuse(f"a policy in it is {_kind(t)}") for t in listed})
    if not texts:
        _refuse("it has no policies")
    if len(texts) > 1:
        raise UsageError(
            f"its {len(texts)} parameter groups have a policy each: {' '.join(texts)}",
            remedy="take the one that you want",
        )
    return parse_policy(texts[0]), None


def _scheduler(state: Mapping[str, Any]) -> Described:
    if "_schedulers" in state:
        return _sequential(state)
    if "lr_lambdas" in state:
        refuse_unreadable("LambdaLR")
    partial = next((name for entry, name in _PARTIAL.items() if entry in state), None)
    name = next((name for name, told in _TOLD_BY.items() if all(key in state for key in told)), None)
    if partial is not None or name is None:
        unknown = "it is of a scheduler that is not known, or holds none of its rates"
        raise UsageError(
            unknown if partial is None else "its state does not hold all of its rates",
            where=partial,
            remedy="describe it as text, such as OneCycleLR(max_lr=0.1, total_steps=1000)",
        )
    arguments = {key: _plain(key, state[key]) for key in SIGNATURES[name] if key in state and key != "milestones"}
    if name == "MultiStepLR":
        arguments["milestones"] = _milestones(state["milestones"])
    if name == "ReduceLROnPlateau" and "min_lrs" in state:
        arguments["min_lr"] = _only("min_lrs", state["min_lrs"])
    return described(name, arguments)


def _sequential(state: Mapping[str, Any]) -> Described:
    name = "SequentialLR" if "_milestones" in state else "ChainedScheduler"
    parts = _list("_schedulers", state["_schedulers"])
    for part in parts:
        if not isinstance(part, Mapping):
            _refuse(f"a scheduler in it is {_kind(part)}")
        if "_schedulers" in part:
            raise UsageError(
                "it holds another SequentialLR or ChainedScheduler",
                where=name,
                remedy="describe it as text, without nesting",
            )
    milestones = {"milestones": _plain_list("_milestones", state["_milestones"])} if "_milestones" in state else {}
    return described(name, {"schedulers": [_scheduler(part) for part in parts], **milestones})


def _milestones(milestones: Any) -> list[Any]:
    """MultiStepLR's Counter of milestones as a sorted list, in which one that is counted n times stands n times."""
    if not isinstance(milestones, Counter):  # as a caller of load_state_dict may have made it
        return _plain_list("milestones", milestones)
    numbers = (number for pair in milestones.items() for number in pair)
    if not all(isinstance(number, int) for number in numbers) or min(milestones.values(), default=1) < 1:
        _refuse("its milestones are no whole numbers that are counted")
    if sum(milestones.values()) > MOST_VALUES:
        raise UsageError(
            f"it has {shown(sum(milestones.values()))} milestones",
            where="MultiStepLR",
            remedy=f"at most {MOST_VALUES:,} are read",
        )
    return sorted(milestones.elements())


def _base_rate(state: Mapping[str, Any]) -> float | None:
    """The lr that the scheduler multiplies; of one that holds others, the one that all of them multiply."""
    parts = [part for part in state.get("_schedulers", [state]) if "base_lrs" in part]
    rates = [_only("base_lrs", part["base_lrs"]) for part in parts]
    if len(set(rates)) > 1:
        raise UsageError(
            f"its schedulers began with different rates: {shown(rates)}",
            where="SequentialLR" if "_milestones" in state else "ChainedScheduler",
            remedy="describe it as text, with --rate",
        )
    return rates[0] if rates else None


def _only(key: str, listed: Any) -> float:
    """The number that a list has for every parameter group."""
    values = _plain_list(key, listed)
    if not values or not all(isinstance(value, (int, float)) for value in values):
        _refuse(f"{key} is {shown(values)}")
    if len(set(values)) != 1:
        raise UsageError(
            f"its parameter groups have different rates: {shown(values)}",
            remedy="describe the scheduler of the group that you want as text",
        )
    rate: float = values[0]
    return rate


def _plain_list(key: str, listed: Any) -> list[Any]:
    return [_plain(key, value) for value in _list(key, listed)]


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        _refuse(f"{key} is {_kind(value)}")
    if len(value) > MOST_VALUES:
        raise UsageError(f"{key} has {len(value)} values", remedy=f"at most {MOST_VALUES:,} are read")
    return list(value)


def _plain(key: str, value: Any) -> Any:
    """A word or number, or the number of a tensor that holds one."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    number = number_of_tensor(value)
    return _refuse(f"{key} is {_kind(value)}") if number is None else number


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}" if not isinstance(value, (int, float, str)) else shown(value)


def _refuse(reason: str) -> Any:
    raise UsageError(
        f"the state in it is of no scheduler of PyTorch's ({reason})", remedy="save scheduler.state_dict() anew"
    )
