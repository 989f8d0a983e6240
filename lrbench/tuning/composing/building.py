"""Builds a policy stage by stage: trains the candidates of each from the state that the best run so far had there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lrbench.errors import EngineFailed, SpecError
from lrbench.executors.plan import Task
from lrbench.policies import Policy, parse_policy
from lrbench.runner import Pause
from lrbench.runs.directory import RunBusy, RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.sections import CompositionSettings
from lrbench.tuning.composing.proposals import Continuation, Proposal, Proposer, Stage
from lrbench.tuning.composing.selection import CandidateScore, ComposeResult, Cost, Ranker, StageResult
from lrbench.tuning.composing.stages import Plateau, check_ends, planned_ends, stretch_of
from lrbench.tuning.confirm import SUFFIX as CONFIRMED
from lrbench.tuning.confirm import confirm
from lrbench.tuning.space import Space
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.tune import BASELINE, baselines, earlier, reranked

SUFFIX = "compose"
GOOD_SHARE = 4
"""The best quarter of a stage's candidates did well: neighbours of theirs are tried in the next one."""

STRETCH = "compose: trained as far as it was asked for"


def compose(runner: TrialRunner, space: Space) -> ComposeResult:
    """Build a policy for a workload out of those of a space.

    All are ordinary runs in the folder of the experiment ``<name>-compose``. Those of a later stage begin as copies of
    their parent, and every run pauses where its stage ends, so that nothing is trained twice. Done runs are found
    again and cut-off ones go on, and the draws are the same each time: so does a composition that was cut off.

    Args:
        runner: on the data to choose by; its listener is told of each stage's best.

    Raises:
        UsageError: the spec's stages do not fit the run, no policy of the space is possible, or the engine refuses.
        EngineFailed: a run failed; the others are kept.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    check(runner)
    return _Composition(runner.with_suffix(SUFFIX).with_stopping(), space).result()


def check(runner: TrialRunner) -> None:
    """Refuse what cannot be composed, before anything is written.

    Raises:
        UsageError: the spec's stages do not fit the run, or the engine cannot train compositions.
    """
    check_ends(runner.experiment)
    workload = runner.experiment.workload
    if workload.iterations > 1:
        rates = [f"FIX(k0={rate})" for rate in (0.01, 0.001)]
        trial = parse_policy(f"COMPOSE(policies=[{', '.join(rates)}], boundaries=[{workload.iterations // 2}])")
        runner.check(runner.with_suffix(SUFFIX).task(trial, 0))


@dataclass
class _Composition:
    """One composition under way."""

    runner: TrialRunner
    space: Space
    _tasks: dict[str, Task] = field(default_factory=dict)
    _numbered: int = 0

    @property
    def _settings(self) -> CompositionSettings:
        return self.runner.experiment.settings.composition

    @property
    def _iterations(self) -> int:
        return self.runner.experiment.workload.iterations

    @property
    def _judge(self) -> Ranker:
        settings = self.runner.experiment.settings
        soonest = settings.search.objective == "iterations"
        return Ranker(self.runner.data.test_count, settings.target_accuracy if soonest else None)

    def result(self) -> ComposeResult:
        ends = planned_ends(self.runner.experiment)
        stages: list[StageResult] = []
        while not stages or (stages[-1].end < self._iterations and stages[-1].best.reached is None):
            last = len(stages) == len(ends) - 1
            latest = ends[len(stages)] if self._settings.ends == "fixed" else self._iterations
            stages.append(self._stage(stages, latest, may_end=not last and self._settings.ends == "plateau"))
            self._tell(stages[-1])
        return ComposeResult(
            tuple(stages),
            self.runner.evaluated_on,
            self.runner.data.label,
            self._judge,
            self._cost(),
            stages[0].best.candidate.path.policy,
            f"the best of the {len(stages[0].ranked)} that the first stage tried",
        )

    def _tell(self, stage: StageResult) -> None:
        accuracy = stage.best.accuracy or 0.0
        self.runner.listener.noticed(
            self._tasks[stage.best.run],
            f"the best of {len(stage.ranked)} from iteration "
            f"{stage.start} to {stage.end}: {self.runner.evaluated_on} accuracy {accuracy:.2%}",
        )

    def _stage(self, before: Sequence[StageResult], latest: int, *, may_end: bool) -> StageResult:
        """One stage; with ``may_end`` a plateau ends it, else it goes on to ``latest``."""
        start = before[-1].end if before else 0
        judged_at = stretch_of(self.runner.experiment, start, latest)
        stage = Stage(len(before) + 1, start, judged_at, self._iterations)
        ranked = self._train(self._candidates(stage, before), judged_at)
        plateau = Plateau(self._settings, start, judged_at) if may_end else None
        chosen, end = self._go_on(ranked, judged_at, latest, plateau)
        return StageResult(stage.number, start, judged_at, end, tuple(ranked), tuple(chosen))

    def _go_on(
        self, ranked: Sequence[CandidateScore], judged_at: int, latest: int, plateau: Plateau | None
    ) -> tuple[list[CandidateScore], int]:
        """Train the best to the stage's end, the next ones where those diverge; as they are there, and where it is."""
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
        drawing = Proposer(self.space, stage, self.runner.experiment.settings.search.sampler_seed)
        if not before:
            candidates = drawing.first(self._settings.candidates)
        else:
            parents = [one.candidate for one in before[-1].chosen]
            candidates = drawing.further(self._settings.candidates, self._settings.explore, parents, _good(before))
        if not candidates:
            raise SpecError(
                "no policy of the search space is possible in a run of that length",
                where=self.runner.experiment.document.where(("search",)),
                remedy="widen the space",
            )
        return candidates

    def _train(self, candidates: Sequence[Continuation], until: int) -> list[CandidateScore]:
        """Train them to an iteration, which is an evaluation; the best first."""
        tasks = [self._task(candidate, until) for candidate in candidates]
        self._run([task for task in tasks if not self._reached(task, until)])
        search_runner = self._judge
        return search_runner.ranked(
            [
                search_runner.judged(candidate, task.folder.name, self._rows(task, until), self.runner.status(task))
                for candidate, task in zip(candidates, tasks, strict=True)
            ]
        )

    def _train_to_end(self, candidate: Continuation, latest: int, plateau: Plateau | None) -> int | None:
        """Train one to its plateau, or to ``latest`` where it has none; the iteration, None where it diverged."""

        def end(rows: Sequence[Evaluation]) -> int | None:
            found = None if plateau is None else plateau.found(rows)
            return latest if found is None and rows[-1].iteration >= latest else found

        task = replace(self._task(candidate, latest), pause=lambda rows: STRETCH if end(rows) else None)
        if not self.runner.status(task).done and end(self.runner.evaluations(task)) is None:
            self._run([task])
        trained = [row for row in self.runner.evaluations(task) if math.isfinite(row.accuracy)]
        return end(trained)

    def _task(self, candidate: Continuation, until: int) -> Task:
        """The candidate's run up to an iteration, branched from its parent's if it has not begun."""
        self._numbered += 1
        seed = self.runner.experiment.settings.search.search_seed
        task = self.runner.task(candidate.path.policy, seed, number=self._numbered, pause=_at(until))
        if candidate.parent is not None and candidate.parent != candidate.path:
            parent = self.runner.task(candidate.parent.policy, seed)
            _branch(task, parent, candidate.path.parts[-1][0], self.runner)
        self._tasks.setdefault(task.folder.name, task)
        return task

    def _run(self, tasks: Sequence[Task]) -> None:
        """Run them as far as they are to go."""
        outcomes = self.runner.run(list(tasks)) if tasks else []
        failed = [one for one in outcomes if not one.status.done and one.status.reason != STRETCH]
        if failed:
            first = failed[0]
            raise EngineFailed(
                f"{len(failed)} of {len(outcomes)} runs failed, the first with: {first.status.reason}",
                where=str(first.task.folder),
                remedy="the same command goes on from there",
            )

    def _reached(self, task: Task, until: int) -> bool:
        rows = self.runner.evaluations(task)
        return self.runner.status(task).done or bool(rows and rows[-1].iteration >= until)

    def _rows(self, task: Task, until: int) -> list[Evaluation]:
        """A run's evaluations up to an iteration."""
        return [row for row in self.runner.evaluations(task) if row.iteration <= until]

    def _cost(self) -> Cost:
        iterations, seconds = 0, 0.0
        for task in self._tasks.values():
            taken_over = RunDirectory(task.folder).branched_at
            rows = self.runner.evaluations(task)
            iterations += rows[-1].iteration - taken_over
            before = [row for row in rows if row.iteration == taken_over]
            seconds += rows[-1].seconds - sum(row.seconds for row in before)
        return Cost(len(self._tasks), iterations, iterations / self._iterations, seconds)


