"""A comparison as a heat map: policies x the values of a setting, numbers in the cells, what diverged hatched.

Shades are light where a policy is near the best at its value, so the picture reads in grey, too. Imports matplotlib,
so only its user imports it.
"""

from __future__ import annotations

import textwrap
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lrbench.drawing.axes import title
from lrbench.drawing.save import save_figures
from lrbench.drawing.theme import FAINT, TICK_POINTS
from lrbench.errors import plain
from lrbench.metrics.registry import Metric
from lrbench.report.comparison.table import ComparedRow, Comparison, ComparisonTable, Standing
from lrbench.report.figures.data import worst_shade
from lrbench.report.formats import heading, number
from lrbench.report.views.comparison import value_text

DARK_FROM = 0.55
"""The part of the scale from which on the shade is so dark that numbers are white."""
LIGHTER = 1.25
"""The darkest shade that is meant is not black."""


def write_heat_maps(found: Comparison, folder: Path) -> list[Path]:
    """Write a heat map for each table into the folder, which is made if need be; returns their paths.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    groups = [(table.label, {f"policies_by_{found.axis.key}": partial(heat_map, table)}) for table in found.tables]
    return save_figures(folder, groups, {"hatch.linewidth": 0.6})


def heat_map(table: ComparisonTable) -> Figure:
    """A row a policy, the safest on top, a column a value; each cell its mean, shaded by how far behind it is."""
    rows = [[found.regrets[value] for value in table.values] for found in table.standings]
    regrets = np.array(rows, dtype=np.float64)
    top = worst_shade((regret for row in rows for regret in row), table.metric.unit)
    figure = Figure(figsize=(4.6 + 1.35 * len(table.values), 1.9 + 0.52 * len(table.standings)), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(np.ma.masked_invalid(regrets), cmap="Greys", vmin=0, vmax=LIGHTER * top, aspect="auto")
    for place, found in enumerate(table.standings):
        for column, value in enumerate(table.values):
            shade = float(regrets[place, column]) / (LIGHTER * top)
            _cell(axes, (column, place), table, table.rows[found.policy].get(value), shade)
    axes.set_xticks(range(len(table.values)), [_title(table, value) for value in table.values])
    axes.set_yticks(range(len(table.standings)), [_label(found) for found in table.standings])
    axes.tick_params(length=0, labelsize=TICK_POINTS)
    axes.xaxis.tick_top()
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, extend="max")
    bar.set_label(f"behind the best of the {table.axis.title}{_unit(table.metric)}", fontsize=TICK_POINTS)
    bar.ax.yaxis.set_major_formatter(lambda value, _: number(value, table.metric.unit))
    bar.ax.tick_params(labelsize=TICK_POINTS)
    label = textwrap.shorten(plain(table.label), 80, placeholder=" …")
    title(figure, f"{heading(table.metric)}, policies x {table.axis.plural}: {label}")
    figure.supxlabel(
        f"framed: best of its {table.axis.title}; hatched: a run diverged; crossed: not run, unfinished, or a seed "
        "without a value",
        x=0.01,
        ha="left",
        fontsize=TICK_POINTS,
    )
    return figure


def _cell(axes: Axes, place: tuple[int, int], table: ComparisonTable, found: ComparedRow | None, shade: float) -> None:
    """The shade is NaN where the row cannot be compared."""
    column, line = place
    row = None if found is None else found.row
    corner = (column - 0.5, line - 0.5)
    if np.isnan(shade):
        hatch = "////" if row is not None and row.diverged else "xx"
        axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=FAINT, hatch=hatch, linewidth=0.5))
    if row is not None and row.rank == 1:
        axes.add_patch(Rectangle((column - 0.47, line - 0.45), 0.94, 0.9, fill=False, edgecolor="black", linewidth=1.8))
    text = "\n".join(textwrap.wrap(value_text(found, table), 16))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0} if np.isnan(shade) else None
    colour = "white" if shade > DARK_FROM else "black"
    axes.text(column, line, text, ha="center", va="center", fontsize=7.5, color=colour, bbox=box)


def _title(table: ComparisonTable, value: str) -> str:
    lines = textwrap.wrap(plain(value), 16, max_lines=2, placeholder=" …")
    factor = table.factors[value]
    return "\n".join(lines if factor == 1 else [*lines, f"(rates x{factor:g})"])


def _label(found: Standing) -> str:
    return "\n".join(textwrap.wrap(plain(found.policy), 40, max_lines=2, placeholder=" …"))


def _unit(metric: Metric) -> str:
    units = {"fraction": ", points", "seconds": ", s", "bytes": ", MB", "iterations": ", iterations"}
    return units.get(metric.unit, "")
