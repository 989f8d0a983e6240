"""LRBench: a benchmark for learning-rate policies of neural-network training.

>>> import lrbench
>>> lrbench.Policy.parse("STEP(k0=0.1, gamma=0.5, l=1000)")(1500)
0.05

``run`` trains the runs of a spec or of a training function, ``tune`` and ``range`` search for policies and rates,
``attach`` gives a training program of your own its rates, ``Results`` and ``load_results`` read results, and
``recommend`` recommends policies for a workload. Every error that a user can cause is an ``LRBenchError``. Each part is
loaded when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrbench._version import __version__ as __version__

if TYPE_CHECKING:
    from lrbench.api.recommendations import recommend
    from lrbench.api.results import Results, load_results
    from lrbench.api.training import run
    from lrbench.api.tuning import range, tune
    from lrbench.errors import LRBenchError
    from lrbench.policies import Policy
    from lrbench.program.attached import attach

__all__ = ["LRBenchError", "Policy", "Results", "attach", "load_results", "range", "recommend", "run", "tune"]

_PLACES = {
    "attach": "lrbench.program.attached",
    "LRBenchError": "lrbench.errors",
    "Policy": "lrbench.policies",
    "Results": "lrbench.api.results",
    "load_results": "lrbench.api.results",
    "range": "lrbench.api.tuning",
    "recommend": "lrbench.api.recommendations",
    "run": "lrbench.api.training",
    "tune": "lrbench.api.tuning",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
