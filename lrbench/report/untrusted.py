"""Makes text from files harmless where it is shown: names and policies in a results folder may be anybody's."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from lrbench.errors import LONGEST, plain, printable_json

__all__ = ["LONGEST", "csv_cell", "latex", "markdown", "path_text", "plain", "printable_json"]

_MARKDOWN = re.compile(r"([\\`*_\[\]|~#$])")
# What a spreadsheet would take for a formula, with the blanks that it skips.
_FORMULA = re.compile(r"\s*[=+\-@]")

_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[*"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "…": r"\ldots{}",
    "†": r"$^{\dagger}$",
}


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


def latex(text: str) -> str:
    """Plain text that LaTeX sets as it is, with any engine and font encoding, at the beginning of a row, too.

    What the usual fonts lack is named by its code, such as ``[U+5B66]``.
    """
    # Two hyphens are a dash in LaTeX. A bracket or a star behind the end of a row would belong to that end.
    return re.sub("-(?=-)", "-{}", "".join(map(_latex_character, plain(text))))


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    known = character.isascii() or ("À" <= character <= "ÿ" and character not in "ÐðÞþ")
    return character if known else f"{{[}}U+{ord(character):04X}]\\allowbreak{{}}"
