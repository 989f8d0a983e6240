"""A metric of another package is computed, ranked by and exported like LRBench's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from factories import fake_runs
from shown import json_report, terminal_report

from lrbench.errors import UsageError
from lrbench.metrics import registry
from lrbench.metrics.evaluation import evaluation_metrics
from lrbench.metrics.registry import METRICS, Evaluated, Metric, RunCurves
from lrbench.metrics.run import run_metrics
from lrbench.report.load import read_report

MEAN_ACCURACY = Metric(
    "mean_accuracy",
    "mean accuracy",
    "fraction",
    "mean of accuracy_top1 over the evaluations after iteration 0",
    higher_is_better=True,
    of_run=lambda run: float(np.nanmean(run.accuracy)),
)
BRIER = Metric(
    "brier_score",
    "Brier score",
    "loss",
    "mean squared distance of the probabilities from the true class",
    of_evaluation=lambda one: float(
        ((one.probabilities - np.eye(one.probabilities.shape[1])[one.labels]) ** 2).sum(1).mean()
    ),
)


@pytest.fixture
def installed(monkeypatch):
    """Has a package's metrics found by their entry points."""

    def install(*points):
        class Point:
            def __init__(self, name, loaded):
                self.name, self.value, self.group, self.loaded = name, f"package:{name}", "lrbench.metrics", loaded

            def load(self):
                if isinstance(self.loaded, Exception):
                    raise self.loaded
                return self.loaded

        found = [Point(*point) for point in points]
        monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "lrbench.metrics" else [])
        METRICS.__dict__.pop("_rows", None)

    yield install
    METRICS.__dict__.pop("_rows", None)


def test_a_metric_of_a_run_ranks_and_is_exported(installed, tmp_path):
    installed(("mean_accuracy", MEAN_ACCURACY))
    fake_runs.write_run(tmp_path, "FIX(k0=0.1)", [0.1, 0.2, 0.9])
    fake_runs.write_run(tmp_path, "FIX(k0=0.2)", [0.1, 0.8, 0.8])
    report = read_report([tmp_path], "mean_accuracy", None)
    assert [row.policy for row in report.workloads[0].policies] == ["FIX(k0=0.2)", "FIX(k0=0.1)"]
    assert "80.00" in terminal_report(report)
    assert json.loads(json_report(report))["policies"][0]["mean_accuracy"]["mean"] == pytest.approx(0.8)


def test_a_metric_of_an_evaluation_is_computed_and_nan_where_outputs_are_not_finite(installed):
    installed(("brier_score", BRIER))
    outputs = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = evaluation_metrics(Evaluated(outputs, np.array([0, 1]), 0.5, 0.5), METRICS.values())
    assert found["brier_score"] == pytest.approx((0.02 + 0.08) / 2)
    outputs[0, 0] = np.nan
    found = evaluation_metrics(Evaluated(outputs, np.array([0, 1]), 0.5, 0.5), METRICS.values())
    assert np.isnan(found["brier_score"])
    assert found["test_loss"] == 0.5
    curves = RunCurves({"iteration": np.array([0.0, 10.0]), "brier_score": np.array([0.9, 0.25])}, None)
    assert run_metrics(curves, METRICS.values())["brier_score"] == 0.25


@pytest.mark.parametrize(
    ("name", "loaded", "message"),
    [
        ("other", MEAN_ACCURACY, "package:other is not an lrbench.metrics.registry.Metric of that name"),
        ("best_accuracy", "text", "is not an lrbench.metrics.registry.Metric of that name"),
        ("absent", ImportError("no module named x"), "package:absent cannot be loaded: ImportError: no module named x"),
    ],
)
def test_what_is_no_metric_is_refused(installed, name, loaded, message):
    installed((name, loaded))
    with pytest.raises(UsageError, match=message):
        METRICS.get("best_accuracy")
