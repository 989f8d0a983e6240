"""How tables are written for LaTeX: ``tabularx`` with the rules of booktabs, in floats with caption and label."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from tabulate import DataRow, Line, TableFormat, tabulate

from lrbench.report.formats import NOTHING
from lrbench.report.statistics import Comparison
from lrbench.report.style import GAP, WIDEST_TITLE, Style, is_policy
from lrbench.report.untrusted import latex, plain

PREAMBLE = "% needs in the preamble: \\usepackage{booktabs,tabularx,longtable}"
MOST_LINES = 45
"""A float with more does not fit on a page: a table that breaks over pages stands in its place."""
SOURCE_WIDTH = 100
PAGE_CHARACTERS, LEAST_FOR_POLICY = 100, 24
WIDE_POLICY, WIDE = 18, 30
"""Policies and texts longer than so many characters share the room that the numbers leave."""
BREAK = r"\\"

_MARKUP = re.compile(r"\\[a-zA-Z]+|[{}$^]")


class Latex(str):
    """Text that is LaTeX already; all other text is escaped."""

    __slots__ = ()


@dataclass(frozen=True)
class LatexStyle(Style):
    """Tables for LaTeX. What goes into them is plain text: it is escaped here, all of it."""

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], left: Iterable[str] = ()) -> str:
        """A table as wide as the text, policies and long texts in columns whose lines break."""
        columns = _columns(head, rows, self.alignment(head, left))
        spec = [column.spec for column in columns]
        cells = [
            [_breakable(cell) if each == "X" else _escaped(cell) for each, cell in zip(spec, row, strict=True)]
            for row in rows
        ]
        titles = [_title(name, each) for name, each in zip(head, spec, strict=True)]
        room = _room(columns) // max(1, spec.count("X"))
        breaking = [place for place, each in enumerate(spec) if each == "X"]
        lines = sum(max((-(-_width(row[place]) // room) for place in breaking), default=1) for row in rows)
        kind = "longtable" if lines > MOST_LINES else "tabularx" if breaking else "tabular"
        return Latex(tabulate(cells, titles, _form(kind, spec, room), disable_numparse=True))

    def fits(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Whether what is not a policy leaves room for the policies on a page."""
        return _room(_columns(head, rows, self.alignment(head, ()))) >= LEAST_FOR_POLICY

    def mark(self, cell: str, comparison: Comparison | None) -> str:
        """The best in bold, what is not told apart from it with a dagger."""
        verdict = None if comparison is None else comparison.verdict
        if verdict == "best":
            return Latex(rf"\textbf{{{_escaped(cell)}}}")
        return Latex(_escaped(cell) + latex("†")) if verdict == "not told apart" else cell

    def paragraph(self, text: str) -> str:
        """Escaped, and wrapped for those who read the source."""
        return Latex(textwrap.fill(_escaped(text), SOURCE_WIDTH, break_long_words=False, break_on_hyphens=False))


LATEX = LatexStyle("latex", plain, None, "{}")


def in_float(tables: Sequence[str], caption: Sequence[str], label: str) -> str:
    """Tables below a caption of sentences: in a float over all columns of the page, but for those too long for that."""
    sentences = [_escaped(sentence).rstrip(".") + "." for sentence in caption]
    head = f"\\caption{{{LATEX.paragraph(Latex(' '.join(sentences)))}}}\n\\label{{tab:{_key(label)}}}"
    long = [table for table in tables if table.startswith(r"\begin{longtable}")]
    short = [table for table in tables if table not in long]
    if not short:
        return "\n\n".join([_over_pages(long[0], head), *(_over_pages(table, "") for table in long[1:])])
    body = "\n\n\\medskip\n".join(short)
    style = r"\centering\small\setlength{\tabcolsep}{4pt}"
    floating = f"\\begin{{table*}}\n{style}\n{head}\n\n{body}\n\\end{{table*}}"
    return "\n\n".join([floating, *(_over_pages(table, "") for table in long)])


def _over_pages(table: str, head: str) -> str:
    begin, rest = table.split("\n", 1)
    caption = f"{head}{BREAK}\n" if head else ""
    return f"{{\\small\\setlength{{\\LTcapwidth}}{{\\textwidth}}\n{begin}\n{caption}{rest}\n}}"


def _key(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-").lower()


def _escaped(text: str) -> str:
    if isinstance(text, Latex):
        return text
    return "--" if text == NOTHING else latex(text)


@dataclass(frozen=True)
class _Column:
    """``X`` shares the room that the others leave; ``l`` and ``r`` are as wide as the widest cell."""

    spec: str
    width: int


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[str]) -> list[_Column]:
    found = []
    for place, (name, side) in enumerate(zip(head, align, strict=True)):
        width = max(map(_width, [*_title_lines(name), *(row[place] for row in rows)]), default=0)
        breaks = side == "left" and width > (WIDE_POLICY if is_policy(name) else WIDE)
        found.append(_Column("X" if breaks else side[0], width))
    return found


def _room(columns: Sequence[_Column]) -> int:
    """How many characters are left on a page for what breaks, at least a few."""
    taken = [column.width for column in columns if column.spec != "X"]
    return max(10, PAGE_CHARACTERS - sum(taken) - len(GAP) * len(columns))


def _title(name: str, column: str) -> str:
    """In several lines where it is long, as numbers are narrow; wide columns break by themselves."""
    lines = [_escaped(line) for line in _title_lines(name)]
    return " ".join(lines) if column == "X" or len(lines) == 1 else rf"\shortstack[{column}]{{{BREAK.join(lines)}}}"


def _title_lines(name: str) -> list[str]:
    return textwrap.wrap(plain(name), WIDEST_TITLE, break_long_words=False)


def _width(text: str) -> int:
    """How many characters wide in print, about."""
    return len(_MARKUP.sub("", text) if isinstance(text, Latex) else plain(text))


def _breakable(cell: str) -> str:
    """A line may end behind an inner bracket, too: a nested policy has few blanks."""
    outer, bracket, inner = _escaped(cell).partition("(")
    return outer + bracket + inner.replace("(", r"(\allowbreak{}")


def _form(kind: str, spec: Sequence[str], room: int) -> TableFormat:
    """The rules of booktabs for tabulate; ``room`` is that of a column whose lines break, in characters."""
    row = DataRow("", " & ", rf" {BREAK}")
    rule = Line("\\midrule\n\\endhead" if kind == "longtable" else "\\midrule", "", "", "")
    below = Line(f"\\bottomrule\n\\end{{{kind}}}", "", "", "")
    return TableFormat(partial(_begin, kind, spec, room), rule, None, below, row, row, 0, None)


def _begin(kind: str, spec: Sequence[str], room: int, _widths: Sequence[int], _sides: Sequence[str]) -> str:
    """What stands above the head; only ``tabularx`` shares out the room by itself."""
    share = rf"p{{{room / PAGE_CHARACTERS:.2f}\textwidth}}"
    wide = r">{\raggedright\arraybackslash}" + (share if kind == "longtable" else "X")
    columns = "".join(wide if each == "X" else each for each in spec)
    width = r"{\textwidth}" if kind == "tabularx" else ""
    return f"\\begin{{{kind}}}{width}{{{columns}}}\n\\toprule"
