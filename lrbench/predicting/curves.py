"""A loss curve: the losses measured during a run, and the learning rates that it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LONGEST_WARM_UP = 0.1
"""Share of a run up to which rates that rise from its beginning are a warm-up; longer ones are part of a cycle."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """The learning rates of a whole run.

    Attributes:
        name: the policy's text, or what else names the run.
        rates: learning rate of each iteration, from 0 on.
    """

    name: str
    rates: Floats

    @property
    def length(self) -> int:
        """Number of iterations."""
        return len(self.rates)

    @cached_property
    def peak(self) -> float:
        """The highest rate."""
        return float(self.rates.max())

    @cached_property
    def warm_up(self) -> int:
        """Number of iterations over which the rates rise from the beginning on; 0 where they rise for long."""
        fallen = np.flatnonzero(np.diff(self.rates) <= 0)
        rising = int(fallen[0]) if len(fallen) else self.length
        return rising if rising <= LONGEST_WARM_UP * self.length else 0


@dataclass(frozen=True, eq=False)
class Curve:
    """Losses measured during a run.

    Attributes:
        schedule: the rates of the whole run.
        iterations: number of iterations done at each measurement, rising.
        losses: as many, all finite.
        final: loss after the last iteration where it was measured in another way than ``losses``, such as on more
            data; None where the last of ``losses`` is what is to be predicted.
    """

    schedule: Schedule
    iterations: Integers
    losses: Floats
    final: float | None = None

    @property
    def name(self) -> str:
        """Name of its schedule."""
        return self.schedule.name

    @property
    def target(self) -> float:
        """The loss that a prediction of this run is compared with."""
        return float(self.losses[-1]) if self.final is None else self.final
