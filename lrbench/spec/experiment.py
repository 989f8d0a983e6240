"""An experiment: the runs that one spec describes, in the order in which they are run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from lrbench.data import Prepared
from lrbench.errors import SpecError, UsageError
from lrbench.metrics.objective import AnyTarget, Target, target_accuracy
from lrbench.runs.description import RunDescription
from lrbench.spec.document import Document
from lrbench.spec.expansion import Run, run_ids
from lrbench.spec.model import ExperimentSettings, WorkloadSettings
from lrbench.spec.program import ProgramSource, ProgramWorkload
from lrbench.spec.sections import ENGINES_OF_NETS, Order
from lrbench.spec.seeds import AddedSeeds
from lrbench.spec.workload import Workload, check_classes

Data = Prepared | ProgramSource
"""Data set or program of a workload, as found on this machine."""


@dataclass(frozen=True)
class Experiment:
    """All that one spec describes.

    Attributes:
        engine_version: of another package's engine, whose results may change with it; None for LRBench's own engines,
            whose versions are recorded with each run, but whose results stay comparable. The launcher of a program and
            its options, on which the number of ranks depends.
    """

    settings: ExperimentSettings
    workload: Workload | ProgramWorkload
    runs: tuple[Run, ...]
    document: Document = field(repr=False)
    engine_version: str | None = None

    @property
    def name(self) -> str:
        """The name of its folder under the results folder."""
        return self.settings.name

    @property
    def net_workload(self) -> Workload:
        """The workload of a net.

        Raises:
            SpecError: the workload is a program.
        """
        if isinstance(self.workload, ProgramWorkload):
            raise SpecError(
                "the workload is a program, but this command is about nets",
                where=self.document.where(("workload",)),
                remedy="give a spec whose workload is a net",
            )
        return self.workload

    @property
    def confirming_seeds(self) -> list[int]:
        """The seeds with which commands that choose a policy confirm it.

        Raises:
            SpecError: the spec adds seeds as they are needed, which ``run`` alone does.
        """
        return self.fixed_seeds("are added as they are needed, which only lrbench run does")

    def fixed_seeds(self, problem: str) -> list[int]:
        """Return the seeds of a spec that sets them; raise SpecError for one that adds seeds as they are needed.

        Args:
            problem: the predicate of the message.
        """
        if isinstance(self.settings.seeds, AddedSeeds):
            where, remedy = self.document.where(("seeds",)), "set their number, such as --set seeds=5"
            raise SpecError(f"seeds {problem}", where=where, remedy=remedy)
        return self.settings.seeds

    @property
    def order(self) -> Order:
        """Order of the training samples; as stored for programs, and for engines of other packages."""
        workload, engine = self.settings.workload, self.settings.engine.name
        if not isinstance(workload, WorkloadSettings) or engine not in ENGINES_OF_NETS:
            return "as stored"
        return workload.order or "by seed"

    def with_order(self, order: Order) -> Experiment:
        """Return the experiment with another order of the training samples, where they have one."""
        if not isinstance(self.settings.workload, WorkloadSettings):
            return self
        workload = self.settings.workload.model_copy(update={"order": order})
        return replace(self, settings=self.settings.model_copy(update={"workload": workload}))

    def aim(self, given: AnyTarget | None) -> AnyTarget | None:
        """Return the target to reach: the one given, or else that of the spec; None where there is none.

        Raises:
            UsageError: an accuracy is given for a program that is judged by another metric, and need not report any.
        """
        objective = self.settings.objective.resolved
        is_accuracy = isinstance(given, int | float)
        if is_accuracy and isinstance(self.workload, ProgramWorkload) and not objective.is_accuracy:
            raise UsageError(
                f"the target is an accuracy, {given:g}, but the spec judges by {objective.metric}",
                remedy=f"give {objective.metric}={given:g}, or set target in the spec",
            )
        return self.settings.aim if given is None else given

    def check_data(self, data: Data) -> None:
        """Refuse a data set with more classes than the net has outputs, or a test set of no whole batches.

        Raises:
            SpecError: with the spec's line.
        """
        if isinstance(self.workload, ProgramWorkload) or isinstance(data, ProgramSource):
            return
        with self.document.placing("workload", "net"):
            check_classes(self.workload.outputs, self.workload.net_path, data)
        given = self.settings.workload.test_batch_size is not None
        with self.document.placing("workload", "test_batch_size" if given else "batch_size"):
            self.workload.check_test_set(data)

    def describe_workload(self, data: Data) -> dict[str, Any]:
        """Describe the workload for run.json."""
        if isinstance(self.workload, ProgramWorkload):
            assert isinstance(data, ProgramSource)
            return self.workload.describe(data)
        assert isinstance(data, Prepared)
        return self.workload.describe(data)

    def _workload_identity(self, data: Data) -> dict[str, Any]:
        if isinstance(self.workload, ProgramWorkload):
            assert isinstance(data, ProgramSource)
            return self.workload.identity(data)
        workload = self.describe_workload(data)
        workload["net"] = workload["net"]["sha256"]
        workload["dataset"] = workload["dataset"]["sha256"]
        if self.settings.engine.driver != "native":  # only there does the displayed loss decide what train_loss is
            del workload["display_interval"]
        return workload

    def identity(self, run: Run, data: Data) -> dict[str, Any]:
        """Everything that decides a run's outcome; the run id ends in its hash."""
        return {**run.identity, **self._common_identity(data)}

    def _common_identity(self, data: Data) -> dict[str, Any]:
        """The part of ``identity`` in which the runs of an experiment agree."""
        engine = self.settings.engine
        stopping = self.settings.stopping
        version = {} if self.engine_version is None else {"version": self.engine_version}
        order = {"order": self.order} if self.order == "by seed" else {}  # there was no choice at first
        return {
            **order,
            "workload": self._workload_identity(data),
            "engine": {
                "name": engine.name,
                "driver": engine.driver,
                "device": engine.device,
                **engine.numerics,
                **version,
            },
            "stopping": stopping.model_dump()
            | {"target": _stored(self.settings.aim) if stopping.at_target else None}
            | self._watched(),
        }

    def _watched(self) -> dict[str, Any]:
        """The metric whose best value ends a run, where it is not the accuracy."""
        objective = self.settings.objective.resolved
        if self.settings.stopping.patience is None or objective.is_accuracy:
            return {}
        return {"objective": [objective.metric, objective.goal]}

    def run_id(self, run: Run, data: Data) -> str:
        """Readable, and unique to everything that decides the outcome."""
        return run_ids([run], self._common_identity(data))[0]

    def run_ids(self, data: Data) -> list[str]:
        """Return the ids of all runs, in order."""
        return run_ids(self.runs, self._common_identity(data))

    def sure_run_ids(self, data: Data) -> list[str]:
        """Return the ids of the runs that are made whatever the results are, so without seeds that may be added."""
        seeds = self.settings.seeds
        sure = [run for run in self.runs if not isinstance(seeds, AddedSeeds) or run.seed < seeds.looks[0]]
        return run_ids(sure, self._common_identity(data))

    def describe(self, run: Run, data: Data, run_id: str | None = None) -> RunDescription:
        """Describe the resolved run; the engine, the machine and what else the spec does not say are left out.

        Args:
            run_id: its id where that is known already.
        """
        aim, seeds = self.settings.aim, self.settings.seeds
        return RunDescription(
            run_id=run_id or self.run_id(run, data),
            experiment=self.name,
            policy=run.policy.text,
            function=run.function,
            lr_scale=run.lr_scale,
            order=self.order,
            rates=run.rates.get("rates"),
            seed=run.seed,
            solver=run.solver.resolved(),
            workload=self.describe_workload(data),
            target_accuracy=target_accuracy(self.settings.aim),
            target=aim.stored() if isinstance(aim, Target) else {},
            objective=self.settings.objective.resolved.stored(),
            stopping=self.settings.stopping.model_dump(),
            added_seeds=seeds.stored() if isinstance(seeds, AddedSeeds) else {},
            robustness_scales=tuple(self.settings.robustness.scales if self.settings.robustness else ()),
        )


def _stored(target: AnyTarget | None) -> Any:
    return target.stored() if isinstance(target, Target) else target
