"""Conformance suites for engines, LR functions and data sets, to be inherited by the tests of other packages.

LRBench's own are held to the same suites. They need pytest:

>>> import pytest
>>> from lrbench.testing import FunctionConformance
>>> class TestHalving(FunctionConformance):
...     @pytest.fixture
...     def function(self):
...         return HALVING
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("lrbench.testing.engines", "lrbench.testing.functions")

from lrbench.testing.engines import EngineConformance, ProcessEngineConformance, make_job, thin_lenet  # noqa: E402  after the rewriting of its assertions
from lrbench.testing.functions import DataSetConformance, FunctionConformance  # noqa: E402

__all__ = [
    "DataSetConformance",
    "EngineConformance",
    "FunctionConformance",
    "ProcessEngineConformance",
    "make_job",
    "thin_lenet",
]
