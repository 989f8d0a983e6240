"""Pictures of a report, as PNG files: rates, losses, accuracy and confidence against iterations.

The policies of a workload keep their colour and line style in all of its pictures; the best five are drawn thick.
Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lrbench.errors import ResultsError
from lrbench.report.build import Report
from lrbench.report.curves import Curve, metric_curve, rate_curve
from lrbench.report.scene import Scene, plain_axes
from lrbench.report.untrusted import path_text, plain
from lrbench.storage import atomic_write

DOTS_PER_INCH = 130
COLUMNS = 4
AS_USED = " (where the rates depend on the run: as used before each evaluation, mean and range over the seeds)"


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write four pictures a workload into the folder, which is made if need be; returns their paths.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    written = []
    # Labels come from files: a dollar sign in one is no formula, and a character that the font lacks no warning.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        for workload, prefix in zip(report.workloads, prefixes([each.label for each in report.workloads]), strict=True):
            scene = Scene.of(workload, report.metric)
            for name, draw in _PICTURES.items():
                path = folder / f"{prefix}{name}.png"
                save(draw(scene), path)
                written.append(path)
    return written


def _rates(scene: Scene) -> Figure:
    """A panel for each policy: periodic rates on top of each other cannot be read."""
    curves = [rate_curve(line.row) for line in scene.lines]
    tops = [_top(curve) for curve in curves]
    shared = max(tops) <= 10 * min(tops)  # one axis for all, unless it would squeeze some of them flat
    rows = -(-len(curves) // COLUMNS)
    figure = Figure(figsize=(14, 1.0 + 1.9 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=shared, squeeze=False).ravel()
    for axes, line, curve, top in zip(panels, scene.lines, curves, tops, strict=False):
        _draw_rate(axes, curve, line.colour)
        name = "\n".join(textwrap.wrap(plain(line.row.policy), 44, max_lines=2, placeholder=" …"))
        axes.set_title(f"{line.row.rank or '-'}.  {name}", fontsize=8, loc="left")
        axes.set_ylim(0, 1.06 * (max(tops) if shared else top))
        plain_axes(axes)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    scene.head(figure, "Learning rates by rank")
    sampled = any(curve.at_evaluations for curve in curves)
    figure.supxlabel(f"iteration{AS_USED if sampled else ''}", fontsize=10)
    return figure


def _draw_rate(axes: Axes, curve: Curve, colour: str) -> None:
    """A line; one that is known at evaluations only goes in steps, as a slope would claim to know what lies between."""
    style = "steps-pre" if curve.at_evaluations else "default"
    axes.plot(curve.iterations, curve.mean, color=colour, linewidth=1.2, drawstyle=style)
    if (curve.lowest < curve.highest).any():
        axes.fill_between(curve.iterations, curve.lowest, curve.highest, step="pre", color=colour, alpha=0.15,
                          linewidth=0)


def _top(curve: Curve) -> float:
    """The highest rate, 1 where there is none to scale an axis by."""
    finite = curve.highest[np.isfinite(curve.highest)]
    return float(finite.max()) if len(finite) and finite.max() > 0 else 1.0


def _losses(scene: Scene) -> Figure:
    figure, left, right = scene.two_panels("Losses")
    for axes, name, title in ((left, "train_loss", "training loss"), (right, "test_loss", "test loss")):
        lowest = scene.draw(axes, name)
        axes.set_ylabel(title)
        if lowest > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
    return figure


def _accuracy(scene: Scene) -> Figure:
    figure, left, right = scene.two_panels("Accuracy on the test set")
    for axes, title in ((left, "top-1 accuracy"), (right, "top-1 accuracy, the best from near")):
        scene.draw(axes, "accuracy_top1")
        axes.set_ylabel(title)
        _in_percent(axes)
    best = [mean for line in scene.lines if (mean := line.row.summaries["best_accuracy"].mean) is not None]
    if best:
        _zoom(right, scene, max(best), float(np.median(best)))
    return figure


def _zoom(axes: Axes, scene: Scene, top: float, middle: float) -> None:
    """Show the part of the picture where the better half of the policies ends up."""
    span = max(top - middle, 0.005)
    bottom = middle - span
    axes.set_ylim(bottom, top + 0.3 * span)
    curves = [metric_curve(line.row, "accuracy_top1") for line in scene.lines]
    inside = [curve.iterations[curve.highest >= bottom][:1] for curve in curves]
    end = max(curve.iterations[-1] for curve in curves if not curve.empty)
    start = min((float(first[0]) for first in inside if len(first)), default=end)
    if start < end:
        axes.set_xlim(start - 0.03 * (end - start), end + 0.03 * (end - start))


def _confidence(scene: Scene) -> Figure:
    figure, left, right = scene.two_panels("Confidence in the correct answers")
    for axes, name in ((left, "average_confidence"), (right, "confidence_deviation")):
        scene.draw(axes, name)
        axes.set_ylabel(name.replace("_", " "))
        _in_percent(axes)
    return figure


_PICTURES: dict[str, Callable[[Scene], Figure]] = {
    "rates": _rates,
    "losses": _losses,
    "accuracy": _accuracy,
    "confidence": _confidence,
}


def _in_percent(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def prefixes(names: Sequence[str]) -> list[str]:
    """What file names begin with, where there are several workloads of these names."""
    if len(names) == 1:
        return [""]
    slugs = [re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:60] for name in names]
    return [f"{number}-{slug}-" for number, slug in enumerate(slugs, start=1)]


def save(figure: Figure, path: Path) -> None:
    """Write a picture; its folder is made if need be.

    Raises:
        ResultsError: it cannot be written.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content.getvalue())
    except OSError as error:
        where = path_text(path)
        raise ResultsError(f"cannot be written: {error.strerror}", where=where, remedy="change --plots") from error
