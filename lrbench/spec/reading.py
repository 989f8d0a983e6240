"""Reading a spec, of a file or of Python, into an experiment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from lrbench.errors import SpecError
from lrbench.policies import Policy
from lrbench.spec.document import Document, apply_override, apply_values, read_document
from lrbench.spec.expansion import write_out_runs
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.program import (
    OF_PROGRAM,
    CarriedFunction,
    ProgramSettings,
    ProgramWorkload,
    is_program,
    program_form,
    read_program,
)
from lrbench.spec.validation_errors import explain
from lrbench.spec.workload import Workload, read_workload
from lrbench.spec.yaml_loader import MAX_DEPTH, Key, shown

Spec = str | os.PathLike[str] | Mapping[str, Any]
"""The path of a YAML file, or what such a file holds."""


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
