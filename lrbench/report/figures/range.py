"""The figure of a range test: loss and objective against the rate, a column for each solver.

Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lrbench.drawing.axes import in_percent, numbers, plain_axes, title
from lrbench.drawing.save import drawing, save_figure
from lrbench.drawing.theme import COLOURS, MUTED, TICK_POINTS, colour
from lrbench.errors import plain
from lrbench.report.views.range import evaluated_on_title, solver_title
from lrbench.tuning.range_test.result import RangeResult
from lrbench.tuning.range_test.sweep import running_median

SUGGESTED = COLOURS["light"][5]
HIGHEST_LOSS = 2.0
"""Upper end of the loss axis, in losses of the untrained net; a diverging loss would flatten the rest."""
MARGIN = 0.5
"""Space beyond the untrained value of a metric, in gains of the best rate, for the same reason."""


def plot_range(results: Sequence[RangeResult], heading: str, path: Path) -> None:
    """Draw the results to ``path``: PNG, SVG or PDF by its suffix.

    Raises:
        ResultsError: it cannot be written.
    """
    with drawing():
        figure = Figure(figsize=(2 + 7 * len(results), 7.5), layout="constrained")
        panels = figure.subplots(2, len(results), sharex="col", squeeze=False)
        for result, upper, lower in zip(results, panels[0], panels[1], strict=True):
            upper.set_title(plain(solver_title(result)), fontsize=10, loc="left")
            _loss(upper, result)
            _objective(lower, result)
            for axes in (upper, lower):
                plain_axes(axes)
                axes.set_xscale("log")
                numbers(axes.xaxis)
                if result.rates is not None:
                    low, high = result.rates
                    label = f"k0 to k1: {low:g} to {high:g}"
                    axes.axvspan(low, high, color=SUGGESTED, alpha=0.12, label=label, zorder=0)
                axes.legend(fontsize=TICK_POINTS, frameon=False, loc="best")
        title(figure, f"Which rates are worth trying: {plain(heading)}")
        save_figure(figure, path, "change --plot")


def _sweeps(axes: Axes, result: RangeResult, values: NDArray[np.float64]) -> None:
    for index, column in enumerate(values):
        label = None if index else "sweep, each seed"
        axes.plot(result.sweeps.rates, column, color=MUTED, linewidth=0.7, alpha=0.5, label=label)


def _loss(axes: Axes, result: RangeResult) -> None:
    sweeps = result.sweeps
    _sweeps(axes, result, sweeps.losses)
    over_seeds = running_median(np.median(np.where(np.isfinite(sweeps.losses), sweeps.losses, np.inf), axis=0))
    axes.plot(sweeps.rates, over_seeds, color="black", linewidth=1.8, label="median over points and seeds")
    finite = sweeps.losses[np.isfinite(sweeps.losses)]
    if len(finite):
        start = float(np.nanmedian(sweeps.losses[:, : max(3, sweeps.losses.shape[1] // 10)]))
        axes.set_ylim(0, HIGHEST_LOSS * start if np.isfinite(start) else None)
    axes.set_ylabel("training loss while the rate rises")


def _objective(axes: Axes, result: RangeResult) -> None:
    _sweeps(axes, result, result.sweeps.values)
    rates, objective, chance = result.fixed.rates, result.objective, result.scale.chance
    for index, (length, table) in enumerate(result.fixed.values.items()):
        shade = colour(index)
        for row in table:
            axes.plot(rates, row, color=shade, linewidth=0.7, alpha=0.5, marker=".", markersize=4)
        axes.plot(rates, table.mean(axis=0), color=shade, linewidth=2, label=f"fixed rate, {length:,} iterations")
        gone = ~np.isfinite(table).all(axis=0)
        axes.plot(rates[gone], np.full(gone.sum(), chance), color=shade, linestyle="", marker="x")
    known = "chance" if result.scale.images is not None else "before training"
    axes.axhline(chance, color="grey", linewidth=0.8, linestyle=":", label=f"{known}; ×: diverged")
    if objective.unit == "fraction":
        axes.set_ylim(0, 1.02)
        in_percent(axes)
    elif result.reading is not None:
        best = result.reading.accuracy
        low, high = sorted((best - 0.1 * (chance - best), chance + MARGIN * (chance - best)))
        axes.set_ylim(low, high)
    axes.set_ylabel(f"{objective.title} on {evaluated_on_title(result)}")
    axes.set_xlabel("learning rate")
