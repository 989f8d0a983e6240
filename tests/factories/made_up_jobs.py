"""A data set without files, and a job on it, for tests whose engine reads no data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lrbench.data import Prepared
from lrbench.engines.base import NetJob
from lrbench.nets import NetParameter
from lrbench.policies import parse_policy
from lrbench.spec.model import SolverSettings
from lrbench.spec.sections import EngineSettings


def prepared(folder: Path, **values: Any) -> Prepared:
    """Digits of 100 images each, in a folder that need not hold them, with those fields over the usual ones."""
    usual: dict[str, Any] = {"name": "digits", "label": "digits", "sha256": "0"}
    places = {"folder": folder, "train": folder, "test": folder, "mean": None}
    sizes = {"train_count": 100, "test_count": 100, "shape": (1, 28, 28), "classes": 10}
    return Prepared(**{**usual, **places, **sizes, **values})


def job(folder: Path, policy: str = "FIX(k0=0.01)", **values: Any) -> NetJob:
    """A job of an empty net in a run's folder, with those fields over the usual ones."""
    usual: dict[str, Any] = {"net": NetParameter(), "net_where": "net", "data": prepared(folder), "seed": 0}
    sizes = {"batch_size": 10, "test_batch_size": 10, "iterations": 20, "test_interval": 10, "display_interval": 5}
    settings = {"solver": SolverSettings(), "engine": EngineSettings(), "policy": parse_policy(policy)}
    return NetJob(**{**usual, **sizes, **settings, "folder": folder, **values})
