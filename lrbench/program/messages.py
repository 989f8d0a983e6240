"""Messages about a program and its evaluations, the same for every kind of program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lrbench.program.process import sources, usage


def settings(alone: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a spec for the program can begin with.

    Args:
        alone: the policy, the iterations and the interval of evaluations of a program that runs by itself, as far as it
            has them.
        arguments: the program's arguments; those that a spec cannot hold are left out.
    """
    lengths = {name: alone[name] for name in ("iterations", "evaluate_every") if hasattr(alone.get(name), "__int__")}
    found: dict[str, Any] = {name: int(value) for name, value in lengths.items()}
    if alone.get("policy") is not None:
        found["policy"] = str(alone["policy"])
    kept = {
        name: value
        for name, value in arguments.items()
        if name.isidentifier() and (type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)))
    }
    return {"alone": found, "arguments": kept}


def used() -> dict[str, Any]:
    """Return the message of an evaluation by itself: what this process has used up to it."""
    return {"event": "evaluated", **usage()}


def evaluation(metrics: Mapping[str, float], probabilities: Any, labels: Any) -> tuple[dict[str, Any], bytes]:
    """Return the message of an evaluation and the bytes behind it."""
    message: dict[str, Any] = {
        **used(),
        "metrics": {name: repr(float(value)) for name, value in metrics.items()},
        "sources": sources(),
    }
    if probabilities is None:
        return message, b""
    message["shape"], payload = outputs_as_bytes(probabilities, labels)
    return message, payload


def outputs_as_bytes(probabilities: Any, labels: Any) -> tuple[list[int], bytes]:
    """Return the shape of the probabilities, and both arrays as bytes."""
    import numpy as np

    def plain(values: Any) -> Any:
        return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)

    outputs, truth = plain(probabilities).astype("<f4"), plain(labels)
    if outputs.ndim != 2 or truth.shape != outputs.shape[:1] or not len(truth):
        raise ValueError(
            f"run.report takes probabilities of the shape (N, C) and labels of the shape (N,), but these are "
            f"{outputs.shape} and {truth.shape}"
        )
    if truth.min() < 0 or truth.max() >= outputs.shape[1] or (truth != truth.astype("<i8")).any():
        raise ValueError(f"run.report takes labels that are whole numbers from 0 to {outputs.shape[1] - 1}")
    return list(outputs.shape), outputs.tobytes() + truth.astype("<i8").tobytes()
