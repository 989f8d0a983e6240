"""Figures of a report for a screen, as PNG files: rates, losses, accuracy and confidence against iterations.

The policies of a workload keep their colour and line style in all of its figures; the best five are drawn thick.
Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from lrbench.drawing.axes import plain_axes, title
from lrbench.drawing.save import save_figures
from lrbench.drawing.theme import LABEL_POINTS, TICK_POINTS
from lrbench.report.build import Report
from lrbench.report.figures.panels import AS_USED, TOGETHER, PlotContext, Rates, policy_title

COLUMNS, PANEL_INCHES = 4, 3.2


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write four figures a workload into the folder, which is made if need be; returns their paths.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    groups = []
    for workload in report.workloads:
        context = PlotContext.of(workload, report.metric)
        groups.append((workload.label, {name: partial(draw, context) for name, draw in PICTURES.items()}))
    return save_figures(folder, groups)


def _rates(context: PlotContext) -> Figure:
    """Draw a panel for each policy."""
    rates = Rates.of(context.rows)
    rows = -(-len(context.series) // COLUMNS)
    figure = Figure(figsize=(14, 1.0 + 1.9 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for index, series in enumerate(context.series):
        rates.draw(panels[index], index, series.colour)
        panels[index].set_title(policy_title(series, PANEL_INCHES, TICK_POINTS), fontsize=TICK_POINTS, loc="left")
        plain_axes(panels[index])
        panels[index].tick_params(labelbottom=index >= len(context.series) - COLUMNS)  # no panel below
    for axes in panels[len(context.series) :]:
        axes.set_axis_off()
    title(figure, f"Learning rates by rank: {context.title}")
    figure.supylabel(rates.title, fontsize=LABEL_POINTS)
    as_used = AS_USED if any(curve.at_evaluations for curve in rates.curves) else ""
    figure.supxlabel(f"iteration{as_used}", fontsize=LABEL_POINTS)
    return figure


def _side_by_side(context: PlotContext, name: str, head: str) -> Figure:
    """Draw two panels with all policies, and the legend to their right."""
    figure = Figure(figsize=(17, max(5.5, 1.7 + 0.19 * len(context.series))), layout="constrained")
    for axes, panel in zip(figure.subplots(1, 2), TOGETHER[name], strict=True):
        panel.fill(axes, context)
        axes.set_xlabel("iteration")
        plain_axes(axes)
    title(figure, f"{head}: {context.title}")
    figure.legend(
        [series.handle for series in context.series],
        [series.label for series in context.series],
        loc="outside right upper",
        title=context.legend_title,
        alignment="left",
        handlelength=4,
        frameon=False,
        fontsize=TICK_POINTS,
        title_fontsize=TICK_POINTS,
    )
    return figure


PICTURES: dict[str, Callable[[PlotContext], Figure]] = {
    "rates": _rates,
    "losses": partial(_side_by_side, name="loss", head="Losses"),
    "accuracy": partial(_side_by_side, name="accuracy", head="Accuracy on the test set"),
    "confidence": partial(_side_by_side, name="confidence", head="Confidence in the correct answers"),
}
