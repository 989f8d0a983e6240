"""The evaluation that a program reports, read from its message."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrbench.engines.base import Reported, TestOutputs


def reported(message: Mapping[str, Any], payload: bytes) -> Reported:
    """Return the evaluation in a message of rank 0 and the bytes behind it."""
    metrics = {str(name): float(value) for name, value in message["metrics"].items()}
    if "accuracy" in metrics:
        metrics["accuracy_top1"] = metrics.pop("accuracy")
    facts = {**_texts(message["declared"]), "split_used": bool(message["split_used"])}
    outputs = _outputs(message, payload, metrics.get("test_loss", math.nan))
    return Reported(metrics, outputs, float(message["seconds"]), facts)


def _texts(declared: Mapping[str, Any]) -> dict[str, str]:
    return {str(name)[:100]: str(value)[:1000] for name, value in list(declared.items())[:20]}


def _outputs(message: Mapping[str, Any], payload: bytes, loss: float) -> TestOutputs | None:
    """Read the outputs for each sample, where the program gave them."""
    if "shape" not in message:
        return None
    rows, columns = message["shape"]
    values, labels = payload[: 4 * rows * columns], payload[4 * rows * columns :]
    probabilities = np.frombuffer(values, dtype="<f4").reshape(rows, columns)
    return TestOutputs(
        probabilities, np.frombuffer(labels, dtype="<i8").astype(np.int64), loss, float(message["seconds"])
    )
