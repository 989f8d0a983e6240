"""A workload that is the user's own program: its settings, its source files, and what decides a run's outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lrbench.errors import SpecError
from lrbench.runs.declarations import OWN_DATA
from lrbench.spec.document import Document
from lrbench.spec.model import ExperimentSettings, TuningSettings
from lrbench.spec.program_sources import check_function, digest, imported_sources, module_folder
from lrbench.spec.sections import Count, Iterations, Positive, Text
from lrbench.spec.settings import Settings, inconsistent

RESERVED = ("type", "lr_scale")
"""Names that no argument may have."""
Argument = bool | int | float | str
Split = Literal["validation", "test"]


class ProgramSettings(Settings):
    """A program of the user's own, and the length of every run.

    Attributes:
        program: path of a Python file, relative to the spec.
        function: name of a function in it that returns an ``lrbench.torch.Training``; None: the file runs as a script
            that calls ``lrbench.attach``.
        arguments: values for the program, by name; a list stands for a value of each run, as for solvers.
        inputs: files that the program reads and that decide its results, relative to the spec.
        iterations: iterations of every run; one iteration is one update of the optimizer.
        evaluate_every: iterations between evaluations; the end of a run is evaluated, too.
        timeout: longest time in seconds between two messages of the program; a run that takes longer fails. None: no
            limit.
    """

    program: Text = Field(examples=["train.py"])
    function: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] | None = Field(default=None, examples=["training"])
    arguments: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], Argument | list[Argument]] = Field(
        default={}, examples=["{width: [64, 128]}"]
    )
    inputs: list[Text] = Field(default=[], examples=["[data.npz]"])
    iterations: Iterations = Field(examples=["3000"])
    evaluate_every: Count = Field(examples=["200"])
    timeout: Positive | None = Field(default=None, examples=["600"])

    @property
    def interval(self) -> int:
        """Iterations between evaluations."""
        return self.evaluate_every

    @model_validator(mode="after")
    def _parts_fit(self) -> ProgramSettings:
        if self.evaluate_every > self.iterations:
            raise inconsistent(
                ("evaluate_every",),
                f"is {self.evaluate_every}, more than the {self.iterations} iterations",
                f"set it to {self.iterations} or less",
            )
        for name, value in self.arguments.items():
            if name in ("seed", "split"):
                raise inconsistent(("arguments", name), "is what LRBench sets", "choose another name")
            if name in RESERVED:
                reason = "has the name of something else beside the arguments in a run's description"
                raise inconsistent(("arguments", name), reason, "choose another name")
            if value == []:
                raise inconsistent(("arguments", name), "is an empty list", "list at least one value")
        return self


class ProgramArguments(Settings):
    """The arguments of one run of a program, in place of a solver: the program has an optimizer of its own."""

    type: Literal["program"] = "program"
    arguments: dict[str, Argument] = Field(default={})
    lr_scale: float = 1.0

    def resolved(self) -> dict[str, Any]:
        """The arguments with their values."""
        return {"type": self.type, **self.arguments}

    @property
    def label(self) -> str:
        """The arguments as ``width=64, depth=2``, empty where there are none."""
        return ", ".join(f"{name}={value}" for name, value in self.arguments.items())


class ProgramExperimentSettings(ExperimentSettings):
    """A whole spec whose workload is a program."""

    workload: ProgramSettings  # type: ignore[assignment]
    solver: list[ProgramArguments]  # type: ignore[assignment]


class ProgramTuningSettings(TuningSettings):
    """A spec of a program for a command that searches for policies, in which policies are optional."""

    workload: ProgramSettings  # type: ignore[assignment]
    solver: list[ProgramArguments]  # type: ignore[assignment]


OF_PROGRAM: Mapping[type[ExperimentSettings], type[ExperimentSettings]] = {
    ExperimentSettings: ProgramExperimentSettings,
    TuningSettings: ProgramTuningSettings,
}


def is_program(raw: Mapping[str, Any]) -> bool:
    """Whether the workload of an unchecked spec is a program."""
    workload = raw.get("workload")
    return isinstance(workload, dict) and "program" in workload


def program_form(raw: Mapping[str, Any], document: Document) -> dict[str, Any]:
    """Complete an unchecked spec of a program with its engine and, in place of solvers, its arguments.

    Raises:
        SpecError: the spec has a solver, or another engine, also for the search.
    """
    if "solver" in raw:
        raise SpecError(
            "a program has an optimizer of its own, so that there is no solver",
            where=document.where(("solver",)),
            remedy="remove it; workload.arguments are passed to the program",
        )
    engine = raw.get("engine", {})
    name = engine.get("name", "program") if isinstance(engine, dict) else "program"
    if name != "program":
        raise SpecError(
            f"the engine {name} does not train programs", where=document.where(("engine", "name")), remedy="remove it"
        )
    search = raw.get("search")
    if isinstance(search, dict) and search.get("engine") is not None:
        raise SpecError(
            "a program is trained by itself, so that a search has no engine of its own",
            where=document.where(("search", "engine")),
            remedy="remove it",
        )
    arguments = raw["workload"].get("arguments", {})
    axes = arguments if isinstance(arguments, dict) else {}
    values = [value if isinstance(value, list) else [value] for value in axes.values()]
    variants = [{"arguments": dict(zip(axes, chosen, strict=True))} for chosen in product(*values)] or [{}]
    return {**raw, "engine": {**engine, "name": name} if isinstance(engine, dict) else engine, "solver": variants}


@dataclass(frozen=True)
class ProgramSource:
    """Source files and inputs of a program on this machine, in place of a data set.

    Attributes:
        sources: SHA-256 of the file and of the modules that it imports from the ``module_folder`` of its workload, by
            path relative to that.
        inputs: SHA-256 of its inputs, by path as in the spec.
        split: the data to evaluate on.
    """

    sources: Mapping[str, str]
    inputs: Mapping[str, str]
    split: Split = "test"

    name = "program"
    label = OWN_DATA

    @property
    def sha256(self) -> str:
        """SHA-256 of the program as a whole."""
        parts = [f"{name} {digest}\n" for name, digest in sorted((*self.sources.items(), *self.inputs.items()))]
        return hashlib.sha256("".join(parts).encode()).hexdigest()


def inputs_sha256(inputs: Mapping[str, Any]) -> str:
    """Return one SHA-256 of a program's inputs, given by path with that of each."""
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in sorted(inputs.items())).encode()).hexdigest()


