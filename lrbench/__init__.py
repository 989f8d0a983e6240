"""LRBench: a benchmark for learning-rate policies of neural-network training.

>>> import lrbench
>>> lrbench.Policy.parse("STEP(k0=0.1, gamma=0.5, l=1000)")(1500)
0.05

``run`` trains what a spec describes, ``Results`` and ``load_results`` read what came of it, and ``recommend`` names
policies for a workload. Whatever a user can cause is raised as an ``LRBenchError``. Each part is loaded when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrbench._version import __version__ as __version__

if TYPE_CHECKING:
    from lrbench.errors import LRBenchError
    from lrbench.library.recommending import recommend
    from lrbench.library.results import Results, load_results
    from lrbench.library.training import run
    from lrbench.policies import Policy

__all__ = ["LRBenchError", "Policy", "Results", "load_results", "recommend", "run"]

_PLACES = {
    "LRBenchError": "lrbench.errors",
    "Policy": "lrbench.policies",
    "Results": "lrbench.library.results",
    "load_results": "lrbench.library.results",
    "recommend": "lrbench.library.recommending",
    "run": "lrbench.library.training",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
