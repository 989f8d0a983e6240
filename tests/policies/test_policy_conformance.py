"""LRBench's own LR functions pass the suite that those of other packages are given."""

from __future__ import annotations

import pytest

from lrbench.policies import functions
from lrbench.testing import FunctionConformance


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.name)
class TestFunctions(FunctionConformance):
    """Each function of the table."""
