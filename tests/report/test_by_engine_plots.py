"""The pictures of engines side by side: which files, what is drawn, and that no label does harm."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from factories import fake_runs

from lrbench.errors import ResultsError
from lrbench.metrics.registry import metric_named
from lrbench.report.build import build_report
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare
from lrbench.report.figures.comparison import curve, median_curve, write_comparison_figures
from lrbench.report.load import load
from lrbench.runs.usage import Sample

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=200)"


def compared(results):
    loaded = load([results])
    return compare(build_report(loaded.runs, metric_named("best_accuracy"), [results]), AXES["engine"])


def write(results, engine, policy, accuracies, *, usage="", **options):
    run_id = f"{len(list(results.rglob('run.json')))}"
    made = {"engine": {**fake_runs.ENGINE, "name": engine}, "run_id": run_id, **options}
    (fake_runs.write_run(results, policy, accuracies, **made) / "usage.jsonl").write_text(usage)


USAGE = "".join(f'{{"seconds": {second}, "cpu_percent": 99, "memory_bytes": 3e8}}\n' for second in range(1, 20))


@pytest.mark.parametrize("usage", ["", '{"seconds": 1}\n', USAGE, USAGE.replace("}", ', "gpu_memory_bytes": 5e8}')])
def test_two_pictures_whatever_was_sampled(tmp_path, unrendered, usage):
    for engine in ("caffe", "torch"):
        write(tmp_path / "results", engine, FIX, [0.1, 0.9], usage=usage)
        write(tmp_path / "results", engine, TRI, [None], status="diverged")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = write_comparison_figures(compared(tmp_path / "results"), tmp_path / "new/plots")
    assert [path.name for path in written] == ["engines-usage.png", "engines-accuracy.png"]


def test_each_workload_has_its_own_and_labels_are_no_formulas(tmp_path):
    for engine in ("caffe", "$\\frac{1}{$", "_hidden"):
        write(tmp_path, engine, "学习率 \x1b[31m $x$", [0.9])
        write(tmp_path, engine, FIX, [0.9], workload={**fake_runs.WORKLOAD, "net": {"name": "../x", "sha256": "d"}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = write_comparison_figures(compared(tmp_path), tmp_path / "new/plots")
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in written][::2] == [
        "1-x-on-mnist-batch-100-2-000-iterations-engines-usage.png",
        "2-lenet-on-mnist-batch-100-2-000-iterations-engines-usage.png",
    ]


def test_a_run_has_no_value_after_its_end_and_none_where_it_is_not_known():
    one = curve([Sample(1, 10), Sample(2), Sample(3, 30)], "cpu_percent")
    assert [column.tolist() for column in one] == [[1, 3], [10, 30]]
    runs = [one, (np.array([1.0, 5.0]), np.array([50.0, 50.0])), (np.array([1.0, 9.0]), np.array([90.0, 90.0]))]
    seconds, values = median_curve(runs)
    assert (seconds[0], seconds[-1]) == (1.0, 5.0)  # two of the three get there
    assert values[0] == 50.0
    assert values[-1] == 70.0  # the mean of the two that are left


def test_a_folder_that_cannot_be_written(tmp_path):
    for engine in ("caffe", "torch"):
        write(tmp_path / "results", engine, FIX, [0.9])
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot be written"):
        write_comparison_figures(compared(tmp_path / "results"), tmp_path / "file")
