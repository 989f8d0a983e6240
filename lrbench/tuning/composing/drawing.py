"""What a stage tries: policies drawn from a search space, afresh or near those that did well.

The numbers of a stage are drawn from a generator seeded by the search's seed and the stage, so that the same command
given again draws the same policies.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies import Policy
from lrbench.tuning.composing.path import Path, written_out
from lrbench.tuning.space import Choice, Dimension, Part, Space
from lrbench.tuning.suggestion import between

How = Literal["as it was", "near a good one", "afresh"]
NEARBY = 0.15
"""Standard deviation of a neighbour's distance along each dimension, as a part of that dimension's range."""
MOST_DRAWS = 100
"""Draws in a row that give nothing new, after which a stage makes do with fewer candidates."""


@dataclass(frozen=True)
class Draw:
    """A policy for what is left of a run, and where in the space it lies.

    Attributes:
        label: of the space's part; ``values`` by dimension.
    """

    label: str
    values: Mapping[str, Any]
    policy: Policy
    how: How


@dataclass(frozen=True)
class Continued:
    """A run's whole policy, its last part drawn; ``parent`` is the policy of the run that it continues."""

    path: Path
    draw: Draw
    parent: Path | None = None


@dataclass(frozen=True)
class Stage:
    """Where a stage begins, when its candidates are judged, and the iterations of the run."""

    number: int
    start: int
    judged: int
    iterations: int


class Drawing:
    """Draws the candidates of one stage."""

    def __init__(self, space: Space, stage: Stage, seed: int) -> None:
        self._space, self._stage = space, stage
        digest = hashlib.sha256(f"compose {seed} stage {stage.number}".encode()).digest()
        self._random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        self._seen: set[Policy] = set()

    def first(self, count: int) -> list[Continued]:
        """The first stage's: drawn afresh, of each LR function in turn."""
        return self._fill(count, self._fresh(self._space.labels), [Path(())])

    def further(
        self, count: int, explore: float, parents: Sequence[Continued], good: Sequence[Draw]
    ) -> list[Continued]:
        """A later stage's: the parents as they are, neighbours of what did well, and others drawn afresh.

        Args:
            explore: the share of those drawn afresh, of other LR functions than that of the first parent.
            parents: the runs to continue, the best first.
            good: what did well so far.
        """
        same = [Continued(parent.path, replace(parent.draw, how="as it was"), parent.path) for parent in parents]
        self._seen |= {one.path.policy for one in same}
        fresh = min(math.floor(explore * count + 0.5), count - len(same))
        paths = [parent.path for parent in parents]
        others = [label for label in self._space.labels if label != parents[0].draw.label] or self._space.labels
        near = self._fill(count - len(same) - fresh, self._near(good), paths)
        # Where there are no more neighbours, as in a small space of lists, the others take their places.
        return same + near + self._fill(count - len(same) - len(near), self._fresh(others), paths)

    def _fill(self, count: int, draws: Iterator[Draw | None], paths: Sequence[Path]) -> list[Continued]:
        """As many new and possible continuations as there are, of the paths in turn."""
        found: list[Continued] = []
        failed = 0
        while len(found) < count and failed < MOST_DRAWS:
            parent = paths[len(found) % len(paths)]
            draw = next(draws)
            path = None if draw is None else self._path(parent, draw.policy)
            failed = failed + 1 if path is None else 0
            if draw is not None and path is not None:
                found.append(Continued(path, draw, parent if parent.parts else None))
        return found

    def _path(self, before: Path, policy: Policy) -> Path | None:
        """The whole policy, None where it is impossible or was drawn already."""
        path = before.continued(self._stage.start, policy)
        try:
            path.check(self._stage.iterations, self._stage.judged)
            if path.policy in self._seen:
                return None
        except PolicyError:
            return None
        self._seen.add(path.policy)
        return path

    def _fresh(self, labels: Sequence[str]) -> Iterator[Draw | None]:
        """Of each part in turn, in a drawn order."""
        while True:
            for index in self._random.permutation(len(labels)):
                part = self._space.part(labels[index])
                values = {one.name: between(one, self._random.random()) for one in part.dimensions}
                yield self._draw(part, values, "afresh")

    def _near(self, good: Sequence[Draw]) -> Iterator[Draw | None]:
        while True:
            centre = good[int(self._random.integers(len(good)))]
            part = self._space.part(centre.label)
            values = {one.name: self._moved(one, centre.values[one.name]) for one in part.dimensions}
            yield self._draw(part, values, "near a good one")

    def _moved(self, dimension: Dimension, value: Any) -> Any:
        """Nearby: a step along a list, or none; a normal deviate along a range, turned back at its ends."""
        if isinstance(dimension, Choice):
            index = dimension.values.index(value) + int(self._random.integers(-1, 2))
            return dimension.values[min(max(index, 0), len(dimension.values) - 1)]
        place = abs(place_of(dimension, value) + NEARBY * self._random.standard_normal())
        return between(dimension, max(0.0, 1 - abs(1 - place)))

    def _draw(self, part: Part, values: Mapping[str, Any], how: How) -> Draw | None:
        left = self._stage.iterations - self._stage.start
        try:
            return Draw(part.label, values, written_out(part.make(values, left), left), how)
        except PolicyError:
            return None


def place_of(dimension: Dimension, value: float) -> float:
    """Where a value of a range lies, from 0 to 1."""
    assert not isinstance(dimension, Choice)
    low, high = dimension.low, dimension.high
    return math.log(value / low) / math.log(high / low) if dimension.log else (value - low) / (high - low)
