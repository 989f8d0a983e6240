"""Which runs are comparable: those of equal workloads share a table, the seeds of one policy a row of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from lrbench.engines.names import is_own
from lrbench.runs.declarations import OWN_DATA

Settings = Mapping[str, Any]


class Described(Protocol):
    """Whatever has the sections of a run.json."""

    @property
    def policy(self) -> str:
        """Canonical text of the policy."""

    @property
    def solver(self) -> Settings:
        """Type and parameters."""

    @property
    def engine(self) -> Settings:
        """Name, version, driver, device and numerics."""

    @property
    def workload(self) -> Settings:
        """Net, data set, sizes and intervals."""


def workload_settings(run: Described) -> dict[str, Any]:
    """Return the settings that make two runs' accuracies comparable; display interval and test batch do not."""
    if isinstance(program := run.workload.get("program"), dict):
        split = program.get("split")
        data = OWN_DATA if split in (None, "test") else f"{OWN_DATA} ({split} split)"
        sizes = {name: run.workload.get(name) for name in ("iterations", "test_interval")}
        names = {"net_name": program.get("name"), "net": program.get("sha256"), "dataset_name": data}
        return names | {"dataset": split, "batch_size": None, **sizes}
    net, dataset = (part if isinstance(part := run.workload.get(name), dict) else {} for name in ("net", "dataset"))
    return {
        "net_name": net.get("name"),
        "net": net.get("sha256"),
        "dataset_name": dataset.get("label") or dataset.get("name"),
        "dataset": dataset.get("sha256"),
        **{name: run.workload.get(name) for name in ("batch_size", "iterations", "test_interval")},
    }


def engine_settings(run: Described) -> dict[str, Any]:
    """Return engine, device and numerics; for an engine of another package its version, as results may depend on it."""
    engine = run.engine
    named = () if is_own(str(engine.get("name"))) else ("version",)
    kept = {name: engine.get(name) for name in ("name", "driver", "device", *named)}
    numerics = {"precision": "float32", "deterministic": True}  # as they were before there was a choice
    return kept | {name: engine.get(name, default) for name, default in numerics.items()}


def row_key(run: Described) -> tuple[str, bytes, bytes]:
    """Return what the seeds of one row of a table have in common: policy, solver and engine."""
    return run.policy, key(run.solver), key(engine_settings(run))


def key(settings: Settings) -> bytes:
    """Return equal keys for equal settings, whatever the order of their names."""
    return orjson.dumps(settings, option=orjson.OPT_SORT_KEYS)
