"""Read a YAML file into plain values, remembering the line of each.

Only plain mappings, lists and scalars are built: a tag that asks for a Python object is refused, never followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lrbench.errors import SpecError

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
MAX_DEPTH = 50

Key = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also reads ``1e-3`` as a number, as YAML 1.2 does."""


_Loader.yaml_implicit_resolvers = {
    first: list(rules) for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver(  # type: ignore[no-untyped-call]
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


@dataclass
class Document:
    """A YAML document.

    Attributes:
        source: what to call it in messages.
        value: mappings, lists and scalars.
        lines: the line (from 1) of the value at each path of keys and indices.
    """

    source: str
    value: Any
    lines: dict[Key, int]

    def where(self, path: Key) -> str:
        """``file:line`` of the value at ``path``, or of the nearest one around it."""
        known = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.lines), ())
        return f"{self.source}:{self.lines.get(known, 1)}"


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        SpecError: it cannot be read, is huge, is not YAML, doubles a key, refers to itself or asks for Python objects.
    """
    try:
        if not path.is_file():
            raise SpecError("there is no such spec file", where=str(path), remedy="give the path of a YAML file")
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(f"{path.stat().st_size} bytes; a spec has at most {MAX_BYTES}", where=str(path))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the spec: {error}", where=str(path)) from error
    return parse_document(text, str(path))


def parse_document(text: str, source: str) -> Document:
    """Like ``read_document``, for a text."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        document = Document(source, None, {})
        document.value = _Builder(document, loader).build(node, ()) if node is not None else None
    except yaml.YAMLError as error:
        raise _yaml_error(error, source) from error
    except RecursionError as error:
        raise SpecError(f"nested more than {MAX_DEPTH} deep", where=source) from error
    finally:
        loader.dispose()  # type: ignore[no-untyped-call]
    return document


def parse_value(text: str, source: str) -> Any:
    """The plain value that a short YAML text stands for, as in ``--set key=value``."""
    return parse_document(text, source).value


def _yaml_error(error: yaml.YAMLError, source: str) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    where = f"{source}:{mark.line + 1}" if mark else source
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return SpecError(f"not valid YAML: {problem}", where=where)


class _Builder:
    """Builds plain values from nodes; one for a document, as it counts them."""

    def __init__(self, document: Document, loader: _Loader) -> None:
        self.document = document
        self.loader = loader
        self.count = 0

    def build(self, node: yaml.Node, path: Key) -> Any:
        where = f"{self.document.source}:{node.start_mark.line + 1}"
        self.count += 1
        if self.count > MAX_NODES:
            raise SpecError(f"more than {MAX_NODES} values, aliases counted in full", where=where)
        if len(path) > MAX_DEPTH:
            raise SpecError(f"nested more than {MAX_DEPTH} deep, or an alias that holds itself", where=where)
        self.document.lines[path] = node.start_mark.line + 1
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            raise SpecError(f"the tag {node.tag!r} is refused: a spec holds plain values only", where=where)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)  # type: ignore[no-untyped-call]
        except (ValueError, OverflowError) as error:
            raise SpecError(f"{node.value!r} is no valid value: {error}", where=where) from error

    def _mapping(self, node: yaml.MappingNode, path: Key) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = f"{self.document.source}:{key_node.start_mark.line + 1}"
            key = key_node.value
            if not isinstance(key, str):
                raise SpecError("a key must be a word, not a list or a mapping", where=where)
            if key in built:
                raise SpecError(f"the key {key!r} stands twice", where=where, remedy="keep one")
            built[key] = self.build(value_node, (*path, key))
            self.document.lines[(*path, key)] = key_node.start_mark.line + 1
        return built
