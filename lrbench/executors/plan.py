"""Tasks: the runs of an experiment, each with its folder and its job."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from lrbench._version import __version__
from lrbench.data import Prepared
from lrbench.engines.base import Engine, Job, NetJob, ProgramJob, Progress
from lrbench.metrics.objective import target_of
from lrbench.runner import Pause
from lrbench.runs.description import RunDescription
from lrbench.spec.expansion import Run
from lrbench.spec.experiment import Data, Experiment
from lrbench.spec.model import SolverSettings
from lrbench.spec.program import ProgramArguments, ProgramSource, ProgramWorkload
from lrbench.stopping import StoppingRules

Item = TypeVar("Item")


@dataclass(frozen=True)
class RunSlot:
    """Place of one run: a lane of a session on a GPU, the spec's first GPU where ``device_id`` is None."""

    device_id: int | None = None
    session: int = 0
    lanes: int = 1


def slots(jobs: int, lanes: int = 1, device_ids: Sequence[int] = (0,)) -> list[RunSlot]:
    """Return the places of ``jobs`` sessions with ``lanes`` each, on the GPUs in turn, one of each session first."""
    return [
        RunSlot(device_ids[session % len(device_ids)], session, lanes) for _ in range(lanes) for session in range(jobs)
    ]


@dataclass(frozen=True)
class Prefix:
    """The first iterations of a run, taken over from the run in ``folder``, which has the same seed and rates there."""

    folder: Path
    iteration: int


@dataclass(frozen=True)
class Task:
    """One run with all that it needs.

    Attributes:
        number: position in the experiment's order, from 1.
        pause: called after each evaluation; returns a reason to pause the run there, or None to go on; None: no pause.
        prefix: what another run has trained already; None: the run is trained from the start.
        held: iterations at which other runs branch, whose snapshots are kept.
    """

    number: int
    run: Run
    experiment: Experiment
    data: Data
    folder: Path
    threads: int = 1
    pause: Pause | None = None
    prefix: Prefix | None = None
    held: frozenset[int] = frozenset()

    @property
    def label(self) -> str:
        """Label that tells the run from the others."""
        return self.run.label

    @property
    def is_plain(self) -> bool:
        """Whether the run trains from its start to its end, whatever comes of other runs."""
        return self.pause is None and self.prefix is None and not self.held

    @property
    def rules(self) -> StoppingRules:
        """Rules that end the run early."""
        settings = self.experiment.settings
        stopping = settings.stopping
        target = settings.aim if stopping.at_target else None
        return StoppingRules(target, stopping.patience, stopping.max_train_seconds, settings.objective.resolved)

    def job(
        self,
        slot: RunSlot = RunSlot(),
        folder: Path | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_notice: Callable[[str], None] = lambda text: None,
    ) -> Job:
        """Return the job for the engine."""
        workload, engine = self.experiment.workload, self.experiment.settings.engine
        common: dict[str, Any] = {
            "iterations": workload.iterations,
            "test_interval": workload.test_interval,
            "seed": self.run.seed,
            "policy": self.run.effective_policy,
            "engine": engine,
            "folder": folder or self.folder,
            "snapshots": self.experiment.settings.snapshots,
            "device_id": engine.device_ids[0] if slot.device_id is None else slot.device_id,
            "session": slot.session,
            "lanes": slot.lanes,
            "threads": self.threads,
            "on_progress": on_progress,
            "on_notice": on_notice,
        }
        if isinstance(workload, ProgramWorkload):
            return self._program_job(workload, common)
        assert isinstance(self.data, Prepared)
        assert isinstance(self.run.solver, SolverSettings)
        return NetJob(
            net=workload.net,
            net_where=str(workload.net_path),
            data=self.data,
            batch_size=workload.batch_size,
            test_batch_size=workload.test_batch_size,
            display_interval=workload.display_interval,
            solver=self.run.solver,
            order=self.experiment.order,
            **common,
        )

    def _program_job(self, workload: ProgramWorkload, common: Mapping[str, Any]) -> ProgramJob:
        assert isinstance(self.data, ProgramSource)
        assert isinstance(self.run.solver, ProgramArguments)
        target = target_of(self.experiment.settings.aim)
        return ProgramJob(
            program=workload.path,
            function=workload.function,
            arguments=self.run.solver.arguments,
            split=self.data.split,
            sources=self.data.sources,
            module_folder=workload.module_folder,
            spec_folder=workload.folder,
            timeout=workload.timeout,
            carried=workload.carried,
            objective=self.experiment.settings.objective.resolved.column,
            target=None if target is None else target.metric.column,
            **common,
        )

    def job_per_gpu(self) -> list[Job]:
        """Return a job on each of the spec's GPUs, for the engine to check; on the CPU one job."""
        engine = self.experiment.settings.engine
        return [self.job(RunSlot(device_id)) for device_id in (engine.device_ids if engine.device == "gpu" else [None])]

    def description(self, engine: Engine, lanes: int = 1, machine: Mapping[str, Any] | None = None) -> RunDescription:
        """Describe the resolved run, engine and machine included.

        Args:
            lanes: how many runs may share its session.
            machine: the machine that the session is on; None: this one.
        """
        settings = self.experiment.settings.engine
        return replace(
            self.experiment.describe(self.run, self.data, self.folder.name),
            engine={
                "driver": settings.driver,
                "device": settings.device,
                "lanes": lanes,
                "precision": settings.precision,
                "deterministic": settings.deterministic,
                **engine.describe(),
            },
            threads=self.threads,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            versions={"lrbench": __version__, "python": platform.python_version()},
            machine=dict(this_machine() if machine is None else machine),
        )


def tasks(experiment: Experiment, data: Data, results: Path, threads: int = 1) -> list[Task]:
    """Return the tasks of an experiment's runs, in order.

    Raises:
        SpecError: the data set does not fit the net or the test batch.
    """
    experiment.check_data(data)
    folder = results / experiment.name
    return [
        Task(number, run, experiment, data, folder / run_id, threads)
        for number, (run, run_id) in enumerate(zip(experiment.runs, experiment.run_ids(data), strict=True), start=1)
    ]


def share(everything: list[Item], index: int, count: int) -> list[Item]:
    """Return every ``count``-th item from number ``index`` (from 1) on; the shares of all indices are the whole."""
    return everything[index - 1 :: count]


def this_machine(visible_gpus: Sequence[str] = ()) -> dict[str, Any]:
    """Return the description of the machine for run.json; where only some of its GPUs are visible, it lists them."""
    import psutil

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return {
        "host": platform.node(),
        "cpu": next(models, platform.processor()),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "memory_bytes": psutil.virtual_memory().total,
        **({"visible_gpus": list(visible_gpus)} if visible_gpus else {}),
    }
