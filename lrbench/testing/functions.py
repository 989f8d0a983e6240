"""Conformance suites for LR functions and data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrbench.data import DataSet, Sources
from lrbench.data.arrays import Arrays
from lrbench.errors import PolicyError
from lrbench.policies import Function, Policy, parse_policy, policy_from_mapping

ITERATIONS = 10_000
T = np.arange(200)


class FunctionConformance:
    """An LR function describes itself, reads back from both forms, and is pure.

    A subclass gives the fixture ``function``.
    """

    @pytest.fixture
    def example(self, function: Function) -> Policy:
        return parse_policy(function.example)

    def test_it_describes_itself(self, function: Function) -> None:
        assert function.formula
        assert function.summary
        assert function.source

    def test_its_example_is_canonical_and_possible(self, function: Function, example: Policy) -> None:
        assert example.text == str(example) == function.example
        example.check(ITERATIONS)

    def test_it_reads_back_from_both_forms(self, example: Policy) -> None:
        assert parse_policy(example.text) == policy_from_mapping(example.mapping) == example

    def test_its_rates_are_finite_and_a_pure_function_of_the_iteration(
        self, function: Function, example: Policy
    ) -> None:
        if function.rates is None:
            pytest.skip("reacts to evaluations")
        together = example.rates(T, ITERATIONS)
        assert together.dtype == np.float64
        assert np.isfinite(together).all()
        alone = [float(example.rates([t], ITERATIONS)[0]) for t in T[::-1]]
        assert alone[::-1] == together.tolist()

    def test_missing_and_unknown_parameters_are_refused(self, function: Function, example: Policy) -> None:
        mapping = example.mapping
        for parameter in function.parameters:
            if parameter.required:
                with pytest.raises(PolicyError, match=parameter.name):
                    policy_from_mapping({key: value for key, value in mapping.items() if key != parameter.name})
        with pytest.raises(PolicyError, match="not_a_parameter"):
            policy_from_mapping({**mapping, "not_a_parameter": 1})


class DataSetConformance:
    """A data set describes itself and reads the same trainable arrays each time.

    A subclass gives the fixture ``data_set``, and ``files`` where it reads a folder of the user's.
    """

    @pytest.fixture
    def files(self) -> Path | None:
        return None

    @pytest.fixture
    def arrays(self, data_set: DataSet, files: Path | None, tmp_path: Path) -> Arrays:
        return data_set.read(Sources(files, tmp_path))

    def test_it_describes_itself(self, data_set: DataSet) -> None:
        assert data_set.title
        assert len(data_set.summary.splitlines()) == 1

    def test_its_arrays_can_be_trained_on(self, data_set: DataSet, arrays: Arrays) -> None:
        arrays.check()
        assert data_set.shape in (None, arrays.train.shape)
        assert set(arrays.test.labels.tolist()) <= set(arrays.train.labels.tolist())

    def test_it_reads_the_same_each_time(
        self, data_set: DataSet, arrays: Arrays, files: Path | None, tmp_path: Path
    ) -> None:
        again = data_set.read(Sources(files, tmp_path))
        for first, second in ((arrays.train, again.train), (arrays.test, again.test)):
            assert (first.images == second.images).all()
            assert (first.labels == second.labels).all()
