"""Values of a spec replaced from the command line, or by the program that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrbench.errors import SpecError
from lrbench.spec.document import Document
from lrbench.spec.yaml_loader import Key, load_yaml, shown


def apply_override(document: Document, override: str) -> None:
    """Set the value at a dotted path, such as ``workload.iterations=100``, ``seeds=[0, 1]`` or ``seeds.0=7``.

    A mapping that is not there is made; an item of a list must be there.

    Raises:
        SpecError: it is not ``key=value``, the value is not YAML, or there is nothing at that path to set.
    """
    name, separator, text = override.partition("=")
    place = f"--set {name}"
    if not separator or not name:
        raise SpecError(f"{shown(override)} is not KEY=VALUE", where="--set", remedy="such as workload.iterations=1000")
    try:
        value, _ = load_yaml(text, place)
    except SpecError as error:
        raise SpecError(error.message, where=place, remedy=error.remedy) from error
    _set(document, name, value, place)


def apply_values(document: Document, values: Mapping[str, Any]) -> None:
    """Set plain values at dotted paths, as ``apply_override`` does.

    A mapping sets the keys that it has and leaves others as they are: ``{"workload": {"iterations": 100}}`` is
    ``{"workload.iterations": 100}``.

    Raises:
        SpecError: there is nothing at a path to set.
    """
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            apply_values(document, {f"{name}.{key}": inner for key, inner in value.items()})
        else:
            _set(document, name, value, f"the argument {name}")


def _set(document: Document, name: str, value: Any, place: str) -> None:
    path: Key = ()
    holder = document.value
    *parents, last = name.split(".")
    for part in parents:
        key = _key(holder, part, place)
        if isinstance(holder, dict) and holder.get(part) is None:
            holder[key] = {}
            document.moved((*path, key), place)
        if parents[0] == "solver" and isinstance(holder[key], str):
            holder[key] = {"type": holder[key]}  # what the short form stands for
        path, holder = (*path, key), holder[key]
    key = _key(holder, last, place)
    holder[key] = value
    document.moved((*path, key), place)


def _key(holder: Any, part: str, place: str) -> Any:
    """Return the key of a mapping, or the index of an existing item of a list, that ``part`` stands for."""
    if isinstance(holder, dict):
        return part
    if not isinstance(holder, list):
        raise SpecError(
            f"{shown(part)} cannot be set inside {shown(holder)}, which is not a mapping",
            where=place,
            remedy="set the whole value instead",
        )
    if part not in map(str, range(len(holder))):
        raise SpecError(
            f"{part!r} is not an index of this list of length {len(holder)}",
            where=place,
            remedy="set the whole list instead, such as seeds=[0, 1]",
        )
    return int(part)
