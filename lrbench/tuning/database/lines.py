"""Entries as JSON lines, one complete entry a line; and those that LRBench ships."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import orjson
from pydantic import ValidationError

from lrbench.errors import DatabaseError, printable_json
from lrbench.tuning.database.entry import ENTRY, Entry, first_problem
from lrbench.tuning.database.schema import OPTIONAL, SCHEMA

_REMEDY = "give a file that `lrbench db export` wrote"
SEED = "seed.jsonl"


def entry_object(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON types, its id first.

    What only other objectives and programs have is left out of other runs, whose lines are those of earlier versions.
    """
    content = ENTRY.dump_python(entry, mode="json")
    for run in content["runs"]:
        for name in [name for name in OPTIONAL if not run[name]]:
            del run[name]
    return {"schema": SCHEMA, "id": entry.id, **content}


def to_lines(entries: Iterable[Entry]) -> bytes:
    """Return a line for each entry, in their order."""
    lines = (orjson.dumps(entry_object(entry), option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
    return b"".join(map(printable_json, lines))


def from_lines(content: bytes, where: str) -> list[Entry]:
    """Read the entries of lines that ``to_lines`` wrote; empty lines are skipped.

    Raises:
        DatabaseError: a line that is none, of another schema, or was altered, with its number.
    """
    lines = enumerate(content.splitlines(), start=1)
    return [_entry(line, f"{where}:{number}") for number, line in lines if line.strip()]


def _entry(line: bytes, where: str) -> Entry:
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DatabaseError(f"is not JSON: {error.msg}", where=where, remedy=_REMEDY) from None
    if not isinstance(content, dict) or "schema" not in content:
        raise DatabaseError("is no entry of a policy database", where=where, remedy=_REMEDY)
    schema, identity = content.pop("schema"), content.pop("id", None)
    if schema != SCHEMA:
        raise DatabaseError(
            f"the entry has schema {schema}, this version of LRBench reads {SCHEMA}",
            where=where,
            remedy="export it again with this version",
        )
    try:
        entry = ENTRY.validate_json(orjson.dumps(content), strict=True)
    except ValidationError as error:
        raise DatabaseError(first_problem(error), where=where, remedy=_REMEDY) from None
    if entry.id != identity:
        raise DatabaseError(
            f"the id is {identity}, but that of this workload and policy is {entry.id}", where=where, remedy=_REMEDY
        )
    return entry


def shipped_entries() -> list[Entry]:
    """Return the entries that LRBench ships, written by ``scripts/generate_shipped_results``."""
    return from_lines(files(__package__).joinpath(SEED).read_bytes(), SEED)
