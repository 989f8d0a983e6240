"""Refusals: curves that no law can be fitted to, and policies that the fitted curves say nothing about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lrbench.errors import ResultsError
from lrbench.predicting.curves import Curve, Schedule
from lrbench.predicting.fitting import first_iteration, fitted_points
from lrbench.predicting.naive import is_annealed

FEWEST = 3
"""Curves without which the time that annealing takes cannot be told from how far it goes."""
FEWEST_FOR_RANKS, FEWEST_POINTS = 5, 3
WORST_FIT = 0.02
"""Root mean square of the relative errors above which predicted losses mean nothing and only ranks are given."""
WORST_RANKED_FIT = 0.13
"""Root mean square of the relative errors above which ranks mean nothing either: up to 13 % (LeNet on MNIST) Kendall's
tau was 0.79 to 0.93, at 15.5 % (LeNet on digits) 0.2; see ``scripts/measure_predicted_ranks``."""
LONGEST_HORIZON = 4
MEASURED_TO = 0.9
"""Share of a run that its curve must reach, so that what annealing does to the end is in it."""
RISEN = 0.03
"""Relative rise of the loss above its lowest, at no higher a rate, from which on a net counts as over-fitting."""
SAME_RATE = 1.01
OTHER_LENGTH, OTHER_MEAN = 1.5, 0.15
"""Factor of the iterations spent annealing, or difference of the mean rate as a share of the peak, between shapes."""
STILL_HIGH, STILL_FALLING = 0.2, 0.04
"""Shares of the peak: a rate that ends above the first and fell by the second in the last tenth is cut off."""


def check_curves(curves: Sequence[Curve]) -> None:
    """Raise ResultsError unless laws can be fitted to the curves."""
    for curve in curves:
        _check_values(curve)
        _check_end(curve)
    if len(curves) < FEWEST:
        raise ResultsError(
            f"there {'is 1 curve' if len(curves) == 1 else f'are {len(curves)} curves'} to fit, but laws of the loss "
            f"need at least {FEWEST}",
            remedy="train a constant rate and two policies that anneal in different shapes, such as a cosine and a "
            "short WSD run",
        )
    annealed = [curve.schedule for curve in curves if is_annealed(curve.schedule)]
    if not any(_different(one, other) for one, other in combinations(annealed, 2)):
        raise ResultsError(
            f"no two of the {len(curves)} curves are annealed in different shapes, so that the time that annealing "
            "takes is unknown",
            remedy="train a policy that anneals in another shape, such as WSD with a short cooldown",
        )
    first = first_iteration(curves)
    for curve in curves:
        if len(fitted_points(curve, first, FEWEST_POINTS)) < FEWEST_POINTS:
            raise ResultsError(
                f"has fewer than {FEWEST_POINTS} losses after iteration {first:,}, from which on curves are fitted",
                where=curve.name,
                remedy="evaluate more often, or leave the run out",
            )


def _check_values(curve: Curve) -> None:
    if not np.isfinite(curve.losses).all() or not np.isfinite(curve.target):
        raise ResultsError("the run diverged, and no law holds for it", where=curve.name, remedy="leave the run out")
    if min(curve.losses.min(), curve.target) <= 0:
        raise ResultsError("has a loss of 0 or less, but laws are of losses above 0", where=curve.name)
    if not (np.isfinite(curve.schedule.rates).all() and curve.schedule.peak > 0):
        raise ResultsError("has no learning rate above 0", where=curve.name, remedy="leave the run out")


def _check_end(curve: Curve) -> None:
    length = curve.schedule.length
    if curve.iterations[-1] < MEASURED_TO * length:
        raise ResultsError(
            f"is cut off: its losses end at iteration {curve.iterations[-1]:,} of {length:,}",
            where=curve.name,
            remedy="train the run to its end, or leave it out",
        )
    lowest, risen = _rise(curve)
    rates = curve.schedule.rates[[max(lowest - 1, 0), curve.iterations[-1] - 1]]
    if risen > RISEN and rates[1] <= rates[0] * SAME_RATE:
        raise ResultsError(
            f"its loss rises by {risen:.0%} from iteration {lowest:,} on, as of a net that over-fits, and the laws "
            "know only losses that fall",
            where=curve.name,
            remedy="predict from runs that end earlier, or leave the run out",
        )


def _rise(curve: Curve) -> tuple[int, float]:
    """The iteration at which the loss is lowest, and its relative rise from there to the end; 0 if noise may be it.

    Losses are smoothed by running medians over a fifth of the curve.
    """
    window = max(3, len(curve.losses) // 5)
    if len(curve.losses) < 2 * window:
        return 0, 0.0
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(curve.losses, window), axis=1)
    lowest = int(np.argmin(smooth))
    noise = float(np.median(np.abs(np.diff(np.log(curve.losses)))))
    risen = float(smooth[-1] / smooth[lowest] - 1)
    return int(curve.iterations[lowest + window // 2]), risen if risen > 2 * noise else 0.0


def _different(one: Schedule, other: Schedule) -> bool:
    shorter, longer = sorted((annealing_length(one), annealing_length(other)))
    means = [float(schedule.rates.mean()) / schedule.peak for schedule in (one, other)]
    return longer > OTHER_LENGTH * max(shorter, 1) or abs(means[0] - means[1]) > OTHER_MEAN


def annealing_length(schedule: Schedule) -> int:
    """Number of iterations after the peak between nine and two tenths of it."""
    falling = schedule.rates[int(np.argmax(schedule.rates)) :] / schedule.peak
    return int(((falling < 0.9) & (falling > 0.2)).sum())


def why_not(schedule: Schedule, curves: Sequence[Curve]) -> str | None:
    """Return why the loss of a schedule cannot be predicted from the curves, or None."""
    fitted = [curve.schedule for curve in curves]
    peaks, longest = [known.peak for known in fitted], max(known.length for known in fitted)
    if schedule.length > LONGEST_HORIZON * longest:
        return f"has {schedule.length:,} iterations, more than {LONGEST_HORIZON} times those of the longest fitted run"
    if schedule.length < first_iteration(curves):
        return f"ends after {schedule.length:,} iterations, before what is fitted of the curves"
    if schedule.peak > max(peaks) * SAME_RATE or schedule.peak < min(peaks) / SAME_RATE:
        return f"its peak rate of {schedule.peak:g} is outside those fitted, {min(peaks):g} to {max(peaks):g}"
    end, before = float(schedule.rates[-1]), float(schedule.rates[int(0.9 * schedule.length)])
    if end > STILL_HIGH * schedule.peak and before - end > STILL_FALLING * schedule.peak:
        return f"its annealing is cut off: the rate ends at {end / schedule.peak:.0%} of its peak, still falling"
    return _exposed(schedule, fitted, max(1.0, schedule.length / longest))


def _exposed(schedule: Schedule, fitted: Sequence[Schedule], stretch: float) -> str | None:
    """Whether the schedule keeps a high rate for longer than every fitted run, if these were as long as it."""
    highest = max(known.peak for known in fitted)
    for rate in np.array([0.95, 0.75, 0.5]) * highest:
        own = int((schedule.rates >= rate).sum())
        most = max(int((known.rates >= rate).sum()) for known in fitted) * stretch
        if own > 1.1 * most + 1:
            return (
                f"keeps rates of {rate:g} or more for {own:,} iterations, longer than any fitted run, "
                f"of which the longest {'did' if stretch == 1 else 'would do'} so for {most:,.0f}"
            )
    return None
