"""A document: what there is to say of a subject, before any format.

A view (``lrbench.report.views``) makes a document of a subject, and a renderer (``lrbench.report.render``) makes text
of a document. All text in a document is plain and may come from anybody's files: each renderer makes it harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Role = Literal["policy", "text", "number"]
Mark = Literal["best", "equal"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        mark: ``best`` for the best of its column, ``equal`` for what does not differ significantly from it.
        details: texts that belong to the first one, such as the solver that a policy was run with.
    """

    text: str
    mark: Mark | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        role: policies are broken over lines, texts are set to the left, numbers to the right.
        folds: where the table is too wide, the cells become details of the policy's cell.
        group: where the table is still too wide, it is split between groups; a column without one is in every part.
    """

    title: str
    role: Role = "number"
    folds: bool = False
    group: int | None = None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        rows: as many cells as there are columns in each; a plain ``str`` is a cell without marks or details.
        caption: sentences that say what it shows, for formats in which a table stands apart from the text.
        key: names it among the tables of a document.
        lead: the sentence above it.
        notes: sentences below it that are needed to read it.
        marked: what ``best`` marks, such as ``the best of its engine``.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell | str]]
    caption: tuple[str, ...]
    key: str
    lead: str = ""
    notes: tuple[str, ...] = ()
    marked: str = "the best"


@dataclass(frozen=True)
class Heading:
    """The title of what follows."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A sentence or several.

    Attributes:
        aside: of interest on a screen only, not in a paper.
    """

    text: str
    aside: bool = False


@dataclass(frozen=True)
class Items:
    """Texts, each beginning on a line of its own.

    Attributes:
        title: the line above them.
        bullets: whether each has a bullet.
        aside: as for ``Paragraph``.
    """

    items: Sequence[str]
    title: str = ""
    bullets: bool = False
    aside: bool = False


@dataclass(frozen=True)
class Code:
    """Text to be copied as it is, such as a policy or a part of a spec."""

    text: str


@dataclass(frozen=True)
class Command:
    """A command to type next, and why."""

    text: str
    comment: str = ""


Block: TypeAlias = "Heading | Paragraph | Items | Code | Command | Table"


@dataclass(frozen=True)
class Document:
    """All that a command shows of a subject.

    Attributes:
        blocks: for people, from top to bottom.
        data: makes the same and all that it was made from, for programs: mappings, sequences, NumPy arrays, numbers,
            texts; what is not known is None or NaN.
        records: makes the same as rows of equal keys, for a spreadsheet.
        page: makes an interactive page to show in place of ``blocks`` where the format is one for browsers, by a
            function that returns ``blocks`` as HTML.
        large: whether ``data`` is too large to be indented.
    """

    blocks: Sequence[Block]
    data: Callable[[], Any]
    records: Callable[[], Sequence[Mapping[str, Any]]]
    page: Callable[[Callable[[], str]], bytes] | None = None
    large: bool = False
