"""Every example in the docstrings of what ``import lrbench`` gives runs, and gives what it says."""

from __future__ import annotations

import doctest
import importlib

import pytest

import lrbench

MODULES = ["lrbench", "lrbench.policies.policy", "lrbench.library.results", "lrbench.library.recommending",
           "lrbench.library.training"]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.usefixtures("workplace")
def test_examples_of_the_documentation(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test for test in finder.find(module, extraglobs={"lrbench": lrbench}) if test.examples]
    assert examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in examples:
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def test_everything_that_lrbench_gives_has_an_example():
    for name in lrbench.__all__:
        given = getattr(lrbench, name)
        assert name == "LRBenchError" or ">>>" in given.__doc__, name
