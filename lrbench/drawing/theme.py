"""Colours, line styles, markers, sizes and ticks of every figure and of the HTML page.

Plain values only: matplotlib is not imported, and the page receives them as JSON.
"""

from __future__ import annotations

from typing import Any, Literal

Look = dict[str, Any]
"""Keyword arguments of matplotlib's ``plot``."""
PrintStyle = Literal["colour", "grey"]

# Under normal vision, protanopia, deuteranopia and tritanopia any two colours of a ground differ by at least 14 in
# CIELAB, and each has a contrast of at least 3 to its ground (a test computes both). Lightness alternates, for prints
# in grey. On paper in grey markers tell lines apart instead.
COLOURS = {
    "light": ("#256ba5", "#e06908", "#1f2020", "#c65ecb", "#53207b", "#239a6d", "#6c7599", "#b78840"),
    "dark": ("#48aaec", "#e9712f", "#f6f5ed", "#f08cc8", "#9868ff", "#2fce9f", "#3f78d0", "#f0e442"),
    "grey": ("#000000", "#808080", "#404040", "#9a9a9a", "#202020", "#707070", "#303030", "#8c8c8c"),
}
DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.6), (1.3, 1.4), (5, 1.4, 1.2, 1.4))
"""Lengths of dashes and gaps in line widths; the first is a solid line."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
MUTED, FAINT, FILL = "#555555", "#888888", "#dddddd"

MOST_POLICIES = 30
"""Policies in one figure, at most: 32 pairs of colour and dash (or marker and dash) differ, and more cannot be read."""
EMPHASISED = 5
"""Policies drawn thick, with a band over the seeds and a label at the end of the line."""
PRINT_BANDED = 3
"""Policies with a band on paper, where figures are smaller; more bands hide each other."""
BAND_OPACITY = 0.15

SCREEN_DPI, PAPER_DPI = 130, 300
TITLE_POINTS, LABEL_POINTS, TICK_POINTS = 12.0, 10.0, 8.0
TEXT_POINTS, SMALL_POINTS = 7.0, 6.0
"""Sizes of text on paper."""

LOG_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0))
"""Ticks within a decade of a logarithmic axis: the first of these sets of which three or more lie on the axis."""

RATES_APART, RATES_BELOW = 10.0, 30.0
"""Factors that decide when an axis of learning rates is logarithmic, and where it begins; see ``scales.rate_scale``."""

PAPER_SETTINGS: dict[Any, Any] = {
    "font.size": TEXT_POINTS,
    "axes.labelsize": TEXT_POINTS,
    "axes.titlesize": SMALL_POINTS,
    "axes.linewidth": 0.6,
    "axes.titlepad": 3.0,
    "axes.labelpad": 2.0,
    "grid.linewidth": 0.4,
    "legend.fontsize": SMALL_POINTS,
    "legend.title_fontsize": SMALL_POINTS,
    **{
        f"{axis}tick.major.{name}": value
        for axis in "xy"
        for name, value in {"width": 0.6, "size": 2.5, "pad": 2}.items()
    },
    "ytick.minor.size": 1.5,
    "ytick.minor.width": 0.4,
    "figure.constrained_layout.w_pad": 0.025,
    "figure.constrained_layout.h_pad": 0.03,
}
"""matplotlib's settings for figures on paper."""


def colour(index: int, ground: str = "light") -> str:
    """Return the colour of the series at ``index``, from 0; the colours repeat after eight."""
    return COLOURS[ground][index % len(COLOURS[ground])]


def dash(index: int) -> tuple[float, ...]:
    """Return the dash of the series at ``index``; neighbours differ, and so do series of one colour, up to 32."""
    return DASHES[(index + index // len(MARKERS)) % len(DASHES)]


def screen_look(index: int) -> Look:
    """Return the look of a line on a screen; the first ones are thick."""
    first = index < EMPHASISED
    return {
        "color": colour(index),
        "linestyle": (0, dash(index)) if dash(index) else "-",
        "linewidth": 2.0 if first else 1.0,
        "alpha": 1.0 if first else 0.8,
        "zorder": 3 + max(0, MOST_POLICIES - index),
    }


def print_look(style: PrintStyle, index: int) -> Look:
    """Return the look of a line on paper: thinner, and with a marker that identifies it without colour."""
    shade = colour(index, "grey" if style == "grey" else "light")
    return {
        **screen_look(index),
        "color": shade,
        "linewidth": 1.1 if index < EMPHASISED else 0.8,
        "alpha": 1.0,
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 3.2,
        "markerfacecolor": "white" if index % 2 else shade,
        "markeredgewidth": 0.7,
    }


def screen_band(shade: str) -> Look:
    """Return the look of the band from lowest to highest seed on a screen, for a line of that colour."""
    return {"color": shade, "alpha": BAND_OPACITY, "linewidth": 0}


def print_band(shade: str) -> Look:
    """Return the look of the band on paper: with edges, because overlapping fills cannot be told apart in grey."""
    return {"facecolor": (shade, 0.10), "edgecolor": (shade, 0.55), "linewidth": 0.35}


def page_theme() -> dict[str, Any]:
    """Return the theme for the scripts of the HTML page; dashes are in pixels."""
    width = 2
    return {
        "light": COLOURS["light"],
        "dark": COLOURS["dark"],
        "dashes": [[width * length for length in dash(index)] for index in range(len(DASHES) * len(MARKERS))],
        "width": width,
        "band": BAND_OPACITY,
        "most": MOST_POLICIES,
        "first": EMPHASISED,
        "ticks": LOG_STEPS,
        "rates": {"apart": RATES_APART, "below": RATES_BELOW},
    }
