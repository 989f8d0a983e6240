"""The input and the result of reading a scheduler or solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lrbench.errors import UsageError
from lrbench.policies import Policy


@dataclass(frozen=True)
class Given:
    """Facts that a scheduler does not contain.

    Args:
        rate: the optimizer's lr; None if it was not given.
        iterations: the run's iterations; None if they are not known.
        steps_per_epoch: the iterations between two calls of the scheduler's step().
        monitor: the value that a scheduler reacts to; None: the training loss, or the accuracy where higher is better.
    """

    rate: float | None = None
    iterations: int | None = None
    steps_per_epoch: int = 1
    monitor: str | None = None

    @property
    def base_rate(self) -> float:
        """The optimizer's lr, which the scheduler multiplies; raises UsageError if it was not given."""
        if self.rate is None:
            raise UsageError("it changes the optimizer's lr, which it does not say", remedy="give it by --rate")
        return self.rate

    def of_stage(self, start: int, end: int | None) -> Given:
        """The facts for a stage from ``start`` to ``end``, or to the run's end."""
        end = self.iterations if end is None else end
        return replace(self, iterations=None if end is None else end - start)


@dataclass(frozen=True)
class Imported:
    """A policy, with notes and settings.

    Attributes:
        policy: the policy.
        notes: assumptions, and parts that were left out.
        solver: settings for a spec's ``solver``, such as type and momentum; empty unless read from a Caffe solver.
    """

    policy: Policy
    notes: tuple[str, ...] = ()
    solver: Mapping[str, Any] = field(default_factory=dict)
