"""The robustness of policies against the scale of their rates, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from lrbench.metrics.run import Robustness
from lrbench.report.build import WorkloadTable
from lrbench.report.formats import NOTHING, marked, number
from lrbench.report.style import Style

_ROBUSTNESS = (
    "lr_scale_robustness: best accuracy in % with the rates scaled, of the runs that did not diverge, "
    "and the spread over the scales"
)


def robustness_section(workload: WorkloadTable, style: Style) -> Iterable[str]:
    """The accuracies by scale, the spread over them, and why it is unknown; nothing where no scale was asked for."""
    rows = [(row, row.robustness) for row in workload.policies if row.robustness is not None]
    if not rows:
        return
    scales = sorted({scale for _, robustness in rows for scale in robustness.accuracies})
    cells = []
    for row, robustness in rows:
        means = [
            marked(_percent(robustness.accuracies.get(scale)), robustness.diverged.get(scale, 0), row.runs_at(scale))
            for scale in scales
        ]
        cells.append([style.policy(workload.identity(row)), _percent(robustness.spread), *means])
    yield style.paragraph(_ROBUSTNESS)
    yield style.table(["policy", "spread", *(f"x{scale:g}" for scale in scales)], cells)
    unknown = [
        f"{workload.name(row)} at {', '.join(why)}" for row, robustness in rows if (why := _why_no_spread(robustness))
    ]
    if unknown:
        yield style.paragraph(f"no spread, because of {style.clean('; '.join(unknown))}")


def _why_no_spread(robustness: Robustness) -> list[str]:
    return [
        f"x{scale:g} ({'diverged' if scale in robustness.diverged else 'no accuracy'})"
        for scale in robustness.accuracies
        if scale in robustness.diverged or scale in robustness.missing
    ]


def _percent(value: float | None) -> str:
    return NOTHING if value is None else number(value, "fraction")
