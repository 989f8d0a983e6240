"""Options of a figure for a paper: subjects, width and style. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from lrbench.drawing.theme import PrintStyle

APART = ("rates", "rate-against-objective", "rate-against-accuracy")
"""Subjects with a panel for each policy; the others show all policies in one panel."""
WHATS = ("objective", "accuracy", "loss", "confidence", *APART)
COLUMN_INCHES = {1: 3.3, 2: 7.0}
"""Usual width of a figure, by number of columns."""
PANEL_INCHES = 3.3
"""Approximate width of a panel with all policies; a panel of one policy is half as wide."""


@dataclass(frozen=True)
class Paper:
    """Options of a figure.

    Attributes:
        whats: some of WHATS, in the order in which they are drawn.
        width: in inches.
    """

    whats: tuple[str, ...]
    width: float = COLUMN_INCHES[1]
    style: PrintStyle = "colour"

    @property
    def panels_a_row(self) -> int:
        """Number of panels with all policies side by side."""
        return max(1, round(self.width / PANEL_INCHES))

    @property
    def together(self) -> bool:
        """Whether a panel shows all policies, so that a legend is needed."""
        return any(what not in APART for what in self.whats)