def _good(before: Sequence[StageResult]) -> list[Proposal]:
    """What did well so far: the runs that go on, and the best quarter of each stage."""
    draws = [one.candidate.draw for one in before[-1].chosen]
    for stage in before:
        trained = [one for one in stage.ranked if not one.diverged]
        draws += [one.candidate.draw for one in trained[: math.ceil(len(stage.ranked) / GOOD_SHARE)]]
    return draws


def _branch(task: Task, parent: Task, start: int, runner: TrialRunner) -> None:
    """Have a run that has not begun begin as its parent was at ``start``.

    The rates up to there are the same, so that is where it would be by itself. Where the parent has gone past it by
    now (somebody deleted the branch), the run begins at the beginning: dearer, but the same.
    """
    directory = RunDirectory(task.folder)
    try:
        with directory.locked():
            if not directory.evaluations():
                directory.branch(RunDirectory(parent.folder), start, task.description(runner.engine))
    except RunBusy:
        pass  # another process runs it, and has branched it


def _at(iteration: int) -> Pause:
    return lambda rows: STRETCH if rows[-1].iteration >= iteration else None


COMPOSED, SINGLE = "composed", "best single"


def compose_and_confirm(runner: TrialRunner, search_runner: TrialRunner, space: Space) -> ComposeResult:
    """Build a policy stage by stage, or go on building, then confirm it by full runs from scratch.

    Args:
        runner: on the data to confirm on.
        search_runner: the same on the data to choose by.

    Raises:
        UsageError: the spec's stages, a baseline or the space are impossible, or the engine refuses.
        EngineFailed: a run of the search failed; the others are kept.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    beside = baselines(runner)
    found = compose(search_runner, space)
    single, single_from = _best_single(search_runner, space, found)
    policies = {found.policy: COMPOSED}
    for policy, role in ((single, SINGLE), *((baseline, BASELINE) for baseline in beside)):
        policies.setdefault(policy, role)
    confirmed = confirm(runner.with_suffix(CONFIRMED), policies, runner.experiment.settings.seeds)
    return replace(found, best_single=single, single_from=single_from, confirmed=tuple(confirmed))


def _best_single(search_runner: TrialRunner, space: Space, found: ComposeResult) -> tuple[Policy, str]:
    """The best of a study by tune of the same spec, else of the first stage; and which of them it is."""
    try:
        tuned = earlier(search_runner, space)
    except SpecError as error:
        return found.best_single, f"{found.single_from}, as the study by lrbench tune is no help: {error}"
    if tuned is None or not tuned.best:
        return found.best_single, f"{found.single_from}, as lrbench tune has found none in this results folder"
    return reranked(search_runner, tuned, 1).chosen[0], f"the best of the {len(tuned.tried)} that lrbench tune tried"
