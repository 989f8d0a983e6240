"""Proposals of a stage: policies drawn from a search space, at random or near those that did well.

The numbers of a stage are drawn from a generator seeded by the search's seed and the stage, so that the same command
draws the same policies again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies import Choice, Policy, find_function, policy_from_mapping
from lrbench.tuning.space import Dimension, Part, Space
from lrbench.tuning.suggestion import between


@dataclass(frozen=True)
class StagedPolicy:
    """Policies one after another, each from its start on to the next one's, the last to the run's end.

    Attributes:
        parts: each policy with the iteration at which it begins, where its own t is 0; the first begins at 0.
    """

    parts: tuple[tuple[int, Policy], ...]

    @property
    def policy(self) -> Policy:
        """The parts as one policy: the only one, or a composition that counts each stage from its start."""
        policies = [policy for _, policy in self.parts]
        if len(policies) == 1:
            return policies[0]
        boundaries = [start for start, _ in self.parts[1:]]
        return policy_from_mapping(
            {"function": "COMPOSE", "policies": policies, "boundaries": boundaries, "count": "stage"}
        )

    def continued(self, start: int, policy: Policy) -> StagedPolicy:
        """Return the parts up to iteration ``start``, and from there on the other policy."""
        return StagedPolicy((*(part for part in self.parts if part[0] < start), (start, policy)))

    def check(self, iterations: int, end: int) -> None:
        """Raise PolicyError if the policy is impossible in a run of that length, or cannot be continued at ``end``."""
        self.policy.check(iterations)
        if end < iterations:
            self.continued(end, policy_from_mapping({"function": "FIX", "k0": 0})).policy.check(iterations)


def written_out(policy: Policy, iterations: int) -> Policy:
    """Return the policy with the same rates and every parameter that defaults to the run's or stage's length set.

    Cut short, such a policy goes on as it was, where one with defaults would squeeze its whole course into what is left
    to it. WARMUP gives its policy what follows the warm-up, and COMPOSE each its stage, unless they count from the
    run's start; any other function gives its policies the whole.
    """
    values: dict[str, Any] = {"function": policy.name}
    warmup = policy.parameters["l"] if policy.name == "WARMUP" and policy.parameters["count"] == "stage" else 0
    for parameter in find_function(policy.name).parameters:
        value = policy.parameters.get(parameter.name)
        if value is None:
            values[parameter.name] = iterations
        elif isinstance(value, Policy):
            values[parameter.name] = written_out(value, iterations - warmup)
        elif isinstance(value, tuple) and isinstance(value[0], Policy):
            lengths = _lengths(policy, len(value), iterations)
            values[parameter.name] = [written_out(one, length) for one, length in zip(value, lengths, strict=True)]
        else:
            values[parameter.name] = value
    return policy_from_mapping(values)


def _lengths(policy: Policy, count: int, iterations: int) -> list[int]:
    """The budget of each policy in a list of them."""
    if policy.name != "COMPOSE":
        return [iterations] * count
    given = policy.parameters
    counted = given["count"] if isinstance(given["count"], tuple) else (given["count"],) * count
    edges = [0, *given["boundaries"], iterations]
    return [edges[index + 1] - edges[index] if word == "stage" else iterations for index, word in enumerate(counted)]


How = Literal["as it was", "near a good one", "afresh"]
NEARBY = 0.15
"""Standard deviation of a neighbour's distance along each dimension, as a share of that dimension's range."""
MOST_DRAWS = 100
"""Draws in a row that give nothing new, after which a stage has fewer candidates."""


@dataclass(frozen=True)
class Proposal:
    """A policy for the rest of a run, with its space's part (``label``) and its values by dimension."""

    label: str
    values: Mapping[str, Any]
    policy: Policy
    how: How


@dataclass(frozen=True)
class Continuation:
    """A run's whole policy, its last part proposed; ``parent`` is the policy of the run that it continues."""

    path: StagedPolicy
    proposal: Proposal
    parent: StagedPolicy | None = None


