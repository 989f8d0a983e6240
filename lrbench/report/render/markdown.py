"""Documents as GitHub's markdown; commands to type next are left out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from tabulate import tabulate

from lrbench.errors import plain
from lrbench.report.document import Block, Code, Document, Heading, Items, Paragraph, Table
from lrbench.report.tables import alignment, cells

_SPECIAL = re.compile(r"([\\`*_\[\]|~$]|#(?=\S)|^#(?= ))")
_FENCE = "```"


def render(document: Document, _width: int) -> str:
    """The blocks, an empty line between two of them."""
    return "\n\n".join(part for block in document.blocks for part in _parts(block)) + "\n"


def escaped(text: str) -> str:
    """Plain text that GitHub's markdown shows as it is, even in a table."""
    return _SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))


def _parts(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"## {escaped(block.text)}"
    elif isinstance(block, Paragraph):
        yield escaped(block.text)
    elif isinstance(block, Items):
        yield from [escaped(block.title)] if block.title else []
        bullet = "- " if block.bullets or len(block.items) > 1 else ""
        yield "\n".join(bullet + escaped(text) for text in block.items)
    elif isinstance(block, Code):
        text = "\n".join(line[: len(line) - len(line.lstrip(" "))] + plain(line) for line in block.text.splitlines())
        yield f"{_FENCE}\n{text.replace('`', chr(0x2CB))}\n{_FENCE}"
    elif isinstance(block, Table):
        yield from [escaped(block.lead)] if block.lead else []
        yield _table(block)
        yield from map(escaped, block.notes)


def _table(table: Table) -> str:
    titles = [escaped(column.title) for column in table.columns]
    rows = [[", ".join(map(escaped, (cell.text, *cell.details))) for cell in cells(row)] for row in table.rows]
    return tabulate(rows, titles, "pipe", disable_numparse=True, colalign=alignment(table.columns))
