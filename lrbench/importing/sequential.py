"""The schedulers of a SequentialLR with the rates that they multiply.

The schedulers share the optimizer's parameter group. In it PyTorch keeps the rate that they multiply (``initial_lr``)
and the peak and the end of a OneCycleLR (``max_lr``, ``min_lr``), which a scheduler that is made later may overwrite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from lrbench.errors import UsageError
from lrbench.importing.description import Described

_OF_GROUP = ("max_lr", "div_factor", "final_div_factor")
"""The arguments of OneCycleLR whose values stand in the parameter group."""


def parts_with_bases(
    parts: Sequence[Described], boundaries: Sequence[float], rate: float | None
) -> list[tuple[Described, float | None]]:
    """Each scheduler of a SequentialLR, and the rate that it multiplies.

    Args:
        parts: the schedulers, in the order in which they are made and run.
        boundaries: the t at which each but the first begins.
        rate: the optimizer's lr before the first is made; None where it is not known.

    Raises:
        UsageError: PyTorch refuses such a scheduler in a SequentialLR, or gives it rates that no policy has.
    """
    edges = [0, *boundaries, math.inf]
    for part, (begin, end) in zip(parts, pairwise(edges), strict=True):
        _check(part, end - begin)
    bases = _bases(parts, rate)
    first, start = parts[0], bases[-1]
    if first.name == "CosineAnnealingLR" and start != bases[0] and boundaries[0] > first.arguments["T_max"] + 1:
        raise UsageError(
            "it falls from the start of the OneCycleLR after it, then rises to the optimizer's lr",
            where="CosineAnnealingLR",
            remedy="set the first milestone to at most T_max + 1",
        )
    if first.name != "CosineAnnealingWarmRestarts":  # which uses its own base at every t
        bases[0] = start
    cycles = [part.arguments for part in parts if part.name == "OneCycleLR"]
    shared = {name: cycles[-1][name] for name in _OF_GROUP} if cycles else {}
    return [
        (replace(part, arguments={**part.arguments, **shared}) if part.name == "OneCycleLR" else part, base)
        for part, base in zip(parts, bases, strict=True)
    ]


def cycle_steps(arguments: Mapping[str, Any]) -> int | None:
    """The steps of a OneCycleLR, after which PyTorch raises an error; None where its arguments leave them out."""
    if arguments["total_steps"] is None and None not in (arguments["epochs"], arguments["steps_per_epoch"]):
        return int(arguments["epochs"] * arguments["steps_per_epoch"])
    steps: int | None = arguments["total_steps"]
    return steps


def _bases(parts: Sequence[Described], rate: float | None) -> list[float | None]:
    """The ``initial_lr`` of the parameter group once each scheduler is made, which is that scheduler's base."""
    bases: list[float | None] = []
    for part in parts:
        if part.name == "OneCycleLR":
            rate = part.arguments["max_lr"] / part.arguments["div_factor"]
        elif part.name == "CyclicLR" and not bases:
            rate = part.arguments["base_lr"]
        bases.append(rate)
    return bases


def _check(part: Described, length: float) -> None:
    """Raise UsageError where PyTorch's SequentialLR fails with the part; ``length`` is inf for the last one."""
    if part.name == "SequentialLR":
        raise UsageError(
            "it holds another SequentialLR, whose milestones PyTorch reaches a step early, or never",
            where="SequentialLR",
            remedy="list the inner schedulers and milestones in the outer one",
        )
    if part.name == "ChainedScheduler":
        raise UsageError(
            "PyTorch takes no ChainedScheduler in it",
            where="SequentialLR",
            remedy="write the policy by hand: COMPOSE(policies=[..., PRODUCT(...)], boundaries=[...])",
        )
    if part.name == "ReduceLROnPlateau":
        raise UsageError(
            "PyTorch takes no ReduceLROnPlateau in it",
            where="SequentialLR",
            remedy="write the policy by hand: COMPOSE(policies=[..., PLATEAU(...)], boundaries=[...])",
        )
    steps = cycle_steps(part.arguments) if part.name == "OneCycleLR" else None
    if steps is not None and steps < length < math.inf:
        raise UsageError(
            f"it has {steps} steps and the next milestone comes after {length:g}: PyTorch stops in "
            "between with an error",
            where="OneCycleLR",
            remedy="raise total_steps, or lower the milestone",
        )
