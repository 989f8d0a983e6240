"""The search space: LR functions, each with the numbers that a search may choose, and the policies that they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from lrbench.errors import PolicyError, SpecError, did_you_mean
from lrbench.policies import Choice, Family, Policy, Shape, find_function, functions, policy_from_mapping
from lrbench.policies.build import read_text
from lrbench.policies.family import rounded
from lrbench.policies.grids import is_grid
from lrbench.policies.parameters import Nested, NestedList
from lrbench.policies.table import MODERN, PAPER_CYCLIC, families, function_names
from lrbench.spec.document import Document
from lrbench.spec.search_settings import SearchSettings
from lrbench.spec.yaml_loader import shown
from lrbench.tuning.range_test.result import RangeResult

RANGE_KEYS = {"low", "high", "log", "whole"}
DEFAULT = (*MODERN, *PAPER_CYCLIC)
"""Families that are searched unless ``search.functions`` names others."""
SETS = ("paper13", "modern", "all")
"""Names of sets of families in ``search.functions``."""


Dimension = Shape | Choice


@dataclass(frozen=True)
class Part:
    """One LR function of a space.

    Attributes:
        label: unique in the space; the function's name where that is.
        make: maps a value for each dimension and a run's iterations to a policy; may raise PolicyError.
    """

    label: str
    dimensions: tuple[Dimension, ...]
    make: Callable[[Mapping[str, Any], int], Policy]

    def discrete(self, points: int) -> Part:
        """Return the part with each range replaced by ``points`` values, evenly spaced on its own scale."""
        dimensions = tuple(_points(one, points) if isinstance(one, Shape) else one for one in self.dimensions)
        return Part(self.label, dimensions, self.make)

    @property
    def choices(self) -> list[Choice]:
        """The dimensions that are no ranges."""
        return [dimension for dimension in self.dimensions if isinstance(dimension, Choice)]

    @property
    def size(self) -> int | None:
        """The number of policies; None if a dimension is a range."""
        discrete = len(self.choices) == len(self.dimensions)
        return math.prod(len(choice.values) for choice in self.choices) if discrete else None

    def policies(self, iterations: int) -> Iterator[Policy]:
        """Yield all policies of a discrete part."""
        names = [choice.name for choice in self.choices]
        for values in product(*(choice.values for choice in self.choices)):
            yield self.make(dict(zip(names, values, strict=True)), iterations)


@dataclass(frozen=True)
class Space:
    """Parts to choose among; each has its own dimensions.

    Attributes:
        range_test: the range test that found the base rates, where one was run for that.
    """

    parts: tuple[Part, ...]
    range_test: RangeResult | None = None

    @property
    def base_rate(self) -> Shape | None:
        """The range of base rates that all parts have in common; None for a single part, or one without."""
        first = [next(iter(part.dimensions), None) for part in self.parts]
        shared = len(first) > 1 and all(one is first[0] for one in first)
        return first[0] if shared and isinstance(first[0], Shape) else None

    @property
    def labels(self) -> list[str]:
        """The parts' labels, in order."""
        return [part.label for part in self.parts]

    def part(self, label: str) -> Part:
        """Return the part with that label."""
        return next(part for part in self.parts if part.label == label)

    def discrete(self, points: int) -> Space:
        """Return the space with each range replaced by ``points`` values."""
        return replace(self, parts=tuple(part.discrete(points) for part in self.parts))

    @property
    def size(self) -> int | None:
        """The number of policies; None if a dimension is a range."""
        sizes = [part.size for part in self.parts]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def check(self, iterations: int) -> None:
        """Make a policy at both ends of every range, or the first and last of every list.

        Raises:
            PolicyError: one is impossible in a run of that length.
        """
        for part in self.parts:
            for end in (0, -1):
                values = {
                    one.name: one.values[end] if isinstance(one, Choice) else (one.low, one.high)[end]
                    for one in part.dimensions
                }
                part.make(values, iterations).check(iterations)


def search_space(settings: SearchSettings, rates: Sequence[float] | None, document: Document) -> Space:
    """Return the search space of a spec.

    Args:
        rates: least and largest base rate, for the functions whose shapes LRBench knows; None only with a ``space``.

    Raises:
        UsageError: an unknown function, or an entry that is no policy with values, lists and ranges; with the line.
    """
    if settings.space is not None:
        parts = [_entry(document, index, entry) for index, entry in enumerate(settings.space)]
        names = [part.label for part in parts]
        for number, part in enumerate(parts):  # those of one function are told apart by a number
            if names.count(part.label) > 1:
                label = f"{part.label} {names[:number].count(part.label) + 1}"
                parts[number] = Part(label, part.dimensions, part.make)
        return Space(tuple(parts))
    if rates is None:
        raise ValueError("no rates")
    searched: dict[str, Family] = {}
    for index, given in enumerate(settings.functions or DEFAULT):
        with document.placing("search", "functions", index):
            searched |= {name: find_family(name) for name in families(given)}
    low, high = rates
    rate = Shape("rate", low, high, log=True)
    return Space(tuple(family_part(name, family, rate) for name, family in searched.items()))


