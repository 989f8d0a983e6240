"""How the policies of a picture are told apart: on a screen by colour, on paper without one.

On paper every line has a line style and a marker of its own, and neighbours differ in lightness, so that a copy in grey
and a reader who sees no colours lose nothing. Plain numbers and colours only: matplotlib is not imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Look = dict[str, Any]
PrintStyle = Literal["colour", "grey"]

MOST_POLICIES = 30
EMPHASISED = 5
PRINT_BANDED = 3
"""Of how many policies paper shows the band over the seeds; more of them hide each other."""

# Ten colours that stay apart for the colour-blind as far as ten can; then the same in other line styles.
_SCREEN = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f3c8d",
    "#8c564b",
    "#555555",
    "#a5aa00",
)
_SCREEN_STYLES = ("-", (0, (5, 2)), (0, (1.2, 1.6)))

# Dark and light in turn, so that they differ in grey, too; the colours are safe for the colour-blind.
_PRINT: dict[PrintStyle, tuple[str, ...]] = {
    "colour": ("#004488", "#bb5566", "#000000", "#cc9911", "#882255", "#2a9d8f"),
    "grey": ("#000000", "#808080", "#404040", "#9a9a9a", "#202020", "#6a6a6a"),
}
_PRINT_STYLES = ("-", (0, (5, 1.5)), (0, (5, 1.2, 1.2, 1.2)), (0, (1.4, 1.1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")  # with four line styles: 36 that differ


def screen_look(place: int) -> Look:
    """Of the policy at a place, from 0, on a screen: a colour and line style of its own, the first ones thick."""
    first = place < EMPHASISED
    return {
        "color": _SCREEN[place % len(_SCREEN)],
        "linestyle": _SCREEN_STYLES[place // len(_SCREEN) % len(_SCREEN_STYLES)],
        "linewidth": 2.0 if first else 1.0,
        "alpha": 1.0 if first else 0.8,
        "zorder": 3 + MOST_POLICIES - place,
    }


def screen_band(colour: str) -> Look:
    """From the lowest to the highest seed, for a line of that colour."""
    return {"color": colour, "alpha": 0.15, "linewidth": 0}


def print_band(colour: str) -> Look:
    """The same on paper: hardly filled, with hairlines at its edges, as shades on top of each other are mud in grey."""
    return {"facecolor": (colour, 0.10), "edgecolor": (colour, 0.55), "linewidth": 0.35}


def print_look(style: PrintStyle) -> Callable[[int], Look]:
    """The same on paper: a line style and marker of its own; every other marker is hollow."""

    def look(place: int) -> Look:
        colour = _PRINT[style][place % len(_PRINT[style])]
        return {
            "color": colour,
            "linestyle": _PRINT_STYLES[place % len(_PRINT_STYLES)],
            "linewidth": 1.1 if place < EMPHASISED else 0.8,
            "marker": _MARKERS[place % len(_MARKERS)],
            "markersize": 3.2,
            "markerfacecolor": "white" if place % 2 else colour,
            "markeredgewidth": 0.7,
            "zorder": 3 + MOST_POLICIES - place,
        }

    return look
