"""Conformance suite for LR functions."""

from __future__ import annotations

import numpy as np
import pytest

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
