"""A picture of policies' rates. Imports matplotlib, so only its user imports it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from lrbench.drawing.axes import plain_axes, rate_axis
from lrbench.drawing.save import Picture, drawing
from lrbench.drawing.scales import rate_scale
from lrbench.drawing.theme import LABEL_POINTS, TICK_POINTS, screen_look
from lrbench.policies.values import RatePolicy

MOST_POINTS = 200_000
"""Points a curve; of a longer run only every n-th iteration is drawn, so that the file stays small."""
LEGEND_CHARACTERS = 110
WIDTH_INCHES, PLOT_INCHES, LINE_INCHES = 9.0, 4.5, 0.17


def draw_rates(policies: Sequence[RatePolicy], iterations: int) -> Picture:
    """Draw the rates of ``policies`` over a run, with the whole canonical texts below: they are too long for inside.

    Raises:
        PolicyError: a policy that is impossible in that run.
    """
    for policy in policies:
        policy.check(iterations)
    t = np.arange(0, iterations, -(-iterations // MOST_POINTS))
    rates = [policy.rates(t, iterations) for policy in policies]
    labels = [textwrap.fill(policy.text, LEGEND_CHARACTERS, subsequent_indent="    ") for policy in policies]
    legend_inches = LINE_INCHES * (sum(label.count("\n") + 1 for label in labels) + 1)
    with drawing():
        figure = Figure(figsize=(WIDTH_INCHES, PLOT_INCHES + legend_inches), layout="constrained")
        axes = figure.add_subplot()
        for index, (label, values) in enumerate(zip(labels, rates, strict=True)):
            axes.plot(t, values, label=label, **screen_look(index))
        axes.set_xlim(0, max(iterations - 1, 1))
        axes.set_xlabel("iteration", fontsize=LABEL_POINTS)
        axes.set_ylabel("learning rate", fontsize=LABEL_POINTS)
        plain_axes(axes)
        rate_axis(axes, rate_scale(rates))
        font = {"family": "monospace", "size": TICK_POINTS - 1}
        figure.legend(loc="outside lower left", frameon=False, handlelength=4, prop=font)
    return Picture(figure)
