"""An experiment: the runs that one spec describes, in the order in which they are run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from lrbench.data import Prepared
from lrbench.errors import SpecError, UsageError
from lrbench.metrics.objective import AnyTarget, Target, target_accuracy
from lrbench.policies import Policy
from lrbench.runs.description import RunDescription
from lrbench.spec.document import Document, apply_override, apply_values, read_document
from lrbench.spec.expansion import Run, run_ids, write_out_runs
from lrbench.spec.model import ExperimentSettings, WorkloadSettings
from lrbench.spec.program import (
    OF_PROGRAM,
    CarriedFunction,
    ProgramSettings,
    ProgramSource,
    ProgramWorkload,
    is_program,
    program_form,
    read_program,
)
from lrbench.spec.sections import ENGINES_OF_NETS, Order
from lrbench.spec.seeds import AddedSeeds
from lrbench.spec.validation_errors import explain
from lrbench.spec.workload import Workload, check_classes, read_workload
from lrbench.spec.yaml_loader import MAX_DEPTH, Key, shown

Data = Prepared | ProgramSource
"""Data set or program of a workload, as found on this machine."""

Spec = str | os.PathLike[str] | Mapping[str, Any]
"""The path of a YAML file, or what such a file holds."""


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


def read_experiment(
    path: Path, overrides: Sequence[str] = (), model: type[ExperimentSettings] = ExperimentSettings
) -> Experiment:
    """Read a spec, its net and its policies, and write out its runs.

    Args:
        model: what the spec has to hold; ``TuningSettings`` does without policies.

    Raises:
        UsageError: the spec, the net or a policy is wrong; the message says where.
    """
    document = read_spec(path)
    for override in overrides:
        apply_override(document, override)
    return experiment_of(document, path.resolve().parent, model)


def experiment_of(
    document: Document,
    base: Path,
    model: type[ExperimentSettings] = ExperimentSettings,
    carried: CarriedFunction | None = None,
) -> Experiment:
    """The experiment of a document that is a mapping.

    Args:
        base: the folder that the spec's paths are relative to.
        model: as for ``read_experiment``.
        carried: the function that stands for the program, where no file has it.

    Raises:
        UsageError: as ``read_experiment``.
    """
    settings = check_settings(document, model)
    workload: Workload | ProgramWorkload
    if isinstance(settings.workload, ProgramSettings):
        workload = read_program(settings.workload, document, base, carried)
    else:
        workload = read_workload(settings.workload, document, base)
    return Experiment(settings, workload, write_out_runs(settings, document), document)


@dataclass(frozen=True)
class SpecOfFunction:
    """A spec for a training function that was passed in Python.

    Attributes:
        document: what a spec's file would hold.
        folder: the folder that paths are relative to.
    """

    document: Mapping[str, Any]
    folder: Path
    carried: CarriedFunction | None = None


def python_experiment(
    spec: Spec | SpecOfFunction, values: Mapping[str, Any], model: type[ExperimentSettings] = ExperimentSettings
) -> Experiment:
    """Read a spec, set ``values`` in it, and write out its runs.

    A mapping's paths are relative to the working folder, a file's to that of the file. ``engine="torch"`` is short for
    ``engine={"name": "torch"}``.

    Args:
        values: by key, such as ``{"seeds": [0, 1], "workload": {"iterations": 100}}``; policies may be texts,
            mappings or ``Policy``.
        model: as for ``read_experiment``.

    Raises:
        UsageError: the spec, the net or a policy is wrong; the message says where.
    """
    carried = None
    if isinstance(spec, SpecOfFunction):
        document, base, carried = Document("the spec", _plain(spec.document, 0), {}), spec.folder, spec.carried
    elif isinstance(spec, Mapping):
        document, base = Document("the spec", _plain(spec, 0), {}), Path.cwd()
    else:
        document, base = read_spec(Path(spec)), Path(spec).resolve().parent
    plain = {name: _plain(value, 0) for name, value in values.items()}
    if isinstance(plain.get("engine"), str):
        plain["engine"] = {"name": plain["engine"]}
    apply_values(document, plain)
    return experiment_of(document, base, model, carried)


def _plain(value: Any, depth: int) -> Any:
    """Convert the value to one that YAML can represent."""
    if depth > MAX_DEPTH:
        raise SpecError(
            f"is nested more than {MAX_DEPTH} levels deep, or contains itself",
            where="the spec",
            remedy="reduce the nesting",
        )
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Policy):
        return value.text
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise SpecError(
        f"a spec contains numbers, strings, lists and mappings, but this is of the type {type(value).__name__}",
        where="the spec",
        remedy="convert it to one of those",
    )


def read_spec(path: Path) -> Document:
    """Read a spec file as a mapping, not yet checked; its name is the file's stem by default. Raises SpecError."""
    document = read_document(path)
    if not isinstance(document.value, dict):
        found = "is empty" if document.value is None else f"contains {shown(document.value)}"
        raise SpecError(
            f"the file {found}, but a spec is a mapping",
            where=document.where(()),
            remedy="write name, workload, solver and policies, such as in configs/quickstart.yaml",
        )
    document.value = {"name": path.stem, **document.value}
    document.places.setdefault(("name",), f"{path}, whose file name is the default name")
    return document


def check_settings(document: Document, model: type[ExperimentSettings] = ExperimentSettings) -> ExperimentSettings:
    """Return the settings of a document that is a mapping; raise SpecError, with place and key, if one is wrong."""
    raw = dict(document.value)
    if is_program(raw):
        raw, model = program_form(raw, document), OF_PROGRAM[model]
        written: list[tuple[Key, Any]] = [(("workload", "arguments"), None)] * len(raw["solver"])
    else:
        written = list(_solvers(raw.get("solver", {})))
        raw["solver"] = [solver for _, solver in written]
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise explain(error, document, [key for key, _ in written], model) from error


def _solvers(given: Any) -> Iterator[tuple[Key, Any]]:
    """Each solver of the short forms (one mapping, a type, lists of both, a list as ``type``), with where it stands."""
    if isinstance(given, list):
        for index, item in enumerate(given):
            yield from (((key[0], index), solver) for key, solver in _solvers_of(item))
    else:
        yield from _solvers_of(given)


def _solvers_of(item: Any) -> Iterator[tuple[Key, Any]]:
    types = item.get("type") if isinstance(item, dict) else None
    if isinstance(types, list) and types:
        yield from ((("solver",), item | {"type": kind}) for kind in types)
    else:
        yield ("solver",), {"type": item} if isinstance(item, str) else item
