"""How tables are written, for a terminal and as markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from lrbench.report.untrusted import markdown, plain

NARROWEST_POLICY = 24
WIDEST_TITLE = 11
WIDEST_TEXT = 24
GAP = "  "
TITLE_PADDING = 2  # what tabulate leaves beside a title


@dataclass(frozen=True)
class Style:
    """How tables are written: tabulate's format, what makes text harmless there, the width (None for any), a title."""

    tablefmt: str
    clean: Callable[[str], str]
    width: int | None
    title: str

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], left: Iterable[str] = ()) -> str:
        """A table, numbers to the right but for the columns named in ``left``; policies take what room there is."""
        align = ["left" if _is_policy(name) or name in left else "right" for name in head]
        if self.width is None:
            return tabulate(rows, head, self.tablefmt, disable_numparse=True, colalign=align)
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in head]
        titles = [_wrapped(name, WIDEST_TITLE) for name in head]
        fixed = [
            column if _is_policy(name) else [_wrapped(cell, WIDEST_TEXT) for cell in column]
            for name, column in zip(head, columns, strict=True)
        ]
        room = self._room_for_policy(head, titles, fixed)
        wrapped = [
            [_wrapped(cell, room) for cell in column] if _is_policy(name) else column
            for name, column in zip(head, fixed, strict=True)
        ]
        cells = list(zip(*wrapped, strict=True))
        return tabulate(cells, titles, self.tablefmt, disable_numparse=True, colalign=align)

    def paragraph(self, text: str) -> str:
        """Text wrapped to the width."""
        return text if self.width is None else textwrap.fill(text, self.width)

    def _room_for_policy(self, head: Sequence[str], titles: Sequence[str], columns: Sequence[Sequence[str]]) -> int:
        taken = [
            max(_width(title) + TITLE_PADDING, *map(_width, column), 0)
            for name, title, column in zip(head, titles, columns, strict=True)
            if not _is_policy(name)
        ]
        free = (self.width or 0) - sum(taken) - len(GAP) * (len(head) - 1)
        return max(NARROWEST_POLICY, free // max(1, sum(map(_is_policy, head))))


def _width(cell: str) -> int:
    return max(map(len, cell.split("\n")))


def _is_policy(name: str) -> bool:
    return name.endswith("policy")


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, max_lines=4, placeholder=" …"))


def for_terminal(width: int) -> Style:
    """Tables at most ``width`` characters wide, if the columns beside the policies leave room for them."""
    return Style("simple", plain, width, "{}")


MARKDOWN = Style("pipe", markdown, None, "## {}")
