"""YAML as plain values, with the place of each.

Words without quotes are numbers (10_000 too), true, false, null or text, as in YAML 1.2. What YAML 1.1 silently made
of others (``010`` eight, ``1:30`` ninety, ``no`` false, ``2024-01-01`` a date) stays text, which a number's setting
refuses. Mappings, lists and scalars are all that is built: a tag, which might ask for a Python object, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from lrbench.errors import SpecError

MAX_VALUES = 100_000
MAX_DEPTH = 50
SHOWN_CHARACTERS = 60
LONGEST_REASON = 200

Key = tuple[str | int, ...]
"""Keys and list indices from the document's root to a value."""

_PREFIX = "tag:yaml.org,2002:"
_FLOAT = r"(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|\.inf|\.Inf|\.INF"
_PLAIN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "null": ("~|null|Null|NULL|", lambda text: None),
    "bool": ("true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)", int),
    "float": (rf"[-+]?(?:{_FLOAT})|\.nan|\.NaN|\.NAN", lambda text: float(re.sub(r"\.([in])", r"\1", text.lower()))),
    "merge": ("<<", str),
}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def load_yaml(text: str, source: str) -> tuple[Any, dict[Key, str]]:
    """The value that a YAML text stands for (None for an empty text), and the ``source:line`` of everything in it.

    Raises:
        SpecError: it is not YAML, doubles a key, holds itself, is too large or too deep, or has a tag.
    """
    node = _parsed(text, source)
    if node is None:
        return None, {(): f"{source}:1"}
    builder = _Builder(source)
    return builder.build(node, ()), builder.places


def _parsed(text: str, source: str) -> yaml.Node | None:
    try:
        loader = _Loader(text, source)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise SpecError("contains a control character", where=f"{source}:{line}", remedy="give a text file") from error
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        line = error.problem_mark.line if error.problem_mark else loader.line
    except (ValueError, OverflowError):  # PyYAML lets these through: "\UFFFFFFFF", %YAML with thousands of digits
        problem, line = "no such character or version", loader.line
    raise SpecError(
        f"is not valid YAML: {problem[:LONGEST_REASON]}",
        where=f"{source}:{line + 1}",
        remedy="check the indentation, colons, brackets and quotes there",
    )


class _Limits:
    """Counts values, aliases as often as they are used, and how deep they are."""

    def __init__(self) -> None:
        self.depth = self.count = 0

    def enter(self, place: str) -> None:
        """Begin a value; raise SpecError where that is one too many."""
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH:
            raise SpecError(
                f"is nested more than {MAX_DEPTH} levels deep, or contains itself",
                where=place,
                remedy="reduce the nesting",
            )
        if self.count > MAX_VALUES:
            raise SpecError(
                f"contains more than {MAX_VALUES} values, counting each use of an alias",
                where=place,
                remedy="split it into several specs",
            )

    def leave(self) -> None:
        """End a value."""
        self.depth -= 1


class _Loader(yaml.SafeLoader):
    """PyYAML up to its nodes, with YAML 1.2's plain words; gives up early on what is too large, too deep or tagged."""

    # PyYAML's own name; None stands for words with any first character.
    yaml_implicit_resolvers = {  # noqa: RUF012
        None: [(_PREFIX + name, re.compile(rf"(?:{pattern})\Z")) for name, (pattern, _) in _PLAIN.items()]
    }

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self.source = source
        self.limits = _Limits()

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Called by PyYAML for each value, those inside it included."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        place = f"{self.source}:{event.start_mark.line + 1}"
        self.limits.enter(place)
        if getattr(event, "tag", None) is not None:
            raise SpecError(
                f"the tag {shown(event.tag)} is not allowed: a spec contains only plain values",
                where=place,
                remedy="remove it",
            )
        node = super().compose_node(parent, index)
        self.limits.leave()
        return node


class _Builder:
    """Builds values from nodes. An alias becomes a value of its own."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.limits = _Limits()
        self.places: dict[Key, str] = {}

    def build(self, node: yaml.Node, path: Key) -> Any:
        self.places[path] = self._place(node)
        self.limits.enter(self.places[path])
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            value = [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        else:
            value = self._scalar(node)
        self.limits.leave()
        return value

    def _place(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}"

    def _scalar(self, node: yaml.Node) -> Any:
        text, place = str(node.value), self._place(node)
        kind = node.tag.removeprefix(_PREFIX)
        try:
            value = _PLAIN[kind][1](text) if kind in _PLAIN else text
        except ValueError as error:  # Python reads no integer of more than 4300 digits
            raise SpecError(f"a number of {len(text)} digits is too long", where=place, remedy="correct it") from error
        if _CONTROL.search(text):
            raise SpecError(f"{shown(text)} contains a control character", where=place, remedy="leave it out")
        return value

    def _mapping(self, node: yaml.MappingNode, path: Key) -> dict[str, Any]:
        built: dict[str, Any] = {}
        own: set[str] = set()
        # What "<<" merges in comes first, so that the mapping's own keys, and their places, win.
        for key_node, value_node in sorted(node.value, key=lambda pair: pair[0].tag != f"{_PREFIX}merge"):
            if key_node.tag == f"{_PREFIX}merge":
                built |= self._merged(value_node, path)
                continue
            key = self._key(key_node, own)
            built[key] = self.build(value_node, (*path, key))
            self.places[(*path, key)] = self._place(key_node)
        return built

    def _merged(self, node: yaml.Node, path: Key) -> dict[str, Any]:
        place = self.places[path]
        merged: dict[str, Any] = {}
        for mapping in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(mapping, yaml.MappingNode):
                raise SpecError(
                    "the key '<<' merges a mapping or a list of mappings",
                    where=self._place(node),
                    remedy="write the keys themselves",
                )
            merged |= self.build(mapping, path)
        self.places[path] = place
        return merged

    def _key(self, node: yaml.Node, own: set[str]) -> str:
        """The text of a key that is not yet in ``own``."""
        if not isinstance(node, yaml.ScalarNode):
            raise SpecError(
                "a key must be a word, not a list or a mapping",
                where=self._place(node),
                remedy="quote it if it is text",
            )
        key = str(node.value)
        if key in own:
            raise SpecError(f"the key {shown(key)} appears twice", where=self._place(node), remedy="keep one")
        if _CONTROL.search(key):
            raise SpecError(
                f"the key {shown(key)} contains a control character", where=self._place(node), remedy="leave it out"
            )
        own.add(key)
        return key


def shown(value: object) -> str:
    """A value as a message repeats it: short, and in YAML's words."""
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if value is None:
        return "empty"
    return cut(str(value).lower() if isinstance(value, bool) else repr(value))


def cut(text: str) -> str:
    """The text, or its beginning where it is too long to be repeated."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
