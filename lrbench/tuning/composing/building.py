"""Composition of a policy stage by stage: each stage trains candidates from the state that the best run had there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lrbench.data import Prepared
from lrbench.errors import SpecError
from lrbench.executors.log_listener import value_text
from lrbench.executors.plan import Task
from lrbench.policies import Policy, parse_policy
from lrbench.runs.directory import RunBusy, RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.tuning.baselines import careful_baselines, given_baselines
from lrbench.tuning.composing.proposals import Continuation, Proposer, Stage
from lrbench.tuning.composing.selection import CandidateScore, ComposeCost, ComposeResult, Ranker, StageResult
from lrbench.tuning.composing.stages import Plateau, check_ends, check_monitor, monitored, planned_ends, stretch_of
from lrbench.tuning.confirm import SUFFIX as CONFIRMED
from lrbench.tuning.confirm import confirm
from lrbench.tuning.result import BASELINE
from lrbench.tuning.space import Space
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.tune import earlier, reranked

SUFFIX = "compose"
COMPOSED, SINGLE = "composed", "best single"
GOOD_SHARE = 4
"""The best quarter of a stage's candidates did well: neighbours of theirs are tried in the next one."""
PAUSED = "compose: trained as far as it was asked for"


def compose(runner: TrialRunner, space: Space) -> ComposeResult:
    """Compose a policy for a workload of those of a space.

    All are ordinary runs in the folder of the experiment ``<name>-compose``. Those of a later stage begin as copies of
    their parent, and every run pauses where its stage ends, so that nothing is trained twice. Done runs are found
    again, cut-off ones resume, and the proposals are the same each time, so an interrupted composition resumes.

    Args:
        runner: evaluates on the data to choose by; its listener is told of each stage's best.

    Raises:
        UsageError: the spec's stages do not fit the run, no policy of the space is possible, or the engine refuses.
        EngineFailed: a run failed; the others are kept.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    check(runner)
    return _Composition(runner.with_suffix(SUFFIX).with_stopping(), space).result()


def check(runner: TrialRunner) -> None:
    """Check that policies can be composed, before anything is written.

    Raises:
        NotResumable: a program cannot be resumed, or not be started.
        UsageError: the spec's stages do not fit the run, or the engine cannot train compositions.
    """
    check_ends(runner.experiment)
    check_monitor(runner.experiment)
    workload = runner.experiment.workload
    if workload.iterations > 1:
        boundary = workload.iterations // 2
        trial = parse_policy(f"COMPOSE(policies=[FIX(k0=0.01), FIX(k0=0.001)], boundaries=[{boundary}])")
        task = runner.with_suffix(SUFFIX).task(trial, 0)
        runner.check(task)
        with runner.experiment.document.placing("workload"):
            _check_resumable(runner, task)


class NotResumable(SpecError):
    """A training that cannot be composed, since it cannot go on from a snapshot."""


def _check_resumable(runner: TrialRunner, task: Task) -> None:
    try:
        runner.engine.check_resumable(task.job())
    except SpecError as error:
        problem = f"compose needs a training that can be resumed, but {error.message}"
        raise NotResumable(problem, where=error.where, remedy=error.remedy) from error


@dataclass
class _Composition:
    """One running composition."""

    runner: TrialRunner
    space: Space
    _tasks: dict[str, Task] = field(default_factory=dict)
    _numbered: int = 0

    def __post_init__(self) -> None:
        settings = self.runner.experiment.settings
        self._settings, self._iterations = settings.composition, self.runner.experiment.workload.iterations
        soonest = settings.search.by == "iterations"
        images = self.runner.data.test_count if isinstance(self.runner.data, Prepared) else None
        self._ranker = Ranker(images, settings.aim if soonest else None, settings.objective.resolved)

    def result(self) -> ComposeResult:
        ends = planned_ends(self.runner.experiment)
        stages: list[StageResult] = []
        while not stages or (stages[-1].end < self._iterations and stages[-1].best.reached is None):
            last = len(stages) == len(ends) - 1
            latest = ends[len(stages)] if self._settings.ends == "fixed" else self._iterations
            stage = self._stage(stages, latest, may_end=not last and self._settings.ends == "plateau")
            self.runner.listener.noticed(
                self._tasks[stage.best.run],
                f"the best of {len(stage.ranked)} from iteration {stage.start} to {stage.end}: "
                f"{self.runner.evaluated_on} {value_text(self._tasks[stage.best.run], stage.best.accuracy or 0.0)}",
            )
            stages.append(stage)
        return ComposeResult(
            tuple(stages),
            self.runner.judged_on(task.folder for task in self._tasks.values()),
            self.runner.data.label,
            self._ranker,
            self._cost(),
            stages[0].best.candidate.path.policy,
            f"the best of the {len(stages[0].ranked)} that the first stage tried",
            declared=self.runner.declared(task.folder for task in self._tasks.values()),
        )

    def _stage(self, before: Sequence[StageResult], latest: int, *, may_end: bool) -> StageResult:
        """Train one stage; with ``may_end`` a plateau ends it, else it goes on to ``latest``."""
        start = before[-1].end if before else 0
        judged_at = stretch_of(self.runner.experiment, start, latest)
        stage = Stage(len(before) + 1, start, judged_at, self._iterations)
        ranked = self._train(self._candidates(stage, before), judged_at)
        settings = self.runner.experiment.settings
        plateau = Plateau(self._settings, monitored(settings), start, judged_at) if may_end else None
        if plateau is not None:
            plateau.check(self.runner.evaluations(self._tasks[ranked[0].run]))
        chosen, end = self._go_on(ranked, judged_at, latest, plateau)
        return StageResult(stage.number, start, judged_at, end, tuple(ranked), tuple(chosen))

    def _go_on(
        self, ranked: Sequence[CandidateScore], judged_at: int, latest: int, plateau: Plateau | None
    ) -> tuple[list[CandidateScore], int]:
        """Train the best to the stage's end, the next ones where those diverge; return their scores and the end."""
        left = [one for one in ranked if not one.diverged]
        while left:
            chosen, left = left[: self._settings.beam], left[self._settings.beam :]
            if chosen[0].reached is not None or judged_at == latest:
                return chosen, judged_at
            ends = (self._train_to_end(one.candidate, latest, plateau) for one in chosen)
            end = next((end for end in ends if end is not None), None)
            if end is not None:
                trained = self._train([one.candidate for one in chosen], end)
                return [one for one in trained if not one.diverged], end
        raise SpecError(
            f"all {len(ranked)} policies that were tried from one iteration on diverged", remedy="lower search.rates"
        )

    def _candidates(self, stage: Stage, before: Sequence[StageResult]) -> list[Continuation]:
        """The candidates of a stage; those that did well are the runs that go on, and the best of each stage."""
        proposer = Proposer(self.space, stage, self.runner.experiment.settings.search.sampler_seed)
        if not before:
            candidates = proposer.first(self._settings.candidates)
        else:
            parents = [one.candidate for one in before[-1].chosen]
            good = [one.proposal for one in parents]
            for result in before:
                trained = [one.candidate.proposal for one in result.ranked if not one.diverged]
                good += trained[: math.ceil(len(result.ranked) / GOOD_SHARE)]
            candidates = proposer.further(self._settings.candidates, self._settings.explore, parents, good)
        if not candidates:
            raise SpecError(
                "no policy of the search space is possible in a run of that length",
                where=self.runner.experiment.document.where(("search",)),
                remedy="widen the space",
            )
        return candidates

    def _train(self, candidates: Sequence[Continuation], until: int) -> list[CandidateScore]:
        """Train candidates to an iteration, which is an evaluation; return their scores, the best first."""
        tasks = [self._task(candidate, until) for candidate in candidates]
        left = [task for task in tasks if not self.runner.status(task).done]
        left = [task for task in left if all(row.iteration < until for row in self.runner.evaluations(task))]
        self.runner.run_all(left, PAUSED)
        scores = []
        for candidate, task in zip(candidates, tasks, strict=True):
            rows = [row for row in self.runner.evaluations(task) if row.iteration <= until]
            scores.append(self._ranker.score(candidate, task.folder.name, rows, self.runner.status(task)))
        return self._ranker.ranked(scores)

    def _train_to_end(self, candidate: Continuation, latest: int, plateau: Plateau | None) -> int | None:
        """Train a candidate to its plateau, else to ``latest``; return the iteration, None where it diverged."""

        def end(rows: Sequence[Evaluation]) -> int | None:
            found = None if plateau is None else plateau.found(rows)
            return latest if found is None and rows[-1].iteration >= latest else found

        task = replace(self._task(candidate, latest), pause=lambda rows: PAUSED if end(rows) else None)
        if not self.runner.status(task).done and end(self.runner.evaluations(task)) is None:
            self.runner.run_all([task], PAUSED)
        return end([row for row in self.runner.evaluations(task) if math.isfinite(self._ranker.objective.value(row))])

    def _task(self, candidate: Continuation, until: int) -> Task:
        """The candidate's run up to an iteration, branched from its parent's if it has not begun."""
        self._numbered += 1
        seed = self.runner.experiment.settings.search.search_seed
        task = self.runner.task(
            candidate.path.policy,
            seed,
            number=self._numbered,
            pause=lambda rows: PAUSED if rows[-1].iteration >= until else None,
        )
        if candidate.parent is not None and candidate.parent != candidate.path:
            parent = self.runner.task(candidate.parent.policy, seed)
            _branch(task, parent, candidate.path.parts[-1][0], self.runner)
        self._tasks.setdefault(task.folder.name, task)
        return task

    def _cost(self) -> ComposeCost:
        iterations, seconds = 0, 0.0
        for task in self._tasks.values():
            taken_over = RunDirectory(task.folder).branched_at
            rows = self.runner.evaluations(task)
            iterations += rows[-1].iteration - taken_over
            before = [row for row in rows if row.iteration == taken_over]
            seconds += rows[-1].seconds - sum(row.seconds for row in before)
        return ComposeCost(len(self._tasks), iterations, iterations / self._iterations, seconds)