def find_family(name: str) -> Family:
    """Return the family of that name: an LR function's, such as ``STEP``, or a variant, such as ``WARMUP-LINEAR``.

    Raises:
        SpecError: there is none, or the function has no family.
        PolicyError: it is of another package, which cannot be loaded.
    """
    function_name = name.partition("-")[0]
    function = find_function(function_name) if function_name in function_names() else None
    if function is not None and name in function.families:
        return function.families[name]
    if function is not None and any(isinstance(row, Nested | NestedList) for row in function.parameters):
        raise SpecError(
            f"no shapes are known to search for {name!r}: {function.name} takes other policies, and a search by name "
            "does not choose which",
            remedy="write it with ranges in search.space, or let lrbench compose put policies together",
        )
    known = [*SETS, *(known for row in functions() for known in row.families)]
    remedy = did_you_mean(name, known) or f"known are {', '.join(known)}; search.space takes any function"
    raise SpecError(f"no shapes are known to search for the LR function {name!r}", remedy=remedy)


def family_part(name: str, family: Family, rate: Shape) -> Part:
    """Return the part of a space, of that name, in which base rate and shape of a function are chosen by a family."""

    def make(values: Mapping[str, Any], iterations: int) -> Policy:
        parameters = family.parameters(rounded(values["rate"]), values, iterations)
        return policy_from_mapping({"function": name.partition("-")[0], **parameters})

    return Part(name, (rate, *family.shapes), make)


def _entry(document: Document, index: int, entry: Any) -> Part:
    with document.placing("search", "space", index):
        raw = read_text(entry) if isinstance(entry, str) else entry
        if not isinstance(raw, Mapping):
            raise PolicyError(
                f"a policy is a text or a mapping, but this is {shown(entry)}",
                remedy="write it as in {function: FIX, k0: {low: 0.001, high: 0.1, log: true}}",
            )
        dimensions: list[Dimension] = []
        template = _template(raw, "", dimensions)
        return Part(str(raw.get("function")), tuple(dimensions), _filled(template))


def _template(raw: Mapping[str, Any], prefix: str, dimensions: list[Dimension]) -> dict[str, Any]:
    """The entry with each range and list replaced by its dimension, which is also collected."""
    name = raw.get("function")
    if not isinstance(name, str):
        raise PolicyError("the key function is missing", remedy="give the LR function's name")
    function = find_function(name)
    found: dict[str, Any] = {}
    for key, value in raw.items():
        parameter = function.parameter(key)
        if isinstance(value, Mapping) and value.keys() & {"low", "high"}:
            found[key] = _range(prefix + key, value)
            dimensions.append(found[key])
        elif parameter is not None and is_grid(parameter, value):
            if not value:
                raise SpecError(f"{prefix}{key} is an empty list", remedy="give at least one value")
            found[key] = Choice(prefix + key, tuple(value))
            dimensions.append(found[key])
        elif isinstance(value, Mapping):
            found[key] = _template(value, f"{prefix}{key}.", dimensions)
        else:
            found[key] = value
    return found


def _range(name: str, given: Mapping[str, Any]) -> Shape:
    unknown = sorted(given.keys() - RANGE_KEYS)
    low, high = given.get("low"), given.get("high")
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if unknown or not numbers or not low < high or (given.get("log") and low <= 0):  # type: ignore[operator]
        raise SpecError(
            f"{name} is {shown(dict(given))}, which is no range",
            remedy="write {low: 0.001, high: 0.1, log: true} with low below high, and above 0 for log",
        )
    return Shape(name, low, high, bool(given.get("log")), bool(given.get("whole")))  # type: ignore[arg-type]


def _filled(template: Mapping[str, Any]) -> Callable[[Mapping[str, Any], int], Policy]:
    def fill(part: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: fill(value, values)
            if isinstance(value, dict)
            else values[value.name]
            if isinstance(value, Shape | Choice)
            else value
            for key, value in part.items()
        }

    def make(values: Mapping[str, Any], _iterations: int) -> Policy:
        return policy_from_mapping(fill(template, values))

    return make


def _points(shape: Shape, count: int) -> Choice:
    """Evenly spaced values of a range, both ends among them; whole ones once each."""
    ends = (math.log(shape.low), math.log(shape.high)) if shape.log else (shape.low, shape.high)
    spread = [ends[0] + (ends[1] - ends[0]) * step / max(count - 1, 1) for step in range(count)]
    values = [math.exp(value) if shape.log else value for value in spread]
    kept = dict.fromkeys(round(value) if shape.whole else rounded(value) for value in values)
    return Choice(shape.name, tuple(kept))