@dataclass(frozen=True)
class Stage:
    """Iterations where a stage begins and where its candidates are compared, and those of the whole run."""

    number: int
    start: int
    judged: int
    iterations: int


class Proposer:
    """Proposes the candidates of one stage."""

    def __init__(self, space: Space, stage: Stage, seed: int) -> None:
        self._space, self._stage = space, stage
        digest = hashlib.sha256(f"compose {seed} stage {stage.number}".encode()).digest()
        self._random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        self._seen: set[Policy] = set()

    def first(self, count: int) -> list[Continuation]:
        """Propose the first stage's candidates: random ones, of each LR function in turn."""
        return self._fill(count, self._fresh(self._space.labels), [StagedPolicy(())])

    def further(
        self, count: int, explore: float, parents: Sequence[Continuation], good: Sequence[Proposal]
    ) -> list[Continuation]:
        """Propose a later stage's candidates: the parents as they are, neighbours of good ones, and random ones.

        Args:
            explore: share of the random ones, of other LR functions than that of the first parent.
            parents: the runs to continue, the best first.
            good: the proposals that did well so far.
        """
        same = [Continuation(parent.path, replace(parent.proposal, how="as it was"), parent.path) for parent in parents]
        self._seen |= {one.path.policy for one in same}
        fresh = min(math.floor(explore * count + 0.5), count - len(same))
        paths = [parent.path for parent in parents]
        others = [label for label in self._space.labels if label != parents[0].proposal.label] or self._space.labels
        near = self._fill(count - len(same) - fresh, self._near(good), paths)
        # Where there are no more neighbours, as in a small space of lists, the others take their places.
        return same + near + self._fill(count - len(same) - len(near), self._fresh(others), paths)

    def _fill(self, count: int, draws: Iterator[Proposal | None], paths: Sequence[StagedPolicy]) -> list[Continuation]:
        """Up to ``count`` new and possible continuations, of the paths in turn."""
        found: list[Continuation] = []
        failed = 0
        while len(found) < count and failed < MOST_DRAWS:
            parent = paths[len(found) % len(paths)]
            draw = next(draws)
            path = None if draw is None else self._path(parent, draw.policy)
            failed = failed + 1 if path is None else 0
            if draw is not None and path is not None:
                found.append(Continuation(path, draw, parent if parent.parts else None))
        return found

    def _path(self, before: StagedPolicy, policy: Policy) -> StagedPolicy | None:
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

    def _fresh(self, labels: Sequence[str]) -> Iterator[Proposal | None]:
        """Random proposals of each part in turn, in a random order."""
        while True:
            for index in self._random.permutation(len(labels)):
                part = self._space.part(labels[index])
                values = {one.name: between(one, self._random.random()) for one in part.dimensions}
                yield self._draw(part, values, "afresh")

    def _near(self, good: Sequence[Proposal]) -> Iterator[Proposal | None]:
        """Neighbours: a step along a list, or none; a normal deviate along a range, turned back at its ends."""
        while True:
            centre = good[int(self._random.integers(len(good)))]
            part = self._space.part(centre.label)
            values = {one.name: self._moved(one, centre.values[one.name]) for one in part.dimensions}
            yield self._draw(part, values, "near a good one")

    def _moved(self, dimension: Dimension, value: Any) -> Any:
        if isinstance(dimension, Choice):
            index = dimension.values.index(value) + int(self._random.integers(-1, 2))
            return dimension.values[min(max(index, 0), len(dimension.values) - 1)]
        low, high = dimension.low, dimension.high
        place = math.log(value / low) / math.log(high / low) if dimension.log else (value - low) / (high - low)
        place = abs(place + NEARBY * self._random.standard_normal())
        return between(dimension, max(0.0, 1 - abs(1 - place)))

    def _draw(self, part: Part, values: Mapping[str, Any], how: How) -> Proposal | None:
        left = self._stage.iterations - self._stage.start
        try:
            return Proposal(part.label, values, written_out(part.make(values, left), left), how)
        except PolicyError:
            return None
