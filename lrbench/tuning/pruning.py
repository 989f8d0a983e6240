"""Pruning of a search's trials: when one is given up before its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrbench.metrics.objective import Objective, Target
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.search_settings import SearchSettings
from lrbench.tuning.study import study_of
from lrbench.tuning.trials import OUTCOME

if TYPE_CHECKING:
    import optuna


class Pruning:
    """Pruning by a study's pruner; in a search for the fewest iterations, also by the runs that reached the target.

    Args:
        target: that of the spec; None: there is none.
    """

    def __init__(
        self, study: optuna.Study, settings: SearchSettings, objective: Objective, target: Target | None
    ) -> None:
        self._study, self._settings, self._objective, self._target = study, settings, objective, target

    def reason(self, trial: optuna.Trial, rows: Sequence[Evaluation], reported: set[int]) -> str | None:
        """Report the newest evaluation of a trial; return why to give it up, or None. Called on the run's own thread.

        Args:
            reported: steps that the study has; the new one is added.
        """
        from optuna.exceptions import UpdateFinishedTrialError

        if self._settings.by == "both":
            return None
        best, step = self._report(rows), len(rows)
        if best is None:
            return None
        if step not in reported:
            reported.add(step)
            try:
                trial.report(best, step)
            except UpdateFinishedTrialError:
                return "pruned: another process ended the trial"
        if self._beaten(trial, rows):
            return "pruned: another policy had reached the target by this iteration"
        return "pruned: others were better by this iteration" if self._should_prune(trial) else None

    def _report(self, rows: Sequence[Evaluation]) -> float | None:
        """The value that trials are pruned by; None where none is known."""
        if self._settings.by == "value" or self._target is None:
            return self._objective.judged(rows)
        metric = self._target.metric
        best = metric.best(rows)
        return None if best is None else 1 - best if metric.is_accuracy else -metric.order(best)

    def _beaten(self, trial: optuna.Trial, rows: Sequence[Evaluation]) -> bool:
        """Whether a search for the fewest iterations has a policy that reached the target by the run's iteration."""
        if self._settings.by != "iterations" or self._settings.pruner == "none":
            return False
        found = [
            reached
            for other in self._known_to(trial)
            if (reached := other.user_attrs.get(OUTCOME, {}).get("iterations_to_target")) is not None
        ]
        return rows[-1].iteration >= min(found, default=math.inf)

    def _known_to(self, trial: optuna.Trial) -> list[optuna.trial.FrozenTrial]:
        """The trials that the pruning of one may depend on."""
        trials = self._study.get_trials(deepcopy=False)
        ahead = self._settings.ahead
        return trials if ahead is None else [each for each in trials if each.number <= trial.number - ahead]

    def _should_prune(self, trial: optuna.Trial) -> bool:
        if self._settings.ahead is None:
            return trial.should_prune()
        own = self._study.get_trials(deepcopy=False)[trial.number]
        return bool(self._study.pruner.prune(study_of(self._study, [*self._known_to(trial), own]), own))
