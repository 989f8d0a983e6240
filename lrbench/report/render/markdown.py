"""Documents as GitHub's markdown, without the commands to type next."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from tabulate import tabulate

from lrbench.errors import plain
from lrbench.report.document import Block, Code, Document, Heading, Items, Paragraph, Table
from lrbench.report.tables import alignment, cells, plain_lines

_SPECIAL = re.compile(r"([\\`*_\[\]|~$]|#(?=\S)|^#(?= ))")
_FENCE = "```"


def render(document: Document, _width: int) -> str:
    """Return the blocks with empty lines between them."""
    return "\n\n".join(part for block in document.blocks for part in _parts(block)) + "\n"


def escaped(text: str) -> str:
    """Escape a text for GitHub's markdown, so that it is shown as it is, even in a table."""
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
        yield f"{_FENCE}\n{plain_lines(block.text).replace('`', chr(0x2CB))}\n{_FENCE}"
    elif isinstance(block, Table):
        yield from [escaped(block.lead)] if block.lead else []
        titles = [escaped(column.title) for column in block.columns]
        rows = [[", ".join(map(escaped, (cell.text, *cell.details))) for cell in cells(row)] for row in block.rows]
        yield tabulate(rows, titles, "pipe", disable_numparse=True, colalign=alignment(block.columns))
        yield from map(escaped, block.notes)
