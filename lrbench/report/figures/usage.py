"""Figures of a comparison in which costs matter, such as that of engines: processor, memory and accuracy.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lrbench.drawing.axes import not_measured, numbers, plain_axes, title
from lrbench.drawing.save import save_figures
from lrbench.drawing.theme import MARKERS, colour
from lrbench.errors import plain
from lrbench.report.comparison.table import Comparison, ComparisonTable
from lrbench.report.formats import heading
from lrbench.runs.status import COMPLETED
from lrbench.runs.usage import Sample

# (column of the samples, title, how many of its units make one of the title's)
_PANELS = (
    ("cpu_percent", "CPU, % of a core", 1.0),
    ("memory_bytes", "resident memory, MB", 1e6),
    ("gpu_percent", "GPU at work, %", 1.0),
    ("gpu_memory_bytes", "GPU memory, MB", 1e6),
)
POINTS = 300

Column = NDArray[np.float64]


def write_cost_figures(found: Comparison, folder: Path) -> list[Path]:
    """Write two pictures a table into the folder, which is made if need be; returns their paths.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    plural = found.axis.plural.replace(" ", "-")
    draws = {f"{plural}-usage": _usage, f"{plural}-accuracy": _accuracy}
    groups = [(table.label, {name: partial(draw, table) for name, draw in draws.items()}) for table in found.tables]
    return save_figures(folder, groups)


def _usage(table: ComparisonTable) -> Figure:
    """A panel for each quantity that is known of any run; the GPU's are left out where none is."""
    runs = {value: _samples(table, value) for value in table.values}
    every = [samples for of in runs.values() for samples in of]
    panels = [panel for panel in _PANELS if any(len(curve(samples, panel[0])[0]) for samples in every)] or _PANELS[:2]
    figure = Figure(figsize=(7 * len(panels), 5), layout="constrained")
    for axes, (name, quantity, scale) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for place, value in enumerate(table.values):
            _draw(axes, [curve(samples, name) for samples in runs[value]], scale, (value, _look(place)))
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


def _samples(table: ComparisonTable, value: str) -> list[Sequence[Sample]]:
    runs = [run for by in table.rows.values() if value in by for run in by[value].row.runs if run.status in COMPLETED]
    return [table.samples[run.path] for run in runs if table.samples.get(run.path)]


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


def _draw(
    axes: Axes, curves: Sequence[tuple[Column, Column]], scale: float, labelled: tuple[str, dict[str, Any]]
) -> None:
    known = [found for found in curves if len(found[0])]
    value, look = labelled
    for seconds, values in known:
        axes.plot(seconds, values / scale, color=look["color"], alpha=0.25, linewidth=0.8)
    if known:
        seconds, values = median_curve(known)
        label = f"{plain(value)} ({len(known)} runs)"
        axes.plot(seconds, values / scale, color=look["color"], linewidth=2.2, label=label)


def _look(index: int) -> dict[str, Any]:
    return {"color": colour(index), "marker": MARKERS[index % len(MARKERS)]}


def _accuracy(table: ComparisonTable) -> Figure:
    """A line a policy, the best of the first value on top, with a mark a value and a bar of one deviation."""
    metric, policies = table.metric, list(table.rows)
    scale = 100.0 if metric.unit == "fraction" else 1e-6 if metric.unit == "bytes" else 1.0
    figure = Figure(figsize=(10, 1.8 + 0.5 * len(policies)), layout="constrained")
    axes = figure.subplots()
    for place, value in enumerate(table.values):
        rows, means, deviations = np.array(_means(table, value)).reshape(-1, 3).T
        heights = rows + 0.16 * (place - (len(table.values) - 1) / 2)
        look = {"linestyle": "none", "capsize": 3, "label": plain(value), **_look(place)}
        axes.errorbar(scale * means, heights, xerr=scale * deviations, **look)
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
    """Of each policy that has a mean at the value: its place, the mean and the deviation, 0 with one seed."""
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