@dataclass(frozen=True)
class CarriedFunction:
    """A function that no file has, such as one of a notebook, as it is sent to the process that trains.

    Attributes:
        sha256: hash of the function and all that it uses.
        modules: files of the user's own modules that it uses.
        payload: the function, pickled by value.
        path: folders that its modules are looked for in.
    """

    name: str
    sha256: str
    modules: frozenset[Path]
    payload: bytes = field(repr=False)
    path: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class ProgramWorkload:
    """A program and the length of its runs.

    Attributes:
        path: the file, absolute; links are resolved. Of a carried function its name in the folder that it works in.
        written: the file as the spec has it.
        folder: the folder of the spec.
        test_interval: iterations between evaluations.
        carried: the function, where no file has it.
    """

    path: Path
    written: str
    folder: Path
    function: str | None
    inputs: tuple[str, ...]
    iterations: int
    test_interval: int
    timeout: float | None = None
    carried: CarriedFunction | None = None

    @property
    def net_name(self) -> str:
        """Name of the program in tables: ``train.py``, ``train.py:training``, or that of a carried function."""
        if self.function is None or self.carried is not None:
            return self.path.name
        return f"{self.path.name}:{self.function}"

    @property
    def module_folder(self) -> Path:
        """The folder that the program's modules are looked for in, to which names of sources are relative.

        Raises:
            SpecError: the file is no Python, or imports relatively outside of a package.
        """
        return module_folder(self.path) if self.carried is None else self.path.parent

    def source(self) -> ProgramSource:
        """Find and hash the program's files, without executing any of them.

        Raises:
            SpecError: the file is no Python, or a file cannot be read.
        """
        inputs = {name: digest(self.folder / name) for name in self.inputs}
        if self.carried is None:
            return ProgramSource(imported_sources([self.path], self.module_folder), inputs)
        modules = imported_sources(self.carried.modules, self.module_folder)
        return ProgramSource({self.carried.name: self.carried.sha256, **modules}, inputs)

    def describe(self, data: ProgramSource) -> dict[str, Any]:
        """For run.json."""
        return {
            "program": {
                "name": self.net_name,
                "sha256": data.sha256,
                "sources": dict(data.sources),
                "inputs": dict(data.inputs),
                "split": data.split,
            },
            "iterations": self.iterations,
            "test_interval": self.test_interval,
        }

    def identity(self, data: ProgramSource) -> dict[str, Any]:
        """The part of a run's id that the workload is."""
        return {
            "program": {"sha256": data.sha256, "name": self.net_name, "split": data.split},
            "iterations": self.iterations,
            "test_interval": self.test_interval,
        }


def read_program(
    settings: ProgramSettings, document: Document, base: Path, carried: CarriedFunction | None = None
) -> ProgramWorkload:
    """Find the program that the settings name; nothing is executed.

    Args:
        carried: the function that stands for the program, where no file has it.

    Raises:
        SpecError: there is no such file; with the spec's line.
    """
    path = (base / settings.program).resolve()
    with document.placing("workload", "program"):
        if carried is None and not path.is_file():
            raise SpecError(f"there is no file {path}", remedy="paths are relative to the spec")
    if carried is None and settings.function is not None:
        with document.placing("workload", "function"):
            check_function(path, settings.function)
    return ProgramWorkload(
        path=path,
        written=settings.program,
        folder=base.resolve(),
        function=settings.function,
        inputs=tuple(settings.inputs),
        iterations=settings.iterations,
        test_interval=settings.evaluate_every,
        timeout=settings.timeout,
        carried=carried,
    )
