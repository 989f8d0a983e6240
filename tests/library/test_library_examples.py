"""Every example in the docstrings of what ``import lrbench`` gives runs, and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest
from factories.fake_engine import FakeEngine

import lrbench
from lrbench.data import Prepared
from lrbench.executors import local

GUIDE = Path(__file__).resolve().parents[2] / "docs/how-to/use-lrbench-from-python.md"
MODULES = [
    "lrbench",
    "lrbench.policies.policy",
    "lrbench.program.attached",
    "lrbench.api.results",
    "lrbench.api.recommendations",
    "lrbench.api.training",
]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.usefixtures("workplace")
def test_examples_of_the_documentation(name):
    run_examples(name)


@pytest.mark.usefixtures("workplace")
def test_examples_of_searches(digits: Prepared, monkeypatch):
    engine = FakeEngine(diverges_above=0.5)
    monkeypatch.setattr(local, "open_engine", lambda name, site: engine)
    monkeypatch.setenv("LRBENCH_HOME", str(digits.folder.parents[1]))
    run_examples("lrbench.api.tuning")


def run_examples(name: str) -> None:
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test for test in finder.find(module, extraglobs={"lrbench": lrbench}) if test.examples]
    assert examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in examples:
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.usefixtures("workplace")
def test_examples_of_the_guide():
    text = "".join(re.findall(r"```pycon\n(.*?)```", GUIDE.read_text(), re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(text, {}, GUIDE.name, str(GUIDE), 0)
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0


def test_the_guide_names_what_there_is():
    text = GUIDE.read_text()
    for name in lrbench.__all__:
        assert f"| `lrbench.{name}" in text
    for name in re.findall(r"lrbench\.([A-Za-z_]+)", text):
        assert hasattr(lrbench, name) or name in ("library",), name
    for name in re.findall(r"\bresults\.([a-z_]+)", text):
        assert hasattr(lrbench.Results, name), name


def test_everything_that_lrbench_gives_has_an_example():
    for name in lrbench.__all__:
        given = getattr(lrbench, name)
        assert name == "LRBenchError" or ">>>" in given.__doc__, name
