"""Specs passed from Python: the path of a file, or a mapping, with values to set in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.errors import SpecError
from lrbench.policies import Policy
from lrbench.spec.document import Document
from lrbench.spec.experiment import Experiment, experiment_of
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.overrides import apply_values
from lrbench.spec.settings import read_spec
from lrbench.spec.yaml_loader import MAX_DEPTH

Spec = str | os.PathLike[str] | Mapping[str, Any]
"""The path of a YAML file, or what such a file holds."""


def python_experiment(
    spec: Spec, values: Mapping[str, Any], model: type[ExperimentSettings] = ExperimentSettings
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
    if isinstance(spec, Mapping):
        document, base = Document("the spec", _plain(spec, 0), {}), Path.cwd()
    else:
        document, base = read_spec(Path(spec)), Path(spec).resolve().parent
    plain = {name: _plain(value, 0) for name, value in values.items()}
    if isinstance(plain.get("engine"), str):
        plain["engine"] = {"name": plain["engine"]}
    apply_values(document, plain)
    return experiment_of(document, base, model)


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
