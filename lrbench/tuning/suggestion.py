"""Policies of a search space, suggested by the trials of a study."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from lrbench.policies import Choice, Policy
from lrbench.tuning.space import Dimension, Part, Space

if TYPE_CHECKING:
    import optuna

FUNCTION = "function"


def suggest(trial: optuna.Trial, space: Space, iterations: int) -> tuple[str, Policy]:
    """Return the label of the part that a trial tries, and the policy; the sampler chooses both.

    All LR functions share one base rate, which a sampler learns from the trials of all of them. The shape of each has
    parameters of its own, so that what a sampler learns of one is not mixed with another.

    Raises:
        PolicyError: the values make no possible policy.
    """
    label = trial.suggest_categorical(FUNCTION, space.labels) if len(space.parts) > 1 else space.labels[0]
    part, shared = space.part(label), space.base_rate
    values = {
        one.name: _value(trial, one.name if one is shared else f"{label}.{one.name}", one) for one in part.dimensions
    }
    return label, part.make(values, iterations)


def point_of(space: Space, part: Part, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with which ``suggest`` returns the policy of these values."""
    point: dict[str, Any] = {FUNCTION: part.label} if len(space.parts) > 1 else {}
    for one in part.dimensions:
        value, name = values[one.name], one.name if one is space.base_rate else f"{part.label}.{one.name}"
        if not isinstance(one, Choice):
            point[name] = value
        elif len(one.values) > 1:
            point[name] = one.values.index(value)
    return point


def suggest_evenly(trial: optuna.Trial, space: Space, iterations: int) -> tuple[str, Policy]:
    """Return what ``suggest`` does, by coordinates in [0, 1] that all parts share, as quasi-random points need."""
    widest = max(len(part.dimensions) for part in space.parts)
    place, *coordinates = [trial.suggest_float(f"u{axis}", 0.0, 1.0) for axis in range(widest + 1)]
    part = _at(space.parts, place)
    values = {one.name: between(one, at) for one, at in zip(part.dimensions, coordinates, strict=False)}
    return part.label, part.make(values, iterations)


def _value(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choice):
        # By index: values that are numbers lie in order, and anything may be a value.
        index = trial.suggest_int(name, 0, len(dimension.values) - 1) if len(dimension.values) > 1 else 0
        return dimension.values[index]
    if dimension.whole:
        return trial.suggest_int(name, math.ceil(dimension.low), math.floor(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def between(dimension: Dimension, at: float) -> Any:
    """Return the value at a place from 0 to 1 along a dimension, on its own scale."""
    if isinstance(dimension, Choice):
        return _at(dimension.values, at)
    low, high = dimension.low, dimension.high
    value = low * (high / low) ** at if dimension.log else low + (high - low) * at
    return round(value) if dimension.whole else value


def _at(items: tuple[Any, ...], place: float) -> Any:
    return items[min(int(place * len(items)), len(items) - 1)]


def least_tried(space: Space, tried: Counter[str], most: int | None = None) -> dict[str, Any] | None:
    """Return the parameters to fix so that every part gets the same share; None where nothing is left to try.

    Args:
        most: number of parts that get a share, the first ones; None: all.
    """
    left = [part.label for part in space.parts[:most] if part.size is None or tried[part.label] < part.size]
    if not left:
        return None
    return {FUNCTION: min(left, key=lambda label: tried[label])} if len(space.parts) > 1 else {}


def spread_rate(space: Space, number: int) -> dict[str, Any]:
    """Return the shared base rate of a search's first policies, the middle of the range first; empty without one.

    Policy ``number``, from 0, has the share of the range, on its own scale, of the van der Corput sequence: 1/2, 1/4,
    3/4, 1/8 and so on, so that few policies cover the range evenly.
    """
    shared = space.base_rate
    digits = f"{number + 1:b}"[::-1]
    return {} if shared is None else {shared.name: between(shared, int(digits, 2) / 2 ** len(digits))}


def untried(space: Space, tried: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of the points of a discrete space that no trial has, in order."""
    seen = {frozenset(parameters.items()) for parameters in tried}
    for part in space.parts:
        for indices in product(*(range(len(choice.values)) for choice in part.choices)):
            point: dict[str, Any] = {FUNCTION: part.label} if len(space.parts) > 1 else {}
            for choice, index in zip(part.choices, indices, strict=True):
                if len(choice.values) > 1:
                    point[f"{part.label}.{choice.name}"] = index
            if frozenset(point.items()) not in seen:
                yield point
