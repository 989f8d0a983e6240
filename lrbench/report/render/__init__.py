"""Documents as text, a module for each format.

The module's name is the format's. It has ``render(document, width)``, which returns text or bytes, and, where the
format is read by programs rather than people, ``FOR_PROGRAMS = True``.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from lrbench.report.document import Document

FOR_TERMINALS = "text"
WIDTH = 120
"""Characters in a line of tables where no terminal says otherwise."""


@cache
def formats() -> tuple[str, ...]:
    """Return the names of all formats, that for terminals first."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return (FOR_TERMINALS, *(name for name in names if name != FOR_TERMINALS))


def render(document: Document, form: str = FOR_TERMINALS, width: int = WIDTH) -> bytes:
    """Render a document in a format.

    Args:
        form: one of ``formats()``.
        width: characters in a line, for formats in which lines have a width.
    """
    text: str | bytes = _module(form).render(document, width)
    return text if isinstance(text, bytes) else text.encode()


def for_programs(form: str) -> bool:
    """Whether a format holds the data of a document rather than its blocks."""
    return bool(getattr(_module(form), "FOR_PROGRAMS", False))


def notebook(document: Document) -> str:
    """Return the blocks of a document as HTML for a cell of a notebook."""
    from lrbench.report.render.html import fragment

    return fragment(document)


def _module(form: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{form}")
