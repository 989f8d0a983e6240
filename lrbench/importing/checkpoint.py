"""The scheduler whose ``state_dict`` PyTorch saved, alone or in a checkpoint beside other things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lrbench.errors import LRBenchError, UsageError, plain
from lrbench.importing.description import SIGNATURES, Described, described
from lrbench.policies import Policy, parse_policy

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
_OTHERS = ("total_size", "_schedule_phases", "lr_lambdas")
"""Entries of schedulers whose state does not hold all that they do: CyclicLR, OneCycleLR, LambdaLR."""


def read_checkpoint(path: Path) -> tuple[Policy | Described, float | None]:
    """The policy of a saved ``PolicyLR``, or the scheduler of another state, and the optimizer's lr that it began with.

    Raises:
        UsageError: no file of PyTorch's, one that holds more than numbers, words and containers, or no scheduler in it.
    """
    states = list(_states(_load(path)))
    if len(states) != 1:
        raise UsageError(f"it holds {len(states)} states of schedulers, but must hold one", where=str(path),
                         remedy="save scheduler.state_dict() by itself")
    try:
        return _read(states[0])
    except LRBenchError as error:
        raise error.at(str(path)) from None
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise UsageError(f"the state in it is of no scheduler of PyTorch's ({plain(str(error))[:200]})",
                         where=str(path), remedy="save scheduler.state_dict() anew") from None


def _read(state: Mapping[str, Any]) -> tuple[Policy | Described, float | None]:
    if "policies" not in state:
        return _scheduler(state), _base_rate(state)
    texts = sorted(set(state["policies"]))
    if len(texts) > 1:
        raise UsageError(f"its {len(texts)} parameter groups have a policy each: {' '.join(texts)}",
                         remedy="take the one that you want")
    return parse_policy(texts[0]), None


def _load(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise UsageError("reading it needs PyTorch", where=str(path),
                         remedy="pip install 'lrbench[torch]'") from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - whatever a damaged or foreign file makes PyTorch raise
        problem = plain(str(error)).split(". ")[0][:200]
        raise UsageError(f"is no file that PyTorch reads safely ({problem})", where=str(path),
                         remedy="save scheduler.state_dict() by torch.save") from None


def _states(loaded: Any) -> Iterator[Mapping[str, Any]]:
    """The scheduler states in what was loaded, itself or among its values."""
    if not isinstance(loaded, Mapping):
        return
    if "last_epoch" in loaded:
        yield loaded
        return
    for value in loaded.values():
        if isinstance(value, Mapping) and "last_epoch" in value:
            yield value


def _scheduler(state: Mapping[str, Any]) -> Described:
    if "_schedulers" in state and "_milestones" in state:
        parts = [_scheduler(part) for part in state["_schedulers"]]
        return described("SequentialLR", {"schedulers": parts, "milestones": list(state["_milestones"])})
    name = next((name for name, told in _TOLD_BY.items() if all(key in state for key in told)), None)
    if name is None or any(key in state for key in _OTHERS):
        raise UsageError("this scheduler's state does not hold all of its rates",
                         remedy="describe it as text, such as OneCycleLR(max_lr=0.1, total_steps=1000)")
    arguments = {key: state[key] for key in SIGNATURES[name] if key in state}
    if name == "MultiStepLR" and isinstance(state["milestones"], Counter):
        arguments["milestones"] = sorted(state["milestones"].elements())
    if name == "ReduceLROnPlateau" and "min_lrs" in state:
        arguments["min_lr"] = _only(state["min_lrs"])
    return described(name, arguments)


def _base_rate(state: Mapping[str, Any]) -> float | None:
    first = state["_schedulers"][0] if "_schedulers" in state else state
    return float(_only(first["base_lrs"])) if "base_lrs" in first else None


def _only(values: Any) -> Any:
    if len({float(value) for value in values}) != 1:
        raise UsageError(f"its parameter groups have different rates: {list(values)}",
                         remedy="describe the scheduler of the group that you want as text")
    return values[0]
