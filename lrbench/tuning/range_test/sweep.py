"""Reading of a sweep: the loss as a function of the rate, which rose exponentially while the net was trained.

After Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186), section 3.3: rates are of use
from where training begins to do something up to where it breaks down. Both are sought from the lowest loss outwards, on
a running median, so that a spike at the start, where many a finder stops or looks for the steepest fall, is no edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

WINDOW = 5  # points of the running median; two bad ones beside each other leave it as it is
FALLEN, RISEN = 0.1, 0.25
"""Shares of the whole fall by which the loss has to fall, or to rise again, to count as falling or rising."""
LEAST_FALL = 0.02
"""Smallest share of the loss that counts as a fall, however smooth the curve."""
NOISE_MULTIPLE = 4.0
MEDIAN_NOISE = 0.56  # of a running median of five, in units of the single point's: about sqrt(pi / (2 * 5))
MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class Fall:
    """Fall of one sweep's loss.

    Attributes:
        start: the least rate from which on it falls, down to its lowest.
        end: the largest rate up to which it stays low.
        rises: the first rate at which it has risen again, or is not finite; None if it never rose.
    """

    start: float
    end: float
    rises: float | None


@dataclass(frozen=True)
class SweepReading:
    """Falls of the loss over all seeds.

    Attributes:
        falls: one a seed, in order; None where that seed's loss shows no fall.
        start, end: medians over the seeds that show a fall; None where most do not.
    """

    falls: tuple[Fall | None, ...]
    start: float | None
    end: float | None

    @property
    def known(self) -> tuple[Fall, ...]:
        """The falls of the seeds that show one."""
        return tuple(fall for fall in self.falls if fall is not None)

    @property
    def rises(self) -> float | None:
        """The largest rate at which a seed's loss has risen; None where there is one that never did."""
        found = [fall.rises for fall in self.known]
        return None if not found or None in found else max(rate for rate in found if rate is not None)


def read_sweeps(rates: Column, losses: Sequence[Column]) -> SweepReading:
    """Read the fall of the loss over seeds.

    Args:
        rates: rising, shape (points,).
        losses: of each seed the mean training loss around each rate, shape (points,); not finite where it diverged.
    """
    falls = tuple(read_sweep(rates, loss) for loss in losses)
    known = [fall for fall in falls if fall is not None]
    if 2 * len(known) <= len(falls):
        return SweepReading(falls, None, None)
    # Of an even number the lower one, so that each is a rate that was tried.
    start, end = (
        sorted(values)[(len(known) - 1) // 2] for values in zip(*((f.start, f.end) for f in known), strict=True)
    )
    return SweepReading(falls, start, end)


def read_sweep(rates: Column, loss: Column) -> Fall | None:
    """Read the fall of one seed's loss; None where it does not fall by more than chance makes it."""
    raw = np.where(np.isfinite(loss), loss, np.inf)
    smooth = running_median(raw)
    lowest = int(np.argmin(smooth))
    # The loss before training is the lower of two medians, as a spike at the start lifts the first only.
    tenth, third = max(3, len(smooth) // 10), max(3, len(smooth) // 3)
    level = float(min(np.median(smooth[:tenth]), np.median(smooth[:third])))
    fall, noise = level - float(smooth[lowest]), MEDIAN_NOISE * _noise(raw)
    if not np.isfinite(fall) or fall <= max(LEAST_FALL * abs(level), NOISE_MULTIPLE * noise):
        return None
    start = _reach(smooth < level - FALLEN * fall, lowest, -1)
    end = _reach(smooth <= smooth[lowest] + max(RISEN * fall, NOISE_MULTIPLE * noise), lowest, 1)
    # A loss that is not finite ends the reach at once: the running median would carry it on by two points.
    broken = np.flatnonzero(~np.isfinite(raw[lowest + 1 : end + 1]))
    end = lowest + int(broken[0]) if len(broken) else end
    return Fall(float(rates[start]), float(rates[end]), float(rates[end + 1]) if end + 1 < len(rates) else None)


def running_median(values: Column) -> Column:
    """Return the median of ``WINDOW`` points around each; at the ends that of the first or last ``WINDOW``."""
    width = min(WINDOW, len(values) - 1 + len(values) % 2)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)
    return np.pad(medians, (width // 2, len(values) - len(medians) - width // 2), mode="edge")


def _noise(raw: Column) -> float:
    """Standard deviation of a single point, from the differences of neighbours; spikes and slopes hardly count."""
    differences = np.diff(raw[np.isfinite(raw)])
    if len(differences) < WINDOW:
        return 0.0
    deviation = np.median(np.abs(differences - np.median(differences)))
    return float(MAD_TO_DEVIATION * deviation / np.sqrt(2))


def _reach(good: NDArray[np.bool_], place: int, step: int) -> int:
    """The farthest index, going by ``step``, up to which everything is good."""
    while 0 <= place + step < len(good) and good[place + step]:
        place += step
    return place
