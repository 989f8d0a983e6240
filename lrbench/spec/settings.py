"""From a spec file to checked settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lrbench.errors import SpecError
from lrbench.spec.document import Document, read_document
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.validation_errors import explain
from lrbench.spec.yaml_loader import Key, shown


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
    written = list(_solvers(raw.get("solver", {})))
    raw["solver"] = [solver for _, solver in written]
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise explain(error, document, [key for key, _ in written]) from error


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
