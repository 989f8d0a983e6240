"""Proposals of a search by prediction: of many random policies the one with the least predicted final loss.

Where the accuracy is the objective, the loss is the error rate, 1 - accuracy: it falls as losses do, and unlike the
test loss of a net that over-fits it does not rise again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrbench.errors import PolicyError, ResultsError
from lrbench.policies import Policy, parse_policy
from lrbench.predicting.curves import Curve, Schedule
from lrbench.predicting.predictor import Ranker, fit_ranker
from lrbench.predicting.reading import LOSS
from lrbench.runs.evaluations import Evaluation
from lrbench.tuning.space import Part, Space
from lrbench.tuning.suggestion import between, point_of
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.trials import OUTCOME, proposal_of

if TYPE_CHECKING:
    import optuna

FEWEST_CURVES, MOST_CURVES = 6, 8
"""Number of policies trained to their end before anything is predicted, and of the best ones that are then fitted."""
CANDIDATES = 128
MOST_STEPS = 1000
"""Number of steps to which the rates of longer runs are thinned out: ranks need no more, and fits take less time."""
EVERY = 3
"""Every so many policies, one is the sampler's, so that families and rates that no fitted curve has are tried, too."""


class PredictedProposals:
    """Predictions by the curves of a study's trials.

    Args:
        runner: has the evaluations of the trials' runs.
    """

    def __init__(self, runner: TrialRunner, space: Space) -> None:
        self._runner, self._space = runner, space
        self._length = runner.experiment.workload.iterations
        self._steps = min(self._length, MOST_STEPS)
        self._objective = runner.experiment.settings.objective.searched
        self._curves: dict[str, Curve | None] = {}

    def point(self, trials: Sequence[optuna.trial.FrozenTrial], most_parts: int | None = None) -> dict[str, Any] | None:
        """Return the parameters of the policy to try next; None where the sampler is to propose one.

        Args:
            trials: of the study; those that go on are not fitted, and not proposed again.
            most_parts: number of parts of the space that count, the first ones; None: all.
        """
        proposals = [proposal_of(trial) for trial in trials if proposal_of(trial)]
        finished = [trial for trial in trials if trial.user_attrs.get(OUTCOME, {}).get("status") == "finished"]
        if not len(proposals) % EVERY or len(finished) < FEWEST_CURVES:
            return None
        curves = [curve for trial in finished if (curve := self._curve(proposal_of(trial)["policy"])) is not None]
        try:
            curves.sort(key=lambda curve: curve.target)
            ranker = fit_ranker(curves[:MOST_CURVES], curves[MOST_CURVES:])
        except ResultsError:
            return None
        known = {proposal["policy"] for proposal in proposals}
        return self._best(ranker, self._space.parts[:most_parts], known, len(trials))

    def _curve(self, text: str) -> Curve | None:
        """The curve of a policy that was trained to its end; None where it has no finite losses."""
        if text not in self._curves:
            policy = parse_policy(text)
            rows = self._runner.evaluations(
                self._runner.task(policy, self._runner.experiment.settings.search.search_seed)
            )
            measured = {row.iteration: self._loss(row) for row in rows if row.iteration}
            usable = measured and all(map(math.isfinite, measured.values())) and not policy.closed_loop
            self._curves[text] = self._of(policy, measured) if usable else None
        return self._curves[text]

    def _loss(self, row: Evaluation) -> float:
        """The error rate where the accuracy is the objective, else the test loss."""
        return 1 - self._objective.value(row) if self._objective.is_accuracy else row.metrics.get(LOSS, math.nan)

    def _of(self, policy: Policy, measured: dict[int, float]) -> Curve:
        steps = {math.ceil(iteration * self._steps / self._length): loss for iteration, loss in measured.items()}
        return Curve(self._schedule(policy), np.array([*steps]), np.array([*steps.values()]))

    def _schedule(self, policy: Policy) -> Schedule:
        iterations = np.arange(self._steps) * self._length // self._steps
        return Schedule(policy.text, policy.rates(iterations, self._length))

    def _best(self, ranker: Ranker, parts: Sequence[Part], known: set[str], number: int) -> dict[str, Any] | None:
        """The random policy with the lowest score that is not known; None where the curves say nothing of any."""
        draw = random.Random(f"{self._runner.experiment.settings.search.sampler_seed} predicted {number}")
        best, lowest = None, math.inf
        for _ in range(CANDIDATES):
            part = draw.choice(parts)
            values = {one.name: between(one, draw.random()) for one in part.dimensions}
            score = self._score(ranker, part, values, known)
            if score is not None and score < lowest:
                best, lowest = point_of(self._space, part, values), score
        return best

    def _score(self, ranker: Ranker, part: Part, values: dict[str, Any], known: set[str]) -> float | None:
        try:
            policy = part.make(values, self._length)
            policy.check(self._length)
        except PolicyError:
            return None
        return None if policy.closed_loop or policy.text in known else ranker.score(self._schedule(policy))
