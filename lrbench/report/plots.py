"""Pictures of a report for a screen, as PNG files: rates, losses, accuracy and confidence against iterations.

The policies of a workload keep their colour and line style in all of its pictures; the best five are drawn thick.
Imports matplotlib, so only its user imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from lrbench.report.build import Report
from lrbench.report.panels import AS_USED, TOGETHER, Rates, policy_title
from lrbench.report.picture_file import drawing, write_picture
from lrbench.report.scene import Scene, plain_axes

COLUMNS = 4


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write four pictures a workload into the folder, which is made if need be; returns their paths.

    Raises:
        ResultsError: the folder or a file cannot be written.
    """
    written = []
    with drawing():
        for workload, prefix in zip(report.workloads, prefixes([each.label for each in report.workloads]), strict=True):
            scene = Scene.of(workload, report.metric)
            for name, draw in PICTURES.items():
                path = folder / f"{prefix}{name}.png"
                write_picture(draw(scene), path, "--plots")
                written.append(path)
    return written


def _rates(scene: Scene) -> Figure:
    """A panel for each policy."""
    rates = Rates.of(scene.lines)
    rows = -(-len(scene.lines) // COLUMNS)
    figure = Figure(figsize=(14, 1.0 + 1.9 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=rates.shared, squeeze=False).ravel()
    for place, line in enumerate(scene.lines):
        rates.draw(panels[place], place, line)
        panels[place].set_title(policy_title(line, 44), fontsize=8, loc="left")
        plain_axes(panels[place])
    for axes in panels[len(scene.lines) :]:
        axes.set_axis_off()
    scene.head(figure, "Learning rates by rank")
    figure.supxlabel(f"iteration{AS_USED if rates.sampled else ''}", fontsize=10)
    return figure


def _side_by_side(scene: Scene, name: str, title: str) -> Figure:
    """Two panels with all policies, and the legend to their right."""
    figure = Figure(figsize=(17, max(5.5, 1.7 + 0.19 * len(scene.lines))), layout="constrained")
    for axes, panel in zip(figure.subplots(1, 2), TOGETHER[name], strict=True):
        panel.fill(axes, scene)
        axes.set_xlabel("iteration")
        plain_axes(axes)
    scene.head(figure, title)
    figure.legend(
        [line.handle for line in scene.lines],
        [line.label for line in scene.lines],
        loc="outside right upper",
        title=scene.legend_title,
        alignment="left",
        handlelength=3,
        frameon=False,
        fontsize=8,
        title_fontsize=8,
    )
    return figure


PICTURES: dict[str, Callable[[Scene], Figure]] = {
    "rates": _rates,
    "losses": partial(_side_by_side, name="loss", title="Losses"),
    "accuracy": partial(_side_by_side, name="accuracy", title="Accuracy on the test set"),
    "confidence": partial(_side_by_side, name="confidence", title="Confidence in the correct answers"),
}


def prefixes(names: Sequence[str]) -> list[str]:
    """What file names begin with, where there are several workloads of these names."""
    if len(names) == 1:
        return [""]
    slugs = [re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:60] for name in names]
    return [f"{number}-{slug}-" for number, slug in enumerate(slugs, start=1)]
