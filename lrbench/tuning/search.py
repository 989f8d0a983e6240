"""The search: policies proposed by a study, each an ordinary run, given up where the study's pruner says so."""

from __future__ import annotations

import operator
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from filelock import FileLock

from lrbench.errors import Interrupted, PolicyError
from lrbench.executors.dispatcher import Outcome
from lrbench.executors.plan import Task
from lrbench.limits import DEFAULT_TRIALS
from lrbench.metrics.objective import Target, target_of
from lrbench.policies import parse_policy
from lrbench.policies.table import MODERN
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.files import LOCK
from lrbench.tuning.predicted import PredictedProposals
from lrbench.tuning.pruning import Pruning
from lrbench.tuning.space import Space
from lrbench.tuning.study import STARTUP_TRIALS, sampler_settings
from lrbench.tuning.suggestion import least_tried, spread_rate, suggest, suggest_evenly, untried
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.trials import ASKED, OUTCOME, SAMPLER, cost, proposal_of

if TYPE_CHECKING:
    import optuna

SECONDS_BETWEEN_LOOKS = 1.0
ENOUGH_REPEATS = 2
"""Proposals in a row of policies tried before, after which one is drawn from what a small space has left."""
MOST_REPEATS = 100
"""Proposals in a row of policies tried before, after which any space counts as exhausted."""


