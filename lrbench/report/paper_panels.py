"""The panels of one policy each in a figure for a paper: its rates, or its accuracy before the shape of its rates.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from matplotlib.axes import Axes

from lrbench.report.panels import Rates, accuracy_limits, draw_accuracy_before, policy_title
from lrbench.report.paper_layout import SMALL_POINTS, Paper, letters_in
from lrbench.report.scene import Line, Scene, plain_axes

NAME_LINES = 3
MARGIN_LETTERS = 9
"""What the numbers beside an axis take of the room for the title."""
RATE_TEXT = "#555555"


@dataclass(frozen=True)
class PolicyPanels:
    """Such panels, ``size`` of them in a row.

    Attributes:
        letter: of the whole group, such as ``(a)``; empty where it is alone.
        values: what each policy reaches, which the titles say where no legend does.
    """

    scene: Scene
    paper: Paper
    letter: str
    values: Sequence[str]

    @property
    def size(self) -> int:
        """How many stand side by side."""
        return 2 * self.paper.panels_a_row

    @property
    def title_lines(self) -> int:
        """How many lines a title may have."""
        return NAME_LINES if self.paper.together else NAME_LINES + 2

    @cached_property
    def rates(self) -> Rates:
        """The rates of all policies."""
        return Rates.of(self.scene.lines)

    def draw(self, what: str, axes: Axes, place: int) -> None:
        """Draw the policy at a place."""
        line = self._line(place)
        if what == "rates":
            self._draw_rates(axes, place, line)
        else:
            self._draw_against_accuracy(axes, place, line)
        axes.set_title(self._title(line, place), loc="left")
        axes.set_xlabel("iteration" if place // self.size == (len(self.scene.lines) - 1) // self.size else "")
        plain_axes(axes, SMALL_POINTS)

    def _line(self, place: int) -> Line:
        """In grey all are black, as each is alone in its panel."""
        line = self.scene.lines[place]
        return replace(line, look={**line.look, "color": "#000000"}) if self.paper.style == "grey" else line

    def _title(self, line: Line, place: int) -> str:
        width = letters_in(self.paper.width / self.size) - MARGIN_LETTERS
        letter = f"{self.letter}  " if place == 0 and self.letter else ""
        title = letter + policy_title(line, width - len(letter), NAME_LINES)
        if not self.paper.together:
            title += "\n" + "\n".join(textwrap.wrap(self.values[place], width, max_lines=2, placeholder=" …"))
        return title

    def _draw_rates(self, axes: Axes, place: int, line: Line) -> None:
        self.rates.draw(axes, place, line)
        first = place % self.size == 0
        axes.set_ylabel("learning rate" if first else "")
        axes.tick_params(labelleft=first or not self.rates.shared)

    def _draw_against_accuracy(self, axes: Axes, place: int, line: Line) -> None:
        """The accuracy on the left axis, the same for all, before the shape of the rates on the right one."""
        right = axes.twinx()
        self.rates.draw_behind(right, place)
        axes.set_zorder(right.get_zorder() + 1)
        axes.patch.set_visible(False)
        draw_accuracy_before(axes, line)
        axes.set_ylim(*accuracy_limits(self.scene.lines))
        first = place % self.size == 0
        last = place % self.size == self.size - 1 or place == len(self.scene.lines) - 1
        axes.set_ylabel("top-1 accuracy" if first else "")
        axes.tick_params(labelleft=first)
        right.set_ylabel("learning rate" if last else "", color=RATE_TEXT)
        scaled = last or not self.rates.shared
        right.tick_params(labelsize=SMALL_POINTS, right=scaled, labelright=scaled, colors=RATE_TEXT)
        right.spines[["top", "left"]].set_visible(False)
        right.spines["right"].set_visible(scaled)
