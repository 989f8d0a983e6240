"""Figures of a comparison: a heat map of policies and values or, where costs matter, processor, memory and accuracy.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lrbench.drawing.axes import not_measured, numbers, plain_axes, title
from lrbench.drawing.save import save_figures
from lrbench.drawing.theme import FAINT, MARKERS, TICK_POINTS, colour
from lrbench.errors import plain
from lrbench.report.comparison.table import ComparedRow, Comparison, ComparisonTable
from lrbench.report.figures.data import worst_shade
from lrbench.report.formats import counted, heading, number, unit_text
from lrbench.report.views.comparison import value_text
from lrbench.runs.status import COMPLETED
from lrbench.runs.usage import Sample

DARK_FROM = 0.55
"""Share of the scale from which on numbers are white, because the shade is dark."""
LIGHTER = 1.25
"""How far the scale goes beyond the worst shade, so that this is not black."""
# (column of the samples, title, how many of its units make one of the title's)
_PANELS = (
    ("cpu_percent", "CPU, % of a core", 1.0),
    ("memory_bytes", "resident memory, MB", 1e6),
    ("gpu_percent", "GPU utilisation, %", 1.0),
    ("gpu_memory_bytes", "GPU memory, MB", 1e6),
)
POINTS = 300

Column = NDArray[np.float64]


def write_comparison_figures(found: Comparison, folder: Path) -> list[Path]:
    """Write the figures of each table into the folder, which is made if need be; returns their paths.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    plural = found.axis.plural.replace(" ", "-")
    draws = {f"policies_by_{found.axis.key}": heat_map}
    if found.axis.costs:
        draws = {f"{plural}-usage": _usage, f"{plural}-accuracy": _accuracy}
    groups = [(table.label, {name: partial(draw, table) for name, draw in draws.items()}) for table in found.tables]
    return save_figures(folder, groups, {"hatch.linewidth": 0.6})


def heat_map(table: ComparisonTable) -> Figure:
    """A row for each policy, the safest on top, a column for each value; cells hold means, shaded by regret.

    Shades are light where a policy is near the best at its value, so the figure reads in grey, too.
    """
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
    titles = [textwrap.wrap(plain(value), 16, max_lines=2, placeholder=" …") for value in table.values]
    for title_lines, factor in zip(titles, table.factors.values(), strict=True):
        title_lines += [f"(rates x{factor:g})"] if factor != 1 else []
    axes.set_xticks(range(len(titles)), ["\n".join(lines) for lines in titles])
    policies = [textwrap.wrap(plain(found.policy), 40, max_lines=2, placeholder=" …") for found in table.standings]
    axes.set_yticks(range(len(policies)), ["\n".join(lines) for lines in policies])
    axes.tick_params(length=0, labelsize=TICK_POINTS)
    axes.xaxis.tick_top()
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, extend="max")
    unit = unit_text(table.metric.unit, difference=True).strip()
    bar.set_label(f"behind the best of the {table.axis.title}{unit and f', {unit}'}", fontsize=TICK_POINTS)
    bar.ax.yaxis.set_major_formatter(lambda value, _: number(value, table.metric.unit))
    bar.ax.tick_params(labelsize=TICK_POINTS)
    _head(figure, f"{heading(table.metric)}, policies x {table.axis.plural}", table)
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


