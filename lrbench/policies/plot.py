"""A picture of policies' rates. Imports matplotlib, so only its user imports it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lrbench.policies.picture import Picture, check_suffix
from lrbench.policies.values import RatePolicy

MOST_POINTS = 200_000
"""Points a curve; of a longer run only every n-th iteration is drawn, so that the file stays small."""
LEGEND_CHARACTERS = 110
WIDTH_INCHES, PLOT_INCHES, LINE_INCHES = 9.0, 4.5, 0.17


def plot_rates(policies: Sequence[RatePolicy], iterations: int, path: Path) -> None:
    """Draw the rates of ``policies`` over a run to ``path``: PNG, SVG or PDF by its suffix.

    Raises:
        PolicyError: a policy that is impossible in that run.
        UsageError: another suffix, or a path that cannot be written.
    """
    check_suffix(path)
    draw_rates(policies, iterations).save(path, "choose another -o")


def draw_rates(policies: Sequence[RatePolicy], iterations: int) -> Picture:
    """The rates of ``policies`` over a run, as a picture.

    Raises:
        PolicyError: a policy that is impossible in that run.
    """
    for policy in policies:
        policy.check(iterations)
    return Picture(_figure(policies, np.arange(0, iterations, -(-iterations // MOST_POINTS)), iterations))


def _figure(policies: Sequence[RatePolicy], t: np.typing.NDArray[np.int64], iterations: int) -> Figure:
    """The curves, with the whole canonical texts below them: they are too long to stand inside."""
    labels = [textwrap.fill(policy.text, LEGEND_CHARACTERS, subsequent_indent="    ") for policy in policies]
    legend_inches = LINE_INCHES * (sum(label.count("\n") + 1 for label in labels) + 1)
    figure = Figure(figsize=(WIDTH_INCHES, PLOT_INCHES + legend_inches), layout="constrained")
    axes = figure.add_subplot()
    # Ten colours, then the same ten in another line style: forty curves that differ.
    axes.set_prop_cycle(cycler(linestyle=["-", "--", ":", "-."]) * matplotlib.rcParamsDefault["axes.prop_cycle"])
    for policy, label in zip(policies, labels, strict=True):
        axes.plot(t, policy.rates(t, iterations), label=label, linewidth=1.2)
    axes.set(xlabel="iteration", ylabel="learning rate", xlim=(0, max(iterations - 1, 1)))
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))  # none between two iterations
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower left", frameon=False, prop={"family": "monospace", "size": 7})
    return figure
