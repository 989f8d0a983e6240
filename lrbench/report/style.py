"""How tables are written, for a terminal and as markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from lrbench.report.statistics import Comparison
from lrbench.report.untrusted import markdown, plain

ENOUGH_FOR_POLICY, NARROWEST_POLICY = 24, 18
WIDEST_TITLE = 11
TEXT_WIDTHS = (24, 20, 16, 14)  # the widest that leaves room for the policies; at less than the last, words break
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
        align = self.alignment(head, left)
        if self.width is None:
            return tabulate(rows, head, self.tablefmt, disable_numparse=True, colalign=align)
        titles, columns, room = self._layout(head, rows, self.width)
        wrapped = [
            [_wrapped(cell, max(NARROWEST_POLICY, room)) for cell in column] if is_policy(name) else column
            for name, column in zip(head, columns, strict=True)
        ]
        cells = list(zip(*wrapped, strict=True))
        return tabulate(cells, titles, self.tablefmt, disable_numparse=True, colalign=align)

    def alignment(self, head: Sequence[str], left: Iterable[str]) -> list[str]:
        """Of each column: policies and the columns named in ``left`` to the left."""
        return ["left" if is_policy(name) or name in left else "right" for name in head]

    def fits(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Whether the columns leave room for the policies."""
        return self.width is None or self._layout(head, rows, self.width)[2] >= ENOUGH_FOR_POLICY

    def policy(self, parts: Sequence[str]) -> str:
        """A policy, its solver and engine in a cell: on lines of their own, to be read however long the first is."""
        return (", " if self.width is None else "\n").join(map(self.clean, parts))

    def mark(self, cell: str, comparison: Comparison | None) -> str:
        """A value by how it compares with the best, where the style shows that in the value itself."""
        return cell

    def paragraph(self, text: str) -> str:
        """Text wrapped to the width."""
        return text if self.width is None else textwrap.fill(text, self.width)

    def lines(self, texts: Iterable[str]) -> str:
        """Texts of anybody's, each beginning on a line of its own."""
        if self.width is None:
            return "\n".join(f"- {self.clean(text)}" for text in texts)
        fill = textwrap.TextWrapper(self.width, subsequent_indent="    ", break_on_hyphens=False).fill
        return "\n".join(fill(self.clean(text)) for text in texts)

    def _layout(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], width: int
    ) -> tuple[list[str], list[list[str]], int]:
        """The titles and columns, wrapped but for the policies, and how wide those may be."""
        titles = [_wrapped(name, WIDEST_TITLE) for name in head]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in head]
        for text in TEXT_WIDTHS:
            fixed = [
                column if is_policy(name) else [_wrapped(cell, text) for cell in column]
                for name, column in zip(head, columns, strict=True)
            ]
            room = _room_for_policy(head, titles, fixed, width)
            if room >= ENOUGH_FOR_POLICY:
                break
        return titles, fixed, room


def _room_for_policy(head: Sequence[str], titles: Sequence[str], columns: Sequence[Sequence[str]], width: int) -> int:
    taken = [
        max(_width(title) + TITLE_PADDING, *map(_width, column), 0)
        for name, title, column in zip(head, titles, columns, strict=True)
        if not is_policy(name)
    ]
    free = width - sum(taken) - len(GAP) * (len(head) - 1)
    return free // max(1, sum(map(is_policy, head)))


def _width(cell: str) -> int:
    return max(map(len, cell.split("\n")))


def is_policy(name: str) -> bool:
    """Whether a column of that title has policies."""
    return name.endswith("policy")


def _wrapped(text: str, width: int) -> str:
    """Each of the text's lines at most ``width`` wide, and cut after four of those."""
    lines = [textwrap.wrap(line, width, max_lines=4, placeholder=" …") for line in text.split("\n")]
    return "\n".join(line for wrapped in lines for line in wrapped)


def for_terminal(width: int) -> Style:
    """Tables at most ``width`` characters wide, if the columns beside the policies leave room for them."""
    return Style("simple", plain, width, "{}")


MARKDOWN = Style("pipe", markdown, None, "## {}")