def _branch(task: Task, parent: Task, start: int, runner: TrialRunner) -> None:
    """Let a run that has not begun begin as its parent was at ``start``, up to where the rates are the same.

    Where the parent has gone past it by now (somebody deleted the branch), the run begins at the beginning, which costs
    more and gives the same.
    """
    directory = RunDirectory(task.folder)
    try:
        with directory.locked():
            if not directory.evaluations():
                directory.branch(RunDirectory(parent.folder), start, task.description(runner.engine))
    except RunBusy:
        pass  # another process runs it, and has branched it


def compose_and_confirm(runner: TrialRunner, search_runner: TrialRunner, space: Space) -> ComposeResult:
    """Compose a policy, or resume a composition, then confirm it by full runs beside the best single policy.

    Args:
        runner: evaluates on the data to confirm on.
        search_runner: evaluates on the data to choose by.

    Raises:
        UsageError: the spec's stages, a baseline or the space are impossible, or the engine refuses.
        EngineFailed: a run of the search failed; the others are kept.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    beside = given_baselines(runner.experiment)
    found = compose(search_runner, space)
    single, single_from = _best_single(search_runner, space, found)
    beside = beside or careful_baselines(runner, space, [single])
    policies = {found.policy: COMPOSED}
    for policy, role in ((single, SINGLE), *((baseline, BASELINE) for baseline in beside.policies)):
        policies.setdefault(policy, role)
    confirmed = confirm(runner.with_suffix(CONFIRMED), policies, runner.experiment.confirming_seeds)
    return replace(
        found,
        best_single=single,
        single_from=single_from,
        confirmed=tuple(confirmed),
        baseline_reason=beside.reason,
        range_cost=None if space.range_test is None else space.range_test.cost,
    )


def _best_single(search_runner: TrialRunner, space: Space, found: ComposeResult) -> tuple[Policy, str]:
    """The best single policy of tune's study of the same spec, else of the first stage, and which of them it is."""
    try:
        tuned = earlier(search_runner, space)
    except SpecError as error:
        return found.best_single, f"{found.single_from}, as the study by lrbench tune is no help: {error}"
    if tuned is None or not tuned.best:
        return found.best_single, f"{found.single_from}, as lrbench tune has found none in this results folder"
    return reranked(search_runner, tuned, 1).chosen[0], f"the best of the {len(tuned.tried)} that lrbench tune tried"
