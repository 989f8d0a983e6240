"""A spec file as a document: plain values, the place of each, and values that replace them.

Values are replaced from the command line, or by the program that passes the spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.errors import LRBenchError, SpecError
from lrbench.spec.yaml_loader import Key, load_yaml, shown
from lrbench.storage import open_regular

MAX_BYTES = 1 << 20

_GIVE_A_FILE = "give the path of an experiment's YAML file"


@dataclass
class Document:
    """A YAML document.

    Attributes:
        source: what to call it in messages.
        value: mappings, lists and scalars.
        places: the place, such as ``file:line``, of the value at each path.
    """

    source: str
    value: Any
    places: dict[Key, str] = field(repr=False)

    def where(self, path: Key) -> str:
        """The place of the value at ``path``, or of the nearest one around it."""
        around = (path[:end] for end in range(len(path), -1, -1))
        return next((self.places[outer] for outer in around if outer in self.places), self.source)

    @contextmanager
    def placing(self, *path: str | int) -> Iterator[None]:
        """Give any LRBenchError that is raised inside the place of the value at ``path``."""
        try:
            yield
        except LRBenchError as error:
            raise error.at(self.where(path)) from error

    def moved(self, path: Key, place: str) -> None:
        """Note that the value at ``path``, with all that is in it, now comes from ``place``."""
        self.places = {key: old for key, old in self.places.items() if key[: len(path)] != path}
        self.places[path] = place


def read_document(path: Path) -> Document:
    """Read a YAML file; raise SpecError if it cannot be read, is huge, is not text, or is refused by ``load_yaml``."""
    try:
        if path.is_dir():
            raise SpecError("is a folder", where=str(path), remedy=_GIVE_A_FILE)
        if not path.exists():
            raise SpecError("there is no such spec file", where=str(path), remedy=_GIVE_A_FILE)
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SpecError(f"is larger than {MAX_BYTES} bytes", where=str(path), remedy=_GIVE_A_FILE)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise SpecError(f"cannot be read ({error.strerror})", where=str(path), remedy=_GIVE_A_FILE) from error
    except UnicodeDecodeError as error:
        raise SpecError("is not a text file in UTF-8", where=str(path), remedy=_GIVE_A_FILE) from error
    return Document(str(path), *load_yaml(text, str(path)))


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
