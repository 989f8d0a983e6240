"""Reports of made-up runs, in memory: for tests of what is written from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_runs
import numpy as np
from hypothesis import strategies as st

from lrbench.metrics.registry import all_metrics, metric_named
from lrbench.report.build import Report, build_report
from lrbench.report.rows import RunRow
from lrbench.runs.status import OUTCOMES

POLICIES = (
    "FIX(k0=0.01)",
    "TRI(k0=0.01, k1=0.06, l=2000)",
    "SINEXP(k0=0.001, k1=0.05, gamma=0.995, l=75)",
    "a|b_c & 50% #1 {x} ~^ \\end{tabular}",
    "$\\frac{1}{2}$ <b>`q`</b> [x]* -- \"'",
)
"""Some of them would do harm in markdown, HTML, LaTeX or a shell."""


def run_row(policy: str, accuracies: Sequence[float | None], **values: Any) -> RunRow:
    """A run with an evaluation every 500 iterations, the first of several at iteration 0; None is NaN."""
    first = 0 if len(accuracies) > 1 else 1
    rows = [fake_runs.evaluation(500 * place, accuracy) for place, accuracy in enumerate(accuracies, start=first)]
    names = rows[0] if rows else {"iteration": None}
    evaluations = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}
    target = values.get("target")
    seed = values.get("seed", 0)
    given = {"solver": {"type": "SGD"}, "engine": fake_runs.ENGINE, "status": "finished", "target": None, **values}
    known: dict[str, Any] = {
        "path": Path(f"results/{len(policy)}-{seed}"),
        "run_id": f"r-{seed}",
        "experiment": "made up",
        "policy": policy,
        "function": policy.partition("(")[0],
        "lr_scale": 1.0,
        "seed": seed,
        "workload": fake_runs.WORKLOAD,
        "reason": None,
        "iteration": 500 * max(0, len(rows) - 1),
        "scales": (),
        "evaluations": evaluations,
        "metrics": all_metrics(evaluations, target),
    }
    return RunRow(**{**known, **given})


def report_of(runs: Sequence[RunRow], metric: str = "best_accuracy") -> Report:
    """The report of such runs."""
    return build_report(runs, metric_named(metric), [Path("results")])


ACCURACIES = st.lists(st.one_of(st.none(), st.floats(0, 1).map(lambda value: round(value, 4))), max_size=4)


@st.composite
def made_up_reports(draw: st.DrawFn) -> Report:
    """Up to five policies under one or two solvers, one to three seeds each, of any status, NaN among the values."""
    solvers = draw(st.sampled_from([("SGD",), ("SGD", "Adam")]))
    target = draw(st.sampled_from([None, 0.5]))
    times = [] if target is None else ["iterations_to_target", "seconds_to_target"]
    metric = draw(st.sampled_from(["best_accuracy", "final_accuracy", "iterations_to_best", "test_loss", *times]))
    status = st.sampled_from([*sorted(OUTCOMES), *sorted(OUTCOMES), "running", "failed"])
    runs = [
        run_row(policy, draw(ACCURACIES), seed=seed, status=draw(status), solver={"type": solver}, target=target)
        for policy in draw(st.lists(st.sampled_from(POLICIES), min_size=1, max_size=5, unique=True))
        for solver in solvers
        for seed in range(draw(st.integers(1, 3)))
    ]
    return report_of(runs, metric)
