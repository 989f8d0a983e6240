"""Where policies are tried: each as an ordinary run in an ordinary run directory, on any engine.

The commands that choose among policies differ in which runs they ask for and when those pause. All else is here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lrbench.data import Prepared, evaluated_on, hold_out, suggested
from lrbench.engines.base import Engine
from lrbench.executors.local import Listener, LocalExecutor, Outcome
from lrbench.executors.plan import Task
from lrbench.policies import Policy
from lrbench.runner import Pause
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation, of_trained_net
from lrbench.runs.status import Status
from lrbench.spec.expansion import Run
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import SolverSettings


@dataclass(frozen=True)
class Bench:
    """Runs policies on one workload.

    Attributes:
        experiment: the spec; its own policies, seeds and stopping rules count only where a method says so.
        data: what is trained and judged on; one with a held-out part has that in place of the test set.
        results: the folder that holds a folder an experiment.
        jobs: sessions side by side, each of ``lanes`` runs; ``threads`` BLAS threads of each.
    """

    experiment: Experiment
    data: Prepared
    engine: Engine
    results: Path
    jobs: int = 1
    threads: int = 1
    lanes: int = 1
    listener: Listener = field(default_factory=Listener)

    @property
    def folder(self) -> Path:
        """Where its run directories are."""
        return self.results / self.experiment.name

    @property
    def evaluated_on(self) -> str:
        """The part of the data that ranks policies: ``validation`` or ``test``."""
        return evaluated_on(self.data.name)

    def named(self, suffix: str) -> Bench:
        """The same, with its runs in the folder of the experiment ``<name>-<suffix>``."""
        settings = self.experiment.settings
        return self._changed(settings.model_copy(update={"name": f"{settings.name}-{suffix}"}))

    def lasting(self, iterations: int, test_interval: int | None = None) -> Bench:
        """The same, with runs of another length, evaluated every ``test_interval`` iterations."""
        interval = min(test_interval or self.experiment.workload.test_interval, iterations)
        workload = replace(self.experiment.workload, iterations=iterations, test_interval=interval)
        return replace(self, experiment=replace(self.experiment, workload=workload))

    def stopping(self, **rules: Any) -> Bench:
        """The same, with these of ``StoppingSettings`` set and no others."""
        settings = self.experiment.settings
        return self._changed(settings.model_copy(update={"stopping": type(settings.stopping)(**rules)}))

    def _changed(self, settings: Any) -> Bench:
        return replace(self, experiment=replace(self.experiment, settings=settings))

    def judged_on_validation(self, home: Path, batch_size: int | None = None, most: int | None = None) -> Bench:
        """The same on the spec's held-out part of the training set; itself where the spec says ``validation: 0``.

        Args:
            home: the folder that LRBench keeps its data in.
            batch_size: test batch that the part has to be whole batches of; the workload's by default.
            most: hold no more images out than that, but one test batch at least.

        Raises:
            DataError: more is to be held out than there is.
            SpecError: the part is of no whole number of test batches.
        """
        experiment = self.experiment
        count = experiment.settings.search.validation
        if count == 0:
            return self
        if count is None:
            count = suggested(self.data, batch_size or experiment.workload.test_batch_size)
        if most is not None and count > most:
            batch = batch_size or experiment.workload.test_batch_size
            count = max(most // batch, 1) * batch
        with experiment.document.placing("search", "validation"):
            held = hold_out(self.data, count, home)
            experiment.workload.check_test_set(held)
        return replace(self, data=held)

    def task(
        self,
        policy: Policy,
        seed: int,
        *,
        number: int = 1,
        solver: SolverSettings | None = None,
        pause: Pause | None = None,
    ) -> Task:
        """A run of one policy, the spec's first solver unless another is given.

        Args:
            pause: asked after each evaluation why the run should wait, to go on another time.

        Raises:
            PolicyError: the policy is impossible in a run of that length.
        """
        solver = solver or self.experiment.settings.solver[0]
        run = Run(policy, 1.0, solver, seed)
        run.effective_policy.check(self.experiment.workload.iterations)
        folder = self.folder / self.experiment.run_id(run, self.data)
        task = Task(number, run, self.experiment, self.data, folder, self.threads)
        return task if pause is None else replace(task, pause=pause)

    def run(self, tasks: Iterable[Task | None]) -> list[Outcome]:
        """Run tasks, as many side by side as ``jobs``; a further one is taken when there is room for it.

        None among them: there is none before something under way has ended.

        Raises:
            Interrupted: Ctrl-C; what was done is on disk.
        """
        device_ids = self.experiment.settings.engine.device_ids
        jobs = self.jobs if self.engine.isolated else 1
        return LocalExecutor(self.engine, jobs, device_ids, self.listener, self.lanes).run(tasks)

    def check(self, task: Task) -> None:
        """Have the engine refuse what it cannot do, before anything is written.

        Raises:
            UsageError: of the kind that fits.
        """
        for job in task.job_per_gpu():
            self.engine.check(job)

    def evaluations(self, task: Task) -> list[Evaluation]:
        """The evaluations that a task's run has on disk, in order; NaN where there is no value."""
        return RunDirectory(task.folder).evaluations()

    def status(self, task: Task) -> Status:
        """How far a task's run is."""
        return RunDirectory(task.folder).status()


def best_accuracy(evaluations: Sequence[Evaluation]) -> float | None:
    """The best accuracy of these evaluations, a fraction; None where none has a value."""
    accuracies = (each.accuracy for each in of_trained_net(evaluations))
    return max((accuracy for accuracy in accuracies if not math.isnan(accuracy)), default=None)


def iterations_to(evaluations: Sequence[Evaluation], target: float) -> int | None:
    """Iterations up to the first evaluation with that accuracy; None where there is none."""
    return next((each.iteration for each in of_trained_net(evaluations) if each.accuracy >= target), None)
