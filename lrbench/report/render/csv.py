"""The records of documents as CSV, for spreadsheets; what is not known is empty."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from lrbench.errors import plain
from lrbench.report.document import Document

FOR_PROGRAMS = True
# The beginning of a formula, with the blanks that spreadsheets skip.
_FORMULA = re.compile(r"\s*[=+\-@]")


def render(document: Document, _width: int) -> str:
    """Return the names of all keys in the order in which they occur, then a line for each record."""
    records = document.records()
    names = list(dict.fromkeys(name for record in records for name in record))
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_value, names))
    writer.writerows([_value(record.get(name)) for name in names] for record in records)
    return file.getvalue()


def cell(text: str) -> str:
    """Return plain text that a spreadsheet does not run: a leading apostrophe makes it text."""
    clean = plain(text)
    return f"'{clean}" if _FORMULA.match(clean) else clean


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return cell(value) if isinstance(value, str) else value
