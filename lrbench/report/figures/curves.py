"""Figures of a report for a screen, as PNG files: rates, losses, objective and confidence against iterations.

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
from lrbench.errors import ResultsError
from lrbench.report.build import Report
from lrbench.report.figures.panels import AS_USED, PlotContext, Rates, panels, policy_title

COLUMNS, PANEL_INCHES = 4, 3.2


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write the figures of each workload into the folder, which is made if need be; returns their paths.

    These are rates, losses, the objective, accuracy and confidence; without those of what a program does not give.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    groups = []
    for workload in report.workloads:
        context = PlotContext.of(workload, workload.metric)
        groups.append((workload.label, {name: partial(PICTURES[name], context) for name in _shown(context)}))
    return save_figures(folder, groups)


def _shown(context: PlotContext) -> list[str]:
    """The names of the figures: without those of nothing, and the objective once where it is the accuracy."""
    return [
        name
        for name in PICTURES
        if name == "rates"
        or (panels(SUBJECTS[name], context) and not (name == "objective" and context.objective.is_accuracy))
    ]


def _rates(context: PlotContext) -> Figure:
    """Draw a panel for each policy."""
    rates = Rates.of(context.rows)
    rows = -(-len(context.series) // COLUMNS)
    figure = Figure(figsize=(14, 1.0 + 1.9 * rows), layout="constrained")
    boxes = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for index, series in enumerate(context.series):
        rates.draw(boxes[index], index, series.colour)
        boxes[index].set_title(policy_title(series, PANEL_INCHES, TICK_POINTS), fontsize=TICK_POINTS, loc="left")
        plain_axes(boxes[index])
        boxes[index].tick_params(labelbottom=index >= len(context.series) - COLUMNS)  # no panel below
    for axes in boxes[len(context.series) :]:
        axes.set_axis_off()
    title(figure, f"Learning rates by rank: {context.title}")
    figure.supylabel(rates.title, fontsize=LABEL_POINTS)
    as_used = AS_USED if any(curve.at_evaluations for curve in rates.curves) else ""
    figure.supxlabel(f"iteration{as_used}", fontsize=LABEL_POINTS)
    return figure


def _side_by_side(context: PlotContext, name: str) -> Figure:
    """Draw the panels with all policies side by side, and the legend to their right.

    Raises:
        ResultsError: no policy has a value to draw.
    """
    drawn = panels(SUBJECTS[name], context)
    if not drawn:
        raise ResultsError(f"no run here has a value for the picture {name}", remedy="choose another picture")
    figure = Figure(figsize=(17, max(5.5, 1.7 + 0.19 * len(context.series))), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        panel.fill(axes, context)
        axes.set_xlabel("iteration")
        plain_axes(axes)
    title(figure, f"{_head(name, context)}: {context.title}")
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


def _head(name: str, context: PlotContext) -> str:
    """The title of a figure; a program evaluates on data of its own."""
    if name == "objective":
        name = "accuracy" if context.objective.is_accuracy else context.objective.title
    on_test_set = name == "accuracy" and context.complete
    return "Accuracy on the test set" if on_test_set else HEADS.get(name, name[:1].upper() + name[1:])


SUBJECTS = {"losses": "loss", "objective": "objective", "accuracy": "accuracy", "confidence": "confidence"}
HEADS = {"confidence": "Confidence in the correct answers"}
PICTURES: dict[str, Callable[[PlotContext], Figure]] = {
    "rates": _rates,
    **{name: partial(_side_by_side, name=name) for name in SUBJECTS},
}
