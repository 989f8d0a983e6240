"""The data of documents as JSON; NaN is null."""

from __future__ import annotations

import orjson

from lrbench.errors import printable_json
from lrbench.report.document import Document

FOR_PROGRAMS = True
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


def render(document: Document, _width: int) -> bytes:
    """Return one JSON object, indented unless it is large."""
    return printable_json(
        orjson.dumps(document.data(), option=_OPTIONS | (0 if document.large else orjson.OPT_INDENT_2))
    )
