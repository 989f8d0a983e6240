"""Made-up results for the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from lrbench.metrics.registry import METRICS
from lrbench.report.build import Report, build_report
from lrbench.report.load import load
from lrbench.report.page.document import page_document

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def report() -> Callable[..., Report]:
    """The report of the runs in a folder."""

    def build(results: Path, metric: str = "best_accuracy") -> Report:
        loaded = load([results])
        return build_report(loaded.runs, METRICS[metric], [results], [*loaded.problems, *loaded.notes])

    return build


@pytest.fixture
def page(report: Callable[..., Report]) -> Callable[..., dict[str, Any]]:
    """What the page shows of the runs in a folder."""
    return lambda results, metric="best_accuracy": page_document(report(results, metric), MADE)


@pytest.fixture
def shown() -> Callable[[dict[str, Any], str], Sequence[str]]:
    """The texts of a column of the first workload, from the best policy on."""

    def column(document: dict[str, Any], title: str) -> Sequence[str]:
        workload = document["workloads"][0]
        place = workload["columns"].index(title)
        return [row["cells"][place] for row in workload["rows"]]

    return column
