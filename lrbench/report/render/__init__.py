"""Documents as text, a module for each format; the module's name is the format's."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from lrbench.report.document import Document

WIDTH = 120
"""Characters in a line of tables where no terminal says otherwise."""


@cache
def formats() -> tuple[str, ...]:
    """The names of all formats, ``text`` first."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return ("text", *(name for name in names if name != "text"))


def render(document: Document, form: str, width: int = WIDTH) -> bytes:
    """The document in a format.

    Args:
        form: one of ``formats()``.
        width: characters in a line, for formats in which lines have a width.
    """
    text: str | bytes = importlib.import_module(f"{__name__}.{form}").render(document, width)
    return text if isinstance(text, bytes) else text.encode()
