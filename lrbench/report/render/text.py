"""Documents for a terminal: lines of at most a width, tables in columns of characters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tabulate import tabulate

from lrbench.errors import plain
from lrbench.report.document import Block, Code, Command, Document, Heading, Items, Paragraph, Table
from lrbench.report.formats import next_line
from lrbench.report.tables import alignment, cells, parts_that_fit, plain_lines

ENOUGH_FOR_POLICY, NARROWEST_POLICY = 24, 18
WIDEST_TITLE = 11
TEXT_WIDTHS = (24, 20, 16, 14)  # the widest that leaves room for the policies; at less than the last, words break
GAP = "  "
TITLE_PADDING = 2  # what tabulate leaves beside a title
MOST_LINES = 4


def render(document: Document, width: int) -> str:
    """Return the blocks with empty lines between them, and the commands, which are not wrapped, at the end."""
    parts = [part for block in document.blocks if not isinstance(block, Command) for part in _parts(block, width)]
    commands = [next_line(block.text, block.comment) for block in document.blocks if isinstance(block, Command)]
    return "\n\n".join([*parts, *(["\n".join(commands)] if commands else [])]) + "\n"


def _parts(block: Block, width: int) -> Iterator[str]:
    if isinstance(block, Table):
        yield from [_filled(block.lead, width)] if block.lead else []
        for part in parts_that_fit(block, lambda table: _layout(table, width)[2] >= ENOUGH_FOR_POLICY):
            yield _table(part, width)
        yield from (_filled(note, width) for note in block.notes)
    elif isinstance(block, Items):
        start, indent = ("- ", "  ") if block.bullets else ("", "    ")
        items = (
            textwrap.fill(start + plain(text), width, subsequent_indent=indent, break_on_hyphens=False)
            for text in block.items
        )
        yield "\n".join([*([block.title] if block.title else []), *items])
    elif isinstance(block, Code):
        yield plain_lines(block.text)
    elif isinstance(block, (Heading, Paragraph)):
        yield _filled(block.text, width)


def _filled(text: str, width: int) -> str:
    return textwrap.fill(plain(text), width)


def _table(table: Table, width: int) -> str:
    titles, texts, room = _layout(table, width)
    wrapped = [
        [_wrapped(text, max(NARROWEST_POLICY, room)) for text in column] if each.role == "policy" else column
        for each, column in zip(table.columns, texts, strict=True)
    ]
    rows = list(zip(*wrapped, strict=True))
    return tabulate(rows, titles, "simple", disable_numparse=True, colalign=alignment(table.columns))


def _layout(table: Table, width: int) -> tuple[list[str], list[list[str]], int]:
    """Return the titles and columns, wrapped but for the policies, and the width that is left for those."""
    titles = [_wrapped(plain(column.title), WIDEST_TITLE) for column in table.columns]
    rows = [["\n".join(map(plain, (cell.text, *cell.details))) for cell in cells(row)] for row in table.rows]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in titles]
    for widest in TEXT_WIDTHS:
        fixed = [
            column if each.role == "policy" else [_wrapped(text, widest) for text in column]
            for each, column in zip(table.columns, columns, strict=True)
        ]
        taken = [
            max(_width(title) + TITLE_PADDING, *map(_width, column), 0)
            for each, title, column in zip(table.columns, titles, fixed, strict=True)
            if each.role != "policy"
        ]
        free = width - sum(taken) - len(GAP) * (len(titles) - 1)
        room = free // max(1, len(titles) - len(taken))
        if room >= ENOUGH_FOR_POLICY:
            break
    return titles, fixed, room


def _width(text: str) -> int:
    return max(map(len, text.split("\n")))


def _wrapped(text: str, width: int) -> str:
    """Wrap each line of the text to at most four lines of at most ``width`` characters."""
    lines = [textwrap.wrap(line, width, max_lines=MOST_LINES, placeholder=" …") for line in text.split("\n")]
    return "\n".join(line for wrapped in lines for line in wrapped)
