"""Prediction of final losses and ranks from fitted curves, with intervals, and with reasons where none is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lrbench.errors import ResultsError
from lrbench.predicting.bound import FittedBound, fit_bound
from lrbench.predicting.curves import Curve, Schedule
from lrbench.predicting.fitting import FittedLaw, fit_law
from lrbench.predicting.intervals import CONSTANTS, Evidence, IntervalConstants
from lrbench.predicting.laws import LAWS
from lrbench.predicting.naive import Naive, fit_naive
from lrbench.predicting.refusals import FEWEST_FOR_RANKS, WORST_FIT, WORST_RANKED_FIT, check_curves, why_not

MOST_LEFT_OUT = 8
"""Curves that are left out in turn to see how well they are predicted from the others."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for a schedule.

    Attributes:
        loss: after the last iteration; None where only ranks are given, or nothing.
        half_width: of the 90 % interval around it.
        naive: the naive prediction; None where there is none.
        score: by which schedules of one length are ranked, the lowest first: the mean of the predicted loss and the
            convex bound.
        rank: 1 for the lowest score of its length.
        refused: why nothing is predicted.
        evidence: what the interval is made from.
    """

    schedule: Schedule
    loss: float | None = None
    half_width: float | None = None
    naive: float | None = None
    score: float | None = None
    rank: int | None = None
    refused: str | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, eq=False)
class Ranker:
    """The law and the convex bound, fitted to the same curves: what ranks schedules, however well the law fits."""

    curves: tuple[Curve, ...]
    law: FittedLaw
    bound: FittedBound

    def score(self, schedule: Schedule) -> float | None:
        """Return ``Prediction.score`` of a schedule; None where the curves say nothing about it."""
        if why_not(schedule, self.curves) is not None:
            return None
        return _score(self.law.loss(schedule), self.bound, schedule)


def _score(loss: float, bound: FittedBound, schedule: Schedule) -> float:
    """Return ``Prediction.score`` from the loss that the law predicts for a schedule."""
    return (loss + bound.loss(schedule)) / 2


def fit_ranker(curves: Sequence[Curve], others: Sequence[Curve] = ()) -> Ranker:
    """Fit the first law, from one start alone, and the bound to the curves.

    Args:
        others: curves that are not fitted, but show that the training is stable with their rates: schedules whose high
            rates last as long as theirs are scored, too.

    Raises:
        ResultsError: as ``fit_predictor``, but however badly the law fits.
    """
    check_curves(curves)
    start = np.array([shape.starts[0] for shape in LAWS[0].shapes])
    return Ranker((*curves, *others), fit_law(LAWS[0], curves, start), fit_bound(curves))


@dataclass(frozen=True, eq=False)
class Predictor:
    """Laws, bound and naive prediction, fitted to the same curves.

    Attributes:
        laws: fitted; the first predicts, the spread over all is part of the intervals.
        left_out: median relative error of predicting a fitted curve from the others.
    """

    curves: tuple[Curve, ...]
    laws: tuple[FittedLaw, ...]
    bound: FittedBound
    naive: Naive | None
    left_out: float
    constants: IntervalConstants = CONSTANTS

    @property
    def rms(self) -> float:
        """Root mean square of the relative errors of the fitted points."""
        return self.laws[0].rms

    @property
    def ranks_only(self) -> bool:
        """Whether the fit is too bad for values."""
        return self.rms > WORST_FIT

    def predict(self, schedules: Sequence[Schedule]) -> list[Prediction]:
        """Predict each schedule, in their order."""
        found = [self.predict_one(schedule) for schedule in schedules]
        ranked = sorted((one for one in found if one.score is not None), key=lambda one: one.score or 0.0)
        lengths: dict[int, int] = {}
        ranks: dict[int, int] = {}
        for one in ranked:
            lengths[one.schedule.length] = ranks[id(one)] = lengths.get(one.schedule.length, 0) + 1
        return [replace(one, rank=ranks.get(id(one))) for one in found]

    def predict_one(self, schedule: Schedule) -> Prediction:
        """Predict one schedule, which then has no rank."""
        reason = why_not(schedule, self.curves)
        if reason is not None:
            return Prediction(schedule, refused=reason)
        losses = [law.loss(schedule) for law in self.laws]
        naive = None if self.naive is None else self.naive.loss(schedule)
        score = _score(losses[0], self.bound, schedule)
        if self.ranks_only:
            return Prediction(schedule, score=score)
        longest = max(curve.schedule.length for curve in self.curves)
        spread = float(np.std(losses)) / losses[0]
        evidence = Evidence(self.left_out, spread, self.rms, schedule.length / longest)
        half = losses[0] * self.constants.half_width(evidence)
        return Prediction(schedule, losses[0], half, naive, score, evidence=evidence)


def fit_predictor(curves: Sequence[Curve], constants: IntervalConstants = CONSTANTS) -> Predictor:
    """Fit all laws to the curves.

    Raises:
        ResultsError: a curve is of a run that diverged, was cut off or over-fits; there are fewer than three, or no
            two that are annealed in different shapes; or the law fits too badly, for losses with too few curves
            for ranks, or for ranks.
    """
    check_curves(curves)
    laws = tuple(fit_law(law, curves) for law in LAWS)
    fitted = Predictor(tuple(curves), laws, fit_bound(curves), fit_naive(curves), _left_out(curves, laws[0]), constants)
    if fitted.ranks_only and len(curves) < FEWEST_FOR_RANKS:
        raise ResultsError(
            f"the law fits the {len(curves)} curves within {fitted.rms:.1%} only, which is too bad for losses "
            f"({WORST_FIT:.0%} at most), and ranks alone need {FEWEST_FOR_RANKS} curves",
            remedy="train more policies",
        )
    if fitted.rms > WORST_RANKED_FIT:
        raise ResultsError(
            f"the law fits the {len(curves)} curves within {fitted.rms:.1%} only, which is too bad even for ranks "
            f"({WORST_RANKED_FIT:.0%} at most)",
            remedy="search with lrbench tune, or average each curve over several seeds",
        )
    return fitted


def _left_out(curves: Sequence[Curve], full: FittedLaw) -> float:
    """Median relative error of the final losses of curves that are left out of the fit in turn."""
    chosen = np.unique(np.linspace(0, len(curves) - 1, min(len(curves), MOST_LEFT_OUT)).round().astype(int))
    errors = []
    for index in chosen:
        others = [curve for number, curve in enumerate(curves) if number != index]
        again = fit_law(full.law, others, full.values)
        errors.append(abs(again.loss(curves[index].schedule) / curves[index].target - 1))
    return float(np.median(errors))