class Search:
    """One process's part in a study; any number may work on it at once, and resume the trials of a killed one.

    Args:
        runner: evaluates policies; a trial that was cut off resumes in its run directories.
    """

    def __init__(self, runner: TrialRunner, study: optuna.Study, space: Space) -> None:
        settings = runner.experiment.settings
        self._settings, self._target = settings.search, target_of(settings.aim)
        self._objective = settings.objective.searched
        self._runner, self._study, self._space = runner, study, space
        self._pruning = Pruning(study, self._settings, self._objective, self._target)
        self._predicted = PredictedProposals(runner, space) if self._settings.predictions else None
        self._trials: dict[int, optuna.Trial] = {}
        self._turn = FileLock(runner.folder / LOCK)
        """Held while a policy is proposed: two processes would both take the last place in the budget."""
        self._ended: dict[int, Outcome] = {}
        """With ``search.ahead``, the ends of runs that are not in the study yet, by the number of the task."""

    def run(self) -> None:
        """Try policies until the budget is spent or the space exhausted.

        Raises:
            Interrupted: Ctrl-C; whoever runs the search next resumes the running trials.
        """
        self._runner.run(self._tasks(), self._end)
        self._tell_ended(lambda number: True)

    def join_others(self) -> None:
        """Wait for the policies that other processes train, so that all of them end with the same results.

        What a process that is killed meanwhile leaves behind is trained here.

        Raises:
            Interrupted: Ctrl-C; completed work is kept.
        """
        from optuna.trial import TrialState

        while running := self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            folders = [self._runner.folder / proposal_of(trial)["run"] for trial in running if proposal_of(trial)]
            if len(folders) == len(running) and all(RunDirectory(folder).is_locked for folder in folders):
                try:
                    time.sleep(SECONDS_BETWEEN_LOOKS)
                except KeyboardInterrupt:
                    raise Interrupted("interrupted; completed work is kept") from None
            else:
                self._runner.run(self._left_behind(), self._end)
                self._tell_ended(lambda number: True)

    def _tasks(self) -> Iterator[Task | None]:
        """Yield the next run to make, with all that ended before in the study.

        None where a running trial has to end first: it may leave room in the budget.
        """
        self._runner.folder.mkdir(parents=True, exist_ok=True)
        yield from self._left_behind()
        repeats = 0
        while repeats < MOST_REPEATS:
            if not self._caught_up():
                yield None
                continue
            with self._turn:
                spent = self._spent()
                trial = None if spent or not self._enqueue_point(repeats) else self._study.ask()
                task = None if trial is None else self._task(trial)
            if spent:
                if not self._trials:
                    return
                first = min(self._trials)
                if not self._tell_ended(partial(operator.eq, first)):
                    yield None
                continue
            if trial is None:
                return
            repeats = repeats + 1 if task is None else 0
            if task is not None:
                self._trials[task.number] = trial
                yield task

    def _caught_up(self) -> bool:
        """Whether the study has all that the next proposal may depend on; with ``search.ahead`` it then has no more."""
        if self._settings.ahead is None:
            return True
        last = len(self._study.get_trials(deepcopy=False)) - self._settings.ahead
        self._tell_ended(lambda number: number <= last + 1)
        return all(number > last + 1 for number in self._trials)

    def _end(self, outcome: Outcome) -> None:
        """Take in the end of a run: into the study at once, or with ``search.ahead`` when its turn comes."""
        self._ended[outcome.task.number] = outcome
        if self._settings.ahead is None:
            self._tell_ended(lambda number: True)

    def _tell_ended(self, due: Callable[[int], bool]) -> bool:
        """Record in the study how the runs ended whose tasks' numbers are due, in order; return whether any was."""
        numbers = [number for number in sorted(self._ended) if due(number)]
        for number in numbers:
            self._tell(self._ended.pop(number))
        return bool(numbers)

    def _spent(self) -> bool:
        """Whether the budget has no room for one more policy, were it and the running ones trained to their ends."""
        trials = self._study.get_trials(deepcopy=False)
        most = self._settings.trials
        if self._settings.iterations is None:
            most = DEFAULT_TRIALS if most is None else most
        else:
            running = sum(trial.state.name == "RUNNING" for trial in trials)
            iterations = cost(trials) + (running + 1) * self._runner.experiment.workload.iterations
            if iterations > self._settings.iterations:
                return True
        # Two processes without a common folder may propose the same policy, which is tried once.
        return most is not None and len({proposal_of(trial)["run"] for trial in trials if proposal_of(trial)}) >= most

    def _enqueue_point(self, repeats: int) -> bool:
        """Fix the next trial's parameters that the sampler is not to choose; False where nothing is left to try."""
        trials, sampler = self._study.get_trials(deepcopy=False), self._settings.sampler
        # A trial that waits to be taken has its parameters fixed, and not yet set.
        left = untried(self._space, (trial.params or trial.system_attrs.get("fixed_params", {}) for trial in trials))
        predicted = None if self._predicted is None or repeats else self._predicted.point(trials, self._most_parts())
        if predicted is not None:
            self._study.enqueue_trial(predicted)
            return True
        if sampler == "grid":
            point = next(left, None)
        elif repeats >= ENOUGH_REPEATS and self._space.size is not None and sampler != "quasi-random":
            points = list(left)
            point = random.Random(f"{self._settings.sampler_seed} {len(trials)}").choice(points) if points else None
        elif self._settings.allocation == "equal" and sampler != "quasi-random":
            tried = Counter(proposal_of(trial)["function"] for trial in filter(proposal_of, trials))
            point = least_tried(self._space, tried, self._most_parts())
            if point is not None and sampler == "tpe" and tried.total() < STARTUP_TRIALS:
                point |= spread_rate(self._space, tried.total())
        else:
            return True
        if point is None:
            return False
        self._study.enqueue_trial(point)
        return True

    def _most_parts(self) -> int | None:
        """Return the number of parts of the space to try, the first ones; None: all.

        Where the spec names no functions, and the budget has not two policies for each of the default ones, these are
        today's schedules alone.
        """
        settings, budget = self._settings, self._settings.trials
        if settings.iterations is not None:
            affordable = settings.iterations // self._runner.experiment.workload.iterations
            budget = affordable if budget is None else min(budget, affordable)
        is_default = settings.functions is None and settings.space is None
        few = (DEFAULT_TRIALS if budget is None else budget) < 2 * len(self._space.parts)
        return len(MODERN) if is_default and few else None

    def _task(self, trial: optuna.Trial) -> Task | None:
        """The run that a trial proposes; None where it was proposed before or is impossible."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        suggested = suggest_evenly if self._settings.sampler == "quasi-random" else suggest
        known = {proposal_of(other).get("run") for other in self._study.get_trials(deepcopy=False)}
        try:
            label, policy = suggested(trial, self._space, self._runner.experiment.workload.iterations)
            task = self._made(trial, policy.text)
            if task.folder.name not in known:
                trial.set_user_attr(SAMPLER, sampler_settings(self._settings))
                trial.set_user_attr(ASKED, {"function": label, "policy": policy.text, "run": task.folder.name})
                return task
            self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)  # a sampler learns nothing of it
        except PolicyError:
            self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        except UpdateFinishedTrialError:  # a process without a common folder took it for one left behind
            pass
        return None

    def _made(self, trial: optuna.Trial, policy: str) -> Task:
        reported = set(self._study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        return self._runner.task(
            parse_policy(policy),
            self._settings.search_seed,
            number=trial.number + 1,
            pause=lambda rows: self._pruning.reason(trial, rows, reported),
        )

    def _left_behind(self) -> Iterator[Task]:
        """The trials that another process began and no process is running now."""
        from optuna.trial import Trial, TrialState

        with self._turn:  # a trial without a proposal is left behind only if nobody is making one
            running = self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        for found in running:
            proposal = proposal_of(found)
            if not proposal:
                self._study.tell(found.number, state=TrialState.FAIL, skip_if_finished=True)
            elif not RunDirectory(self._runner.folder / proposal["run"]).is_locked:
                trial = Trial(self._study, found._trial_id)
                task = self._made(trial, proposal["policy"])
                self._trials[task.number] = trial
                yield task

    def _tell(self, outcome: Outcome) -> None:
        """Record in the study how a run ended."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        trial = self._trials.pop(outcome.task.number)
        rows = self._runner.evaluations(outcome.task)
        best, judged = self._objective.best(rows), self._objective.judged(rows)
        found = None if self._target is None else self._target.iterations(rows)
        if outcome.status.status == "failed":
            state, values = TrialState.FAIL, None
        elif outcome.status.completed and judged is not None:
            state, values = TrialState.COMPLETE, self._values(rows, judged, found)
        else:
            state, values = TrialState.PRUNED, None
        try:
            trial.set_user_attr(
                OUTCOME,
                {
                    "status": outcome.status.status,
                    "best_accuracy" if self._objective.is_accuracy else "best_value": best,
                    **({"final_value": judged} if self._objective.at == "final" else {}),
                    "iterations_to_target": found,
                    "iterations_to_best": None if best is None else Target(self._objective, best).iterations(rows),
                    "iterations": outcome.status.iteration,
                    "seconds": rows[-1].seconds if rows else 0.0,
                },
            )
            self._study.tell(trial, values, state)
        except UpdateFinishedTrialError:  # two processes took the trial up, and the other was faster to tell
            pass

    def _values(self, rows: Sequence[Evaluation], judged: float, reached: int | None) -> list[float]:
        if self._settings.by == "value" or self._target is None:
            return [judged]
        iterations = self._runner.experiment.workload.iterations
        # One that misses the target ranks behind all that reach it, by how far it missed.
        until = float(reached) if reached is not None else iterations * (1 + _missed_by(self._target, rows))
        return [until] if self._settings.by == "iterations" else [judged, until]


def _missed_by(target: Target, rows: Sequence[Evaluation]) -> float:
    """Return how far a run missed the target, from 0 to 1: a difference of accuracies, else as a share of both."""
    best = target.metric.best(rows)
    if best is None:
        return 1.0
    missed = target.metric.order(target.value) - target.metric.order(best)
    return missed if target.metric.is_accuracy else missed / (abs(target.value) + missed)
