"""Every setting that policies are compared over: what is equal is one table, and what differs are its values."""

from __future__ import annotations

import pytest
from factories import fake_runs
from factories.made_up_reports import report_of, run_row
from shown import terminal_comparison

from lrbench.errors import ResultsError
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"


def compared(key, *variants, seeds=3):
    """Two policies with each of the variants of a run, the second better with the last variant."""
    runs = [
        run_row(policy, [0.1, 0.9 + place / 50 * number + seed / 1000], seed=seed, **variant)
        for number, variant in enumerate(variants)
        for place, policy in enumerate((FIX, TRI))
        for seed in range(seeds)
    ]
    return compare(report_of(runs), AXES[key])


def test_batch_sizes_in_the_order_of_their_numbers():
    variants = [{"workload": {**fake_runs.WORKLOAD, "batch_size": size}} for size in (100, 20, 1000)]
    (table,) = compared("batch_size", *variants).tables
    assert table.values == ("20", "100", "1000")
    assert table.label == "lenet on MNIST, 2,000 iterations"
    assert [found.ranks for found in table.standings if found.policy == TRI] == [{"20": 1, "100": 1, "1000": 1}]


def test_data_sets_are_named_by_their_labels():
    variants = [
        {"workload": {**fake_runs.WORKLOAD, "dataset": {"name": name, "label": name.upper(), "sha256": name}}}
        for name in ("mnist", "cifar10")
    ]
    (table,) = compared("dataset", *variants).tables
    assert table.values == ("CIFAR10", "MNIST")
    assert table.label == "lenet, batch 100, 2,000 iterations"


def test_devices_of_one_engine():
    variants = [{"engine": {**fake_runs.ENGINE, "device": device}} for device in ("gpu", "cpu")]
    found = compared("device", *variants)
    (table,) = found.tables
    assert table.values == ("cpu", "gpu")
    assert "measured with device cpu, caffe" in " ".join(terminal_comparison(found).split())


def test_what_differs_in_anything_else_is_another_table():
    small, large = ({**fake_runs.WORKLOAD, "batch_size": size} for size in (20, 100))
    variants = [
        {"workload": workload, "solver": {"type": name}} for workload in (small, large) for name in ("SGD", "Adam")
    ]
    found = compared("batch_size", *variants)
    assert [table.label for table in found.tables] == [
        f"lenet on MNIST, 2,000 iterations, {solver}" for solver in ("Adam", "SGD")
    ]


@pytest.mark.parametrize("key", AXES)
def test_one_value_is_nothing_to_compare(key):
    with pytest.raises(
        ResultsError, match=f"all runs are of one {AXES[key].title}, .*, so there is nothing to compare"
    ):
        compared(key, {})
