"""Two tiers of tests, those that start an engine's or another Python's process and those that do not; ``--tier`` selects.

Most tests need not say which they are: the marker ``engines`` is set where a test is marked ``caffe``, or where its code,
its fixtures or the functions of the tests that they call use a name of ``PROCESSES``. What trains through the command
line or the library in pytest's own process carries the marker itself; a test without it that starts a module of this
Python, such as a worker, fails.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

TESTS = Path(__file__).parent
LONGEST_ID = 200
PROCESSES = {
    "subprocess",
    "webdriver",
    "postgresql",
    "caffe_environment",
    "CaffeEngine",
    "TorchEngine",
    "Folder",
    "ProgramFolder",
    "multiprocessing",
}
OPTIMIZERS = "optim"
"""Name in tests that make an optimizer of PyTorch, for the first of which a process loads PyTorch's compiler."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=("fast", "engines"), help="only tests that start no process, or that do")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Cut the ids of long texts, which each worker sends to the others: some tests take megabytes."""
    if not isinstance(val, (str, bytes)) or len(val) <= LONGEST_ID:
        return None
    start = val[:40] if isinstance(val, str) else val[:40].decode("latin-1")
    return f"{start}... ({len(val)})"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that start processes and run them first, without the other tier; keep what shares a fixture together."""
    tier = config.getoption("--tier")
    for item in items:
        shared = [fixtures[-1] for fixtures in _fixtures(item).values() if fixtures[-1].scope == "module"]
        reached = _names_reached(item)
        group = shared[0].baseid if shared else OPTIMIZERS if OPTIMIZERS in reached else None
        if group and not item.get_closest_marker("xdist_group"):  # made once, not by each worker
            item.add_marker(pytest.mark.xdist_group(group))
        if item.get_closest_marker("caffe") or not PROCESSES.isdisjoint(reached):
            item.add_marker("engines")
    if tier:
        chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
        for item in items:
            chosen[(tier == "engines") == bool(item.get_closest_marker("engines"))].append(item)
        config.hook.pytest_deselected(items=chosen[False])
        items[:] = chosen[True]
    items.sort(key=lambda item: item.get_closest_marker("engines") is None)  # a long test at the end has one core only


def _fixtures(item: pytest.Item) -> Mapping[str, Sequence[pytest.FixtureDef[Any]]]:
    return item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}


def _names_reached(item: pytest.Item) -> set[str]:
    """Every name that the code of a test uses, that of its fixtures, and that of what of the tests they use."""
    assert isinstance(item, pytest.Function)
    group = item.get_closest_marker("xdist_group")
    functions = [item.function, *(fixtures[-1].func for fixtures in _fixtures(item).values())]
    reached = (_reached(function, item.cls) for function in functions)
    return {*item.fixturenames, *(group.args if group else ())}.union(*reached)


@cache
def _reached(start: Any, test_class: type | None) -> set[str]:
    found: set[str] = set()
    left, seen = [start], {id(start)}
    while left:
        function = inspect.unwrap(left.pop())
        used: Iterable[Any] = ()
        if isinstance(function, type):
            found |= {base.__name__ for base in function.__mro__}
            used = vars(function).values()
        elif isinstance(function, FunctionType) and _of_tests(function):
            names = _names(function.__code__)
            found |= names
            used = [*map(function.__globals__.get, names), *(getattr(test_class, name, None) for name in names)]
        new = [value for value in used if isinstance(value, (FunctionType, type)) and id(value) not in seen]
        left += new
        seen.update(map(id, new))
    return found


def _of_tests(function: FunctionType) -> bool:
    return function.__code__.co_filename.startswith(str(TESTS))


@cache
def _names(code: CodeType) -> frozenset[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return frozenset(code.co_names).union(*inner)


STARTED: list[str] = []


def _note_process(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and {sys.executable, "-m"} <= set(arguments[1]):
        STARTED.append(str(arguments[1]))


sys.addaudithook(_note_process)


@pytest.fixture(autouse=True)
def no_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test of the tier ``fast`` that starts a module of this Python."""
    STARTED.clear()
    yield
    if not request.node.get_closest_marker("engines"):
        assert STARTED == [], "this test starts a process: mark it with pytest.mark.engines"
