"""Width of the intervals around predicted losses.

Half of a 90 % interval, as a share of the predicted loss, is

    sqrt((left_out * m)^2 + (spread * s)^2 + (max(noise, r) * (1 + log2(h)))^2)

with m, s, r and h, at least 1, the figures of ``Evidence``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Evidence:
    """Relative figures that say how sure a prediction is.

    Attributes:
        left_out: median error of predicting each fitted curve from the others.
        spread: standard deviation of the predictions by several laws.
        rms: root mean square of the fit's errors.
        horizon: number of iterations in those of the longest fitted run.
    """

    left_out: float
    spread: float
    rms: float
    horizon: float


@dataclass(frozen=True)
class IntervalConstants:
    """The constants of the width; ``scripts/measure_predict`` fits them to errors on public curves."""

    left_out: float
    spread: float
    noise: float

    def half_width(self, evidence: Evidence) -> float:
        """Half the width of a 90 % interval, relative to the loss."""
        noise = max(self.noise, evidence.rms) * (1 + math.log2(max(evidence.horizon, 1)))
        return math.hypot(self.left_out * evidence.left_out, self.spread * evidence.spread, noise)


CONSTANTS = IntervalConstants(left_out=0.5, spread=1.4, noise=0.003)
