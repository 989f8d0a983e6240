"""Messages about an evaluation, the same for every kind of program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrbench.program.process import sources, usage


def evaluation(metrics: Mapping[str, float], probabilities: Any, labels: Any) -> tuple[dict[str, Any], bytes]:
    """Return the message of an evaluation and the bytes behind it."""
    message: dict[str, Any] = {
        "event": "evaluated",
        "metrics": {name: repr(float(value)) for name, value in metrics.items()},
        "sources": sources(),
        **usage(),
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
