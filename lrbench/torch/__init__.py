"""LRBench in PyTorch: ``PolicyLR``, a scheduler with a policy's rates, and ``Training``, the parts of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrbench.program.training import Training
    from lrbench.torch.policy_lr import PolicyLR

__all__ = ["PolicyLR", "Training"]

_PLACES = {"PolicyLR": "lrbench.torch.policy_lr", "Training": "lrbench.program.training"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
