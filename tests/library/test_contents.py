"""Hash of a function with all that decides its results, and refusals of values that cannot be sent."""

from __future__ import annotations

import functools
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrbench.api.contents import Contents
from lrbench.errors import UsageError


def of_notebook(source: str, **values: Any) -> Any:
    """Return ``f`` of a cell with that source, whose names have those values."""
    cell = {"__name__": "__main__", **values}
    exec(compile(source, "<cell>", "exec"), cell)
    return cell["f"]


def sha256(function: Any) -> str:
    return Contents(function, Path("/nowhere")).sha256


USES = "def f():\n    return x\n"
CLASS = "class A:\n    n = {n}\n    def g(self): return super().__repr__()\ndef f(): return A()\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of_notebook("def f(): return 1"), of_notebook("def f(): return 2")),
        (of_notebook("def f(x=1): return x"), of_notebook("def f(x=2): return x")),
        (of_notebook("def f(*, x=1): return x"), of_notebook("def f(*, x=2): return x")),
        (of_notebook("def f(a, b): return a - b"), of_notebook("def f(b, a): return a - b")),
        (of_notebook("def f(x): return x.a"), of_notebook("def f(x): return x.b")),
        (of_notebook(USES, x=1), of_notebook(USES, x=True)),
        (of_notebook(USES, x=[1, {"a": (2.0,)}]), of_notebook(USES, x=[1, {"a": (2.5,)}])),
        (of_notebook(USES, x=np.arange(4)), of_notebook(USES, x=np.arange(4).reshape(2, 2))),
        (of_notebook(USES, x=np.arange(4)), of_notebook(USES, x=np.arange(4, dtype=np.int16))),
        (of_notebook(USES, x=np.random.default_rng(0)), of_notebook(USES, x=np.random.default_rng(1))),
        (of_notebook(USES, x={"a", "b"}), of_notebook(USES, x={"a", "c"})),
        (of_notebook(USES, x=re.compile("a")), of_notebook(USES, x=re.compile("b"))),
        (of_notebook(USES, x=functools.partial(int, base=2)), of_notebook(USES, x=functools.partial(int, base=8))),
        (of_notebook(USES, x=of_notebook("def f(): return 1")), of_notebook(USES, x=of_notebook("def f(): return 3"))),
        (of_notebook(CLASS.format(n=1)), of_notebook(CLASS.format(n=2))),
        (
            of_notebook("def make(y):\n  return lambda: y\nf = make(1)"),
            of_notebook("def make(y):\n  return lambda: y\nf = make(2)"),
        ),
        (
            of_notebook("def f(): return [g() for _ in range(3)]\ndef g(): return 1"),
            of_notebook("def f(): return [g() for _ in range(3)]\ndef g(): return 2"),
        ),
    ],
)
def test_another_function_or_value_is_another_hash(one, other):
    assert sha256(one) != sha256(other)


SAME = [
    ("def f(x):\n    return x + 1", "def f(x):\n    # adds one\n\n    return (x + 1)"),
    ("y = 1\ndef f(x): return x.y", "y = 2\ndef f(x): return x.y"),
    ("def f(): return f()", "def f():\n  return f()"),
    ("class A:\n  def g(self): return A()\nf = A", "\n\nclass A:\n  def g(self): return A()\nf = A"),
    (
        "import dataclasses\n@dataclasses.dataclass\nclass f:\n  x: int = 3",
        "import dataclasses\n@dataclasses.dataclass\nclass f:\n  x: int = 3",
    ),
    (
        "import enum\nclass E(enum.Enum):\n  A = 1\ndef f(): return E.A",
        "import enum\nclass E(enum.Enum):\n  A = 1\ndef f(): return E.A",
    ),
    (
        "import abc\nclass f(abc.ABC):\n  @abc.abstractmethod\n  def g(self): ...",
        "import abc\nclass f(abc.ABC):\n  @abc.abstractmethod\n  def g(self): ...",
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_comment_or_an_unused_global_changes_nothing(one, other):
    assert sha256(of_notebook(one)) == sha256(of_notebook(other))


def test_tensors_and_modules_of_pytorch_count_by_their_values():
    torch = pytest.importorskip("torch")

    def with_model(bias: float) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()).to(torch.bfloat16)
        torch.nn.init.constant_(model[0].bias, bias)
        return of_notebook("def f(): return x, torch.relu, torch.nn.functional.cross_entropy", x=model, torch=torch)

    assert sha256(with_model(1.0)) == sha256(with_model(1.0)) != sha256(with_model(2.0))


def refusal(function: Any) -> str:
    with pytest.raises(UsageError) as refused:
        Contents(function, Path("/nowhere"))
    return str(refused.value)


def test_what_cannot_travel_is_named(tmp_path):
    with (tmp_path / "log.txt").open("w") as file:
        assert refusal(of_notebook(USES, x=file)) == (
            "f cannot be sent to the process that trains: x, which f uses, is an open file; "
            "make it inside of f, or put f into a file and import it"
        )
        assert "x, which f uses, holds an open file;" in refusal(of_notebook(USES, x={"log": [file]}))
    assert "x, which f uses, is a lock;" in refusal(of_notebook(USES, x=threading.Lock()))
    assert "x, which f uses, is a lock;" in refusal(of_notebook(USES, x=threading.RLock()))
    assert "x, which f uses, is a generator;" in refusal(of_notebook(USES, x=(each for each in "ab")))
    assert "x, which f uses, is an object of the type " in refusal(of_notebook(USES, x=memoryview(b"a")))
    cached = of_notebook("import functools\n@functools.lru_cache\ndef f(): return 1")
    assert "x, which f uses, is an object of the type _lru_cache_wrapper (pickled by its name" in refusal(
        of_notebook(USES, x=cached)
    )
    assert "lambda cannot be sent to the process that trains: g, which lambda uses, is a generator;" in refusal(
        of_notebook("def make(g):\n  return lambda: g\nf = make(iter_())", iter_=lambda: (each for each in "ab"))
    )


def test_a_tensor_on_another_device_is_named():
    torch = pytest.importorskip("torch")
    assert "x, which f uses, is a tensor on meta;" in refusal(of_notebook(USES, x=torch.empty(1, device="meta")))
    assert "x, which f uses, holds a tensor on meta;" in refusal(
        of_notebook(USES, x=torch.nn.Linear(1, 1, device="meta"))
    )
