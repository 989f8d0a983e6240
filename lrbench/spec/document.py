"""A spec file as a document: plain values and where each of them stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.errors import LRBenchError, SpecError
from lrbench.spec.yaml_loader import Key, load_yaml
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
    """Read a YAML file.

    Raises:
        SpecError: it cannot be read, is huge, is not text, or is refused by ``load_yaml``.
    """
    try:
        text = _bytes(path).decode("utf-8-sig")
    except OSError as error:
        raise SpecError(f"cannot be read ({error.strerror})", where=str(path), remedy=_GIVE_A_FILE) from error
    except UnicodeDecodeError as error:
        raise SpecError("is not a text file in UTF-8", where=str(path), remedy=_GIVE_A_FILE) from error
    return Document(str(path), *load_yaml(text, str(path)))


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise SpecError("is a folder", where=str(path), remedy=_GIVE_A_FILE)
    if not path.exists():
        raise SpecError("there is no such spec file", where=str(path), remedy=_GIVE_A_FILE)
    with open_regular(path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SpecError(f"is larger than {MAX_BYTES} bytes", where=str(path), remedy=_GIVE_A_FILE)
    return content
