"""Data of the page of a search: each policy by rate, LR function and length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrbench.drawing.theme import page_theme
from lrbench.metrics.objective import Objective
from lrbench.tuning.importance import Traits


def charts(tried: Sequence[Traits], objective: Objective) -> dict[str, Any]:
    """Return the data of the parallel coordinates and slices: axes, the value's axis, and the policies.

    Args:
        tried: policies that were trained to their end.
    """
    scale = 100 if objective.unit == "fraction" else 1
    policies = [
        {
            "policy": one.policy,
            "rate": one.rate,
            "function": one.function,
            "length": one.length,
            "value": scale * one.value,
        }
        for one in tried
    ]
    functions = list(dict.fromkeys(one.function for one in tried))
    return {
        "theme": page_theme(),
        "best": 1 if objective.goal == "maximize" else -1,
        "axes": [
            {"key": "rate", "title": "rate", "log": True, **_ends([one.rate for one in tried])},
            {"key": "function", "title": "LR function", "categories": functions},
            {"key": "length", "title": "length", "low": 0.0, "high": 1.0},
        ],
        "value": {
            "key": "value",
            "title": objective.title + (" %" if scale == 100 else ""),
            **_ends([scale * one.value for one in tried]),
        },
        "policies": policies,
    }


def _ends(values: Sequence[float]) -> dict[str, float]:
    return {"low": min(values), "high": max(values)}
