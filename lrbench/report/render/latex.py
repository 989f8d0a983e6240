"""Documents for LaTeX: tables with the rules of booktabs, in floats with caption and label.

Sentences for a screen only, and commands to type next, are left out; headings are comments.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from functools import partial

from tabulate import DataRow, Line, TableFormat, tabulate

from lrbench.errors import plain
from lrbench.report.document import Block, Cell, Code, Document, Heading, Items, Paragraph, Table
from lrbench.report.formats import NOTHING
from lrbench.report.tables import cells, parts_that_fit

PREAMBLE = "% needs in the preamble: \\usepackage{booktabs,tabularx,longtable}"
MOST_LINES = 45
"""Lines that fit on a page; a longer table is no float, but breaks over pages."""
SOURCE_WIDTH = 100
PAGE_CHARACTERS, LEAST_FOR_POLICY = 100, 24
WIDE_POLICY, WIDE = 18, 30
"""Characters of the longest policies and texts that are not broken over lines."""
WIDEST_TITLE = 11
GAP = 2
BREAK = r"\\"
DAGGER = r"$^{\dagger}$"

_CHARACTERS = {
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
    "†": DAGGER,
}


def render(document: Document, _width: int) -> str:
    """Return the preamble that is needed, then the blocks."""
    return "\n\n".join([PREAMBLE, *(part for block in document.blocks for part in _parts(block))]) + "\n"


def escaped(text: str) -> str:
    """Escape a text for LaTeX with any engine and font encoding, at the beginning of a row, too.

    Characters that the usual fonts lack are named by their code, such as ``[U+5B66]``.
    """
    # Two hyphens are a dash in LaTeX. A bracket or a star behind the end of a row would belong to that end.
    return re.sub("-(?=-)", "-{}", "".join(map(_character, plain(text))))


def _character(character: str) -> str:
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    known = character.isascii() or ("À" <= character <= "ÿ" and character not in "ÐðÞþ")
    return character if known else f"{{[}}U+{ord(character):04X}]\\allowbreak{{}}"


def _parts(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        yield _float(block)
    elif isinstance(block, Heading):
        yield f"% {escaped(block.text)}"
    elif isinstance(block, Code):
        lines = (
            r"\mbox{}" + r"\ " * (len(line) - len(line.lstrip(" "))) + escaped(line) for line in block.text.splitlines()
        )
        yield "\\begin{quote}\n\\raggedright\\ttfamily\n" + f"{BREAK}\n".join(lines) + "\n\\end{quote}"
    elif isinstance(block, Paragraph) and not block.aside:
        yield _filled(escaped(block.text))
    elif isinstance(block, Items) and not block.aside:
        yield from [_filled(escaped(block.title))] if block.title else []
        items = "\n".join(_filled(f"\\item {escaped(text)}") for text in block.items)
        yield f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}"


def _filled(source: str) -> str:
    """Wrap LaTeX source for its readers."""
    return textwrap.fill(source, SOURCE_WIDTH, break_long_words=False, break_on_hyphens=False)


def _float(table: Table) -> str:
    """Return the table below its caption: in a float over all columns of the page, unless it is too long for a page."""
    label = re.sub(r"[^A-Za-z0-9]+", "-", table.key).strip("-").lower()
    head = f"\\caption{{{_filled(_caption(table))}}}\n\\label{{tab:{label}}}"
    parts = [_table(part) for part in parts_that_fit(table, lambda part: _room(_specs(part)) >= LEAST_FOR_POLICY)]
    long = [part for part in parts if part.startswith(r"\begin{longtable}")]
    short = [part for part in parts if part not in long]
    if not short:
        return "\n\n".join([_over_pages(long[0], head), *(_over_pages(part, "") for part in long[1:])])
    body = "\n\n\\medskip\n".join(short)
    style = r"\centering\small\setlength{\tabcolsep}{4pt}"
    floating = f"\\begin{{table*}}\n{style}\n{head}\n\n{body}\n\\end{{table*}}"
    return "\n\n".join([floating, *(_over_pages(part, "") for part in long)])


def _caption(table: Table) -> str:
    marks = {cell.mark for row in table.rows for cell in cells(row)}
    explained = f"Bold: {table.marked}; †: not significantly different from it" if marks - {None} else ""
    further = (text[:1].upper() + text[1:] for text in (table.lead, explained, *table.notes))
    return " ".join(escaped(sentence).rstrip(".") + "." for sentence in (*table.caption, *further) if sentence)


def _over_pages(table: str, head: str) -> str:
    begin, rest = table.split("\n", 1)
    caption = f"{head}{BREAK}\n" if head else ""
    return f"{{\\small\\setlength{{\\LTcapwidth}}{{\\textwidth}}\n{begin}\n{caption}{rest}\n}}"


def _table(table: Table) -> str:
    """Return the table, as wide as the text, with policies and long texts in columns whose lines break."""
    specs = _specs(table)
    kinds = [kind for kind, _ in specs]
    rows = [[_cell(cell, kind) for cell, kind in zip(cells(row), kinds, strict=True)] for row in table.rows]
    titles = [_title(column.title, kind) for column, kind in zip(table.columns, kinds, strict=True)]
    room = _room(specs) // max(1, kinds.count("X"))
    breaking = [index for index, kind in enumerate(kinds) if kind == "X"]
    lines = sum(
        max((-(-len(_shown(cells(row)[index])) // room) for index in breaking), default=1) for row in table.rows
    )
    environment = "longtable" if lines > MOST_LINES else "tabularx" if breaking else "tabular"
    row = DataRow("", " & ", rf" {BREAK}")
    rule = Line("\\midrule\n\\endhead" if environment == "longtable" else "\\midrule", "", "", "")
    below = Line(f"\\bottomrule\n\\end{{{environment}}}", "", "", "")
    booktabs = TableFormat(partial(_begin, environment, kinds, room), rule, None, below, row, row, 0, None)
    return tabulate(rows, titles, booktabs, disable_numparse=True)


def _cell(cell: Cell, kind: str) -> str:
    text = "--" if cell.text == NOTHING else escaped(_shown(cell))
    if kind == "X":  # a line may end behind an inner bracket, too: a nested policy has few blanks
        outer, bracket, inner = text.partition("(")
        text = outer + bracket + inner.replace("(", r"(\allowbreak{}")
    if cell.mark == "best":
        return rf"\textbf{{{text}}}"
    return text + DAGGER if cell.mark == "equal" else text


def _shown(cell: Cell) -> str:
    return ", ".join(map(plain, (cell.text, *cell.details)))


Spec = tuple[str, int]
"""``X`` for a column that shares the room that the others leave, else ``l`` or ``r``; its width in characters."""


def _specs(table: Table) -> list[Spec]:
    found = []
    for index, column in enumerate(table.columns):
        texts = [*_title_lines(column.title), *(_shown(cells(row)[index]) for row in table.rows)]
        width = max(map(len, texts), default=0)
        breaks = column.role != "number" and width > (WIDE_POLICY if column.role == "policy" else WIDE)
        found.append(("X" if breaks else "r" if column.role == "number" else "l", width))
    return found


def _room(specs: Sequence[Spec]) -> int:
    """Return how many characters of a line are left for columns that break, at least a few."""
    taken = [width for kind, width in specs if kind != "X"]
    return max(10, PAGE_CHARACTERS - sum(taken) - GAP * len(specs))


def _title(title: str, kind: str) -> str:
    """Break a long title into lines, as numbers are narrow; wide columns break by themselves."""
    lines = [escaped(line) for line in _title_lines(title)]
    return " ".join(lines) if kind == "X" or len(lines) == 1 else rf"\shortstack[{kind}]{{{BREAK.join(lines)}}}"


def _title_lines(title: str) -> list[str]:
    return textwrap.wrap(plain(title), WIDEST_TITLE, break_long_words=False)


def _begin(environment: str, kinds: Sequence[str], room: int, _widths: Sequence[int], _sides: Sequence[str]) -> str:
    """Begin the environment; only ``tabularx`` computes the width of columns that break."""
    share = rf"p{{{room / PAGE_CHARACTERS:.2f}\textwidth}}"
    wide = r">{\raggedright\arraybackslash}" + (share if environment == "longtable" else "X")
    columns = "".join(wide if kind == "X" else kind for kind in kinds)
    width = r"{\textwidth}" if environment == "tabularx" else ""
    return f"\\begin{{{environment}}}{width}{{{columns}}}\n\\toprule"
