"""Makes text from files harmless where it is shown: names and policies in a results folder may be anybody's."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from lrbench.errors import LONGEST, plain

__all__ = ["LONGEST", "csv_cell", "markdown", "path_text", "plain"]

_MARKDOWN = re.compile(r"([\\`*_\[\]|~#$])")
# What a spreadsheet would take for a formula, with the blanks that it skips.
_FORMULA = re.compile(r"\s*[=+\-@]")


def path_text(path: Path) -> str:
    """The path as text that can be encoded, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="replace")


def markdown(text: str) -> str:
    """Plain text that GitHub's markdown shows as it is, even in a table."""
    return _MARKDOWN.sub(r"\\\1", html.escape(plain(text), quote=False))


def csv_cell(text: str) -> str:
    """Plain text that a spreadsheet does not run: a leading apostrophe makes it text."""
    clean = plain(text)
    return f"'{clean}" if _FORMULA.match(clean) else clean
