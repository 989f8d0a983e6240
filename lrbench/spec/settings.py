"""From a document to checked settings, with the place of whatever is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lrbench.errors import SpecError
from lrbench.spec.document import Document, Key, parse_value, read_document
from lrbench.spec.model import SOLVER_TYPES, ExperimentSettings


def read_settings(path: Path, overrides: Sequence[str] = ()) -> tuple[ExperimentSettings, Document]:
    """Read a spec file and apply ``key=value`` overrides.

    Raises:
        SpecError: with file, line and key.
    """
    document = read_document(path)
    if not isinstance(document.value, dict):
        raise SpecError("a spec is a mapping with name, workload, solver and policies", where=f"{path}:1")
    for override in overrides:
        _apply(document, override)
    document.value.setdefault("name", path.stem)
    _write_out_solvers(document)
    try:
        return ExperimentSettings.model_validate(document.value), document
    except ValidationError as error:
        raise _located(error, document) from error


def _apply(document: Document, override: str) -> None:
    """Set the value at a dotted path, such as ``workload.iterations=100`` or ``seeds=[0, 1]``."""
    name, separator, text = override.partition("=")
    where = f"--set {override}"
    if not separator or not name:
        raise SpecError("an override is key=value, such as workload.iterations=1000", where=where)
    value = parse_value(text, where)
    *parents, last = name.split(".")
    holder: Any = document.value
    for part in parents:
        holder = holder.setdefault(part, {}) if isinstance(holder, dict) else _item(holder, part, where)
    if isinstance(holder, dict):
        holder[last] = value
    else:
        _item(holder, last, where)
        holder[int(last)] = value


def _item(holder: Any, part: str, where: str) -> Any:
    if isinstance(holder, list) and part.isdigit() and int(part) < len(holder):
        return holder[int(part)]
    raise SpecError(f"there is nothing at {part!r} to set", where=where)


def _write_out_solvers(document: Document) -> None:
    """Turn the short forms of ``solver`` (one mapping, a list of types) into the list that the model reads."""
    solver = document.value.get("solver", {})
    entries = solver if isinstance(solver, list) else [solver]
    written: list[Any] = []
    places: list[Key] = []
    for index, entry in enumerate(entries):
        place: Key = ("solver", index) if isinstance(solver, list) else ("solver",)
        mapping = {"type": entry} if isinstance(entry, str) else entry
        types = mapping.get("type") if isinstance(mapping, dict) else None
        for one in types if isinstance(types, list) else [types]:
            written.append(mapping | {"type": one} if isinstance(types, list) else mapping)
            places.append(place)
    document.value["solver"] = written
    known = {key: line for key, line in document.lines.items() if key[:1] == ("solver",)}
    for index, place in enumerate(places):
        for key, line in known.items():
            if key[: len(place)] == place:
                document.lines[("solver", index, *key[len(place):])] = line


def _located(error: ValidationError, document: Document) -> SpecError:
    problems = error.errors()
    first = problems[0]
    path: Key = tuple(part for part in first["loc"] if not _is_union_tag(part))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    name = ".".join(map(str, path)) or "spec"
    if first["type"] == "extra_forbidden":
        allowed = _keys_at(path[:-1])
        near = near_names(str(path[-1]), allowed)
        return SpecError(f"unknown key {name!r}{more}", where=document.where(path),
                         remedy=f"did you mean {near}?" if near else f"the keys here are {', '.join(allowed)}")
    if first["type"] == "missing":
        return SpecError(f"the key {name!r} is missing{more}", where=document.where(path))
    if path[:1] == ("solver",) and path[-1:] == ("type",):
        near = near_names(str(first["input"]), SOLVER_TYPES)
        remedy = f"did you mean {near}?" if near else f"the types are {', '.join(SOLVER_TYPES)}"
        return SpecError(f"unknown solver type {first['input']!r}{more}", where=document.where(path), remedy=remedy)
    rule = first["msg"].removeprefix("Value error, ")
    received = "" if first["type"] == "value_error" else f" is {_short(first['input'])}:"
    return SpecError(f"{name}{received} {rule}{more}".strip(), where=document.where(path))


def _is_union_tag(part: int | str) -> bool:
    return isinstance(part, str) and (part in ("str", "DataFolders") or part.startswith("dict["))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(path: Key) -> list[str]:
    """The keys that the model knows at a path."""
    model: Any = ExperimentSettings
    for part in path:
        if isinstance(part, int):
            continue
        model = _model_of(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None


def near_names(name: str, known: Iterable[str]) -> str:
    """The known names nearest to a mistyped one, as ``'a' or 'b'``; empty where none is near."""
    folded = {word.lower(): word for word in known}
    matches = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)
    return " or ".join(repr(folded[match]) for match in matches)
