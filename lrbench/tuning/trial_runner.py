"""Runs of policies for the commands that choose among them: ordinary runs in run directories, on any engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lrbench.data import evaluated_on, hold_out, suggested
from lrbench.engines.base import Engine
from lrbench.errors import EngineFailed
from lrbench.executors.base import Executor
from lrbench.executors.dispatcher import Dispatcher, Listener, Outcome
from lrbench.executors.local import LocalExecutor
from lrbench.executors.plan import Task
from lrbench.executors.setup import check_momenta
from lrbench.policies import Policy
from lrbench.runner import Pause
from lrbench.runs.declarations import program_notes
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.status import Status
from lrbench.spec.expansion import Run
from lrbench.spec.experiment import Data, Experiment
from lrbench.spec.model import SolverSettings
from lrbench.spec.program import ProgramArguments, ProgramSource


@dataclass(frozen=True)
class TrialRunner:
    """Runs policies on one workload.

    Attributes:
        experiment: the spec; its own policies, seeds and stopping rules count only where a method says so.
        data: the data set; one with a held-out part has that in place of the test set.
        results: folder with a folder for each experiment.
        jobs: sessions side by side, each of ``lanes`` runs; ``threads`` BLAS threads of each.
        executor: where the engine's sessions run.
    """

    experiment: Experiment
    data: Data
    engine: Engine
    results: Path
    jobs: int = 1
    threads: int = 1
    lanes: int = 1
    listener: Listener = field(default_factory=Listener)
    executor: Executor = field(default_factory=LocalExecutor)

    @property
    def folder(self) -> Path:
        """Folder of the run directories."""
        return self.results / self.experiment.name

    @property
    def evaluated_on(self) -> str:
        """The part of the data that ranks policies: ``validation`` or ``test``."""
        return self.data.split if isinstance(self.data, ProgramSource) else evaluated_on(self.data.name)

    def judged_on(self, runs: Iterable[Path]) -> str:
        """Return the part of the data that runs, by their folders, were evaluated on: ``validation`` or ``test``.

        A program that takes no split evaluates on its test set, whatever it is asked for.
        """
        if not isinstance(self.data, ProgramSource) or self.data.split == "test":
            return self.evaluated_on
        facts = (RunDirectory(folder).facts for folder in runs)
        return "test" if any(known.get("split_used") is False for known in facts) else self.evaluated_on

    def declared(self, runs: Iterable[Path]) -> tuple[str, ...]:
        """Return sentences on what a program declares in runs, given by their folders; none for a net."""
        if not isinstance(self.data, ProgramSource):
            return ()
        descriptions = (RunDirectory(folder).description for folder in runs)
        return tuple(program_notes(each for each in descriptions if each is not None))

    def with_settings(self, **changes: Any) -> TrialRunner:
        """Return a runner with some of the spec's settings changed."""
        settings = self.experiment.settings.model_copy(update=changes)
        return replace(self, experiment=replace(self.experiment, settings=settings))

    def with_suffix(self, suffix: str) -> TrialRunner:
        """Return a runner with its runs in the folder of the experiment ``<name>-<suffix>``."""
        return self.with_settings(name=f"{self.experiment.settings.name}-{suffix}")

    def with_iterations(self, iterations: int, test_interval: int | None = None) -> TrialRunner:
        """Return a runner with runs of another length, evaluated every ``test_interval`` iterations."""
        interval = min(test_interval or self.experiment.workload.test_interval, iterations)
        workload = replace(self.experiment.workload, iterations=iterations, test_interval=interval)
        return replace(self, experiment=replace(self.experiment, workload=workload))

    def with_stopping(self, **rules: Any) -> TrialRunner:
        """Return a runner with these of ``StoppingSettings`` set and no others."""
        return self.with_settings(stopping=type(self.experiment.settings.stopping)(**rules))

    def on_validation(self, home: Path, most: int | None = None) -> TrialRunner:
        """Return a runner that evaluates on the spec's held-out part of the training set; itself for ``validation: 0``.

        Args:
            home: the folder that LRBench keeps its data in.
            most: largest number of images to hold out, but one test batch at least.

        Raises:
            DataError: more is to be held out than there is.
            SpecError: the part is of no whole number of test batches.
        """
        experiment = self.experiment
        count = experiment.settings.search.validation
        if count == 0:
            return self
        if isinstance(self.data, ProgramSource):
            return replace(self, data=replace(self.data, split="validation"))
        workload = experiment.net_workload
        batch = workload.test_batch_size
        if count is None:
            count = suggested(self.data, batch)
        if most is not None and count > most:
            count = max(most // batch, 1) * batch
        with experiment.document.placing("search", "validation"):
            held = hold_out(self.data, count, home)
            workload.check_test_set(held)
        return replace(self, data=held)

    def task(
        self,
        policy: Policy,
        seed: int,
        *,
        number: int = 1,
        solver: SolverSettings | ProgramArguments | None = None,
        pause: Pause | None = None,
    ) -> Task:
        """Return the run of one policy, with the spec's first solver unless another is given.

        Args:
            pause: called after each evaluation; returns a reason to pause the run there, or None to go on.

        Raises:
            PolicyError: the policy is impossible in a run of that length.
        """
        solver = solver or self.experiment.settings.solver[0]
        run = Run(policy, 1.0, solver, seed)
        run.effective_policy.check(self.experiment.workload.iterations)
        folder = self.folder / self.experiment.run_id(run, self.data)
        return Task(number, run, self.experiment, self.data, folder, self.threads, pause)

    def run(
        self, tasks: Iterable[Task | None], on_end: Callable[[Outcome], None] = lambda outcome: None
    ) -> list[Outcome]:
        """Run tasks side by side, as ``Dispatcher.run`` does.

        Raises:
            Interrupted: Ctrl-C; what was done is on disk.
        """
        jobs = self.jobs if self.engine.isolated else 1
        places = self.executor.places(self.experiment.settings.engine, jobs, self.lanes, self.threads)
        return Dispatcher(self.engine, places, self.listener).run(tasks, on_end)

    def run_all(self, tasks: Sequence[Task], pause_reason: str = "") -> None:
        """Run tasks, each to its end or until it pauses for ``pause_reason``.

        Raises:
            EngineFailed: a run failed; the others are kept.
            Interrupted: Ctrl-C; what was done is on disk.
        """
        outcomes = self.run(tasks) if tasks else []
        failed = [each for each in outcomes if not each.status.done and each.status.reason != pause_reason]
        if failed:
            raise EngineFailed(
                f"{len(failed)} of {len(outcomes)} runs failed, the first with: {failed[0].status.reason}",
                where=str(failed[0].task.folder),
                remedy="rerun the same command to resume",
            )

    def check(self, task: Task) -> None:
        """Let the engine check a task on every GPU, before anything is written.

        Raises:
            UsageError: the engine cannot run it.
        """
        check_momenta([task], self.engine)
        for job in task.job_per_gpu():
            self.engine.check(job)

    def evaluations(self, task: Task) -> list[Evaluation]:
        """Return the evaluations that a task's run has on disk, in order; NaN where there is no value."""
        return RunDirectory(task.folder).evaluations()

    def status(self, task: Task) -> Status:
        """Return the status of a task's run."""
        return RunDirectory(task.folder).status()
