"""Reads the tables of a report back from each text format, as a person would: heads and cells, free of markup."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator

Grid = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""The heads of a table, and its rows."""


def terminal_tables(text: str) -> list[Grid]:
    """The tables of a terminal's report; ruled by dashes, below which the columns stand."""
    found = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        rule = next((at for at, line in enumerate(lines) if re.fullmatch(r" *-{2,}( +-+)+ *", line)), None)
        if rule is None:
            continue
        spans = [match.span() for match in re.finditer("-+", lines[rule])]
        cells = [[line[start:end].strip() for start, end in spans] for line in lines]
        head = tuple(" ".join(filter(None, column)) for column in zip(*cells[:rule], strict=True))
        found.append((head, tuple(_joined(cells[rule + 1 :], head))))
    return found


def _joined(lines: list[list[str]], head: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Rows of several lines as one; what stands in one line in every row is the first column, or else the second."""
    named = 1 if head[0] == "function" or head[1] == "engine" else 0
    rows: list[list[str]] = []
    for line in lines:
        if line[named]:
            rows.append(line)
        else:
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], line, strict=True)]
    return (tuple(row) for row in rows)


def markdown_tables(text: str) -> list[Grid]:
    """The tables of a report in GitHub's markdown."""
    found = []
    for is_table, lines in itertools.groupby(text.split("\n"), lambda line: line.startswith("|")):
        if is_table:
            head, _, *rows = [tuple(map(_unmarked, _split(line, "|")[1:-1])) for line in lines]
            found.append((head, tuple(rows)))
    return found


def _unmarked(cell: str) -> str:
    return html.unescape(re.sub(r"\\([^A-Za-z0-9\s])", r"\1", cell.strip()))


def latex_tables(text: str) -> list[Grid]:
    """The tables of a report for LaTeX."""
    found = []
    for body in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.DOTALL):
        head, rows = re.split(r"\\midrule\n(?:\\endhead\n)?", body)
        lines = [line for line in rows.split(" \\\\\n") if line]
        found.append((_latex_row(head.removesuffix(" \\\\\n")), tuple(map(_latex_row, lines))))
    return found


def _latex_row(line: str) -> tuple[str, ...]:
    return tuple(unlatexed(cell.strip()) for cell in _split(line, "&"))


_COMMANDS = {
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textasciigrave": "`",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "ldots": "…",
    "pm": "±",
    "times": "×",
    "div": "÷",
}


_TOKEN = re.compile(r"\\([&%$#_{}])|\$?\\([a-z]+)(?:\{\}|\$)|\{([\[*])\}|-\{\}(?=-)")


def unlatexed(text: str) -> str:
    """What LaTeX would print, of what a report writes."""
    text = text.replace(r"$^{\dagger}$", "").replace(r"\allowbreak{}", "").replace(r"{\char34}", '"')
    text = re.sub(r"\\textbf\{(.*)\}$", r"\1", text)
    text = re.sub(r"\\shortstack\[.\]\{(.*)\}$", lambda stack: stack[1].replace(r"\\", " "), text)
    text = _TOKEN.sub(lambda found: _COMMANDS[found[2]] if found[2] else found[1] or found[3] or "-", text)
    return "-" if text == "--" else re.sub(r"\[U\+([0-9A-F]{4,6})\]", lambda code: chr(int(code[1], 16)), text)


def _split(line: str, separator: str) -> list[str]:
    """At the separators that no backslash stands before."""
    return re.split(rf"(?<!\\){re.escape(separator)}", line)
