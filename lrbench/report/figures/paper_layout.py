"""How a figure for a paper is to be: what it shows, how wide, in which style. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from lrbench.drawing.theme import PrintStyle

APART = ("rates", "rate-against-accuracy")
"""What has a panel for each policy; all else shows the policies together."""
WHATS = ("accuracy", "loss", "confidence", *APART)
COLUMN_INCHES = {1: 3.3, 2: 7.0}
"""The usual width of a figure over so many columns."""
PANEL_INCHES = 3.3
"""How wide a panel with all policies is, about; a panel of one policy is half of it."""


@dataclass(frozen=True)
class Paper:
    """How a figure is to be.

    Attributes:
        whats: some of WHATS, in the order in which they are drawn.
        width: in inches.
    """

    whats: tuple[str, ...]
    width: float = COLUMN_INCHES[1]
    style: PrintStyle = "colour"

    @property
    def panels_a_row(self) -> int:
        """How many panels with all policies stand side by side."""
        return max(1, round(self.width / PANEL_INCHES))

    @property
    def together(self) -> bool:
        """Whether a panel shows all policies, so that a legend says which line is whose."""
        return any(what not in APART for what in self.whats)
