"""Documents as a page for a browser, or as a part of one, for a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import partial

from tabulate import tabulate

from lrbench.errors import plain
from lrbench.report.document import Block, Code, Command, Document, Heading, Items, Table
from lrbench.report.tables import alignment, cells

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ padding: 0.2rem 0.8rem; border-bottom: 1px solid #8886; vertical-align: top; }}
pre {{ overflow-x: auto; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def render(document: Document, _width: int) -> str | bytes:
    """Return a page without external resources; the document's own page, where it has one."""
    if document.page is not None:
        return document.page(partial(fragment, document))
    heading = next((block.text for block in document.blocks if isinstance(block, Heading)), "LRBench")
    return _PAGE.format(title=html.escape(plain(heading)), body=fragment(document))


def fragment(document: Document) -> str:
    """Return the blocks alone, without styles or scripts."""
    return "\n".join(part for block in document.blocks for part in _parts(block))


def _parts(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        yield from [_paragraph(block.lead)] if block.lead else []
        titles = [plain(column.title) for column in block.columns]
        rows = [[", ".join(map(plain, (cell.text, *cell.details))) for cell in cells(row)] for row in block.rows]
        yield tabulate(rows, titles, "html", disable_numparse=True, colalign=alignment(block.columns))
        yield from map(_paragraph, block.notes)
    elif isinstance(block, Items):
        yield from [_paragraph(block.title)] if block.title else []
        yield "<ul>" + "".join(f"<li>{html.escape(plain(text))}</li>" for text in block.items) + "</ul>"
    elif isinstance(block, Code):
        yield f"<pre>{html.escape(block.text)}</pre>"
    elif isinstance(block, Command):
        comment = f"   # {block.comment}" if block.comment else ""
        yield f"<p>next: <code>{html.escape(plain(block.text))}</code>{html.escape(comment)}</p>"
    elif isinstance(block, Heading):
        yield f"<h2>{html.escape(plain(block.text))}</h2>"
    else:
        yield _paragraph(block.text)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(plain(text))}</p>"
