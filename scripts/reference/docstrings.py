"""Docstrings of this project (Google's style) as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from griffe import Docstring, DocstringSection, DocstringSectionKind, parse_google

ITEMS = {DocstringSectionKind.parameters: "Arguments", DocstringSectionKind.attributes: "Attributes"}


def attributes(described: type) -> dict[str, str]:
    """What a class's docstring says of each of its attributes."""
    sections = _sections(inspect.getdoc(described) or "")
    found = [section for section in sections if section.kind is DocstringSectionKind.attributes]
    return {item.name: _one_line(item.description) for section in found for item in section.value}


def markdown(docstring: str) -> str:
    """A whole docstring."""
    return "\n".join(line for section in _sections(docstring) for line in _lines(section)).strip() + "\n"


def _sections(docstring: str) -> list[DocstringSection]:
    return parse_google(Docstring(docstring), warn_missing_types=False, warnings=False)


def _lines(section: DocstringSection) -> Iterator[str]:
    if section.kind is DocstringSectionKind.text:
        yield re.sub(r"::$", ":", section.value, flags=re.MULTILINE)
    elif section.kind in ITEMS:
        yield f"{ITEMS[section.kind]}:\n"
        yield from (f"- `{item.name}`: {_one_line(item.description)}" for item in section.value)
    elif section.kind is DocstringSectionKind.returns:
        yield "Returns: " + " ".join(_one_line(item.description) for item in section.value)
    elif section.kind is DocstringSectionKind.raises:
        yield "Raises:\n"
        yield from (f"- `{item.annotation}`: {_one_line(item.description)}" for item in section.value)
    elif section.kind is DocstringSectionKind.examples:
        yield "Example:\n"
        yield from (
            f"```python\n{text}\n```" if kind is DocstringSectionKind.examples else text for kind, text in section.value
        )
    else:
        raise SystemExit(f"a docstring has a section of the kind {section.kind.value}, which no page can show yet")
    yield ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