def _usage(table: ComparisonTable) -> Figure:
    """A panel for each quantity that any run has samples of."""
    runs: dict[str, list[Sequence[Sample]]] = {value: [] for value in table.values}
    for value, compared in (item for by in table.rows.values() for item in by.items()):
        runs[value] += [table.samples.get(run.path, ()) for run in compared.row.runs if run.status in COMPLETED]
    every = [samples for of in runs.values() for samples in of]
    panels = [panel for panel in _PANELS if any(len(curve(samples, panel[0])[0]) for samples in every)] or _PANELS[:2]
    figure = Figure(figsize=(7 * len(panels), 5), layout="constrained")
    for axes, (name, quantity, scale) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for place, value in enumerate(table.values):
            curves = [found for samples in runs[value] if len((found := curve(samples, name))[0])]
            for seconds, values in curves:
                axes.plot(seconds, values / scale, color=colour(place), alpha=0.25, linewidth=0.8)
            if curves:
                seconds, values = median_curve(curves)
                label = f"{plain(value)} ({counted(len(curves), 'run', 'runs')})"
                axes.plot(seconds, values / scale, color=colour(place), linewidth=2.2, label=label)
        axes.set_xlabel("seconds since the training began")
        axes.set_ylabel(quantity)
        axes.set_ylim(bottom=0)
        plain_axes(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9, title="thin: a run; thick: median of the runs", title_fontsize=8)
        else:
            not_measured(axes)
    _head(figure, "Processor and memory over time", table)
    return figure


def curve(samples: Sequence[Sample], name: str) -> tuple[Column, Column]:
    """The seconds and values at which a column is known."""
    known = [(sample.seconds, value) for sample in samples if (value := getattr(sample, name)) is not None]
    seconds, values = np.array(known, dtype=np.float64).reshape(-1, 2).T
    return seconds, values


def median_curve(curves: Sequence[tuple[Column, Column]]) -> tuple[Column, Column]:
    """The median over the runs at each time that at least half of them reach; none has a value after its end."""
    ends = sorted(seconds[-1] for seconds, _ in curves)
    grid = np.linspace(min(seconds[0] for seconds, _ in curves), ends[len(ends) // 2], POINTS)
    table = np.array([np.interp(grid, seconds, values, right=np.nan) for seconds, values in curves])
    return grid, np.nanmedian(table, axis=0)


def _accuracy(table: ComparisonTable) -> Figure:
    """A line a policy, the best of the first value on top, with a mark a value and a bar of one deviation."""
    metric, policies = table.metric, list(table.rows)
    scale = 100.0 if metric.unit == "fraction" else 1e-6 if metric.unit == "bytes" else 1.0
    figure = Figure(figsize=(10, 1.8 + 0.5 * len(policies)), layout="constrained")
    axes = figure.subplots()
    for place, value in enumerate(table.values):
        rows, means, deviations = np.array(_means(table, value)).reshape(-1, 3).T
        heights = rows + 0.16 * (place - (len(table.values) - 1) / 2)
        axes.errorbar(
            scale * means,
            heights,
            xerr=scale * deviations,
            color=colour(place),
            marker=MARKERS[place % len(MARKERS)],
            linestyle="none",
            capsize=3,
            label=plain(value),
        )
    axes.set_yticks(range(len(policies)), [_policy_label(table, policy) for policy in policies])
    axes.invert_yaxis()
    axes.set_xlabel(f"{heading(metric)}: mean and sample standard deviation over the seeds")
    plain_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator("auto"))
    numbers(axes.xaxis)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    _head(figure, metric.title.capitalize(), table)
    return figure


def _means(table: ComparisonTable, value: str) -> list[tuple[int, float, float]]:
    """Return place, mean and deviation (0 with one seed) of each policy that has a mean at the value."""
    found = []
    for place, by in enumerate(table.rows.values()):
        summary = by[value].row.summaries[table.metric.name] if value in by else None
        if summary is not None and summary.mean is not None:
            found.append((place, summary.mean, summary.deviation or 0.0))
    return found


def _policy_label(table: ComparisonTable, policy: str) -> str:
    lines = textwrap.wrap(plain(policy), 46, max_lines=2, placeholder=" …")
    for value, found in table.rows[policy].items():
        if found.row.diverged:
            lines.append(f"{plain(value)}: {found.row.diverged}/{len(found.row.runs)} diverged")
    return "\n".join(lines)


def _head(figure: Figure, what: str, table: ComparisonTable) -> None:
    title(figure, f"{what}: {textwrap.shorten(plain(table.label), 80, placeholder=' …')}")
