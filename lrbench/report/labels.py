"""Names for workloads, solvers and engines: as short as possible, but unique in a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from lrbench.comparable import Settings, key
from lrbench.engines.names import is_own
from lrbench.report.rows import RunRow
from lrbench.runs.declarations import arguments_text, is_program


def mixed_versions(runs: Iterable[RunRow]) -> Iterator[str]:
    """Yield a sentence for each of LRBench's engines whose runs are known to be of several versions."""
    versions: dict[str, set[str]] = {}
    for run in runs:
        if run.engine.get("version") and is_own(engine_name(run.engine)):
            versions.setdefault(engine_name(run.engine), set()).add(str(run.engine["version"]))
    for engine, found in sorted(versions.items()):
        if len(found) > 1:
            yield (
                f"the runs of {engine} are of several versions, {' and '.join(sorted(found))}: small differences may "
                "be due to the version"
            )


def workload_name(settings: Settings) -> str:
    """Name a workload by its settings, as ``workload_label`` does."""
    return workload_label(*(settings[name] for name in ("net_name", "dataset_name", "batch_size", "iterations")))


def workload_label(net: Any, dataset: Any, batch_size: Any, iterations: Any) -> str:
    """Name a workload: ``lenet on MNIST, batch 100, 10,000 iterations``; what is None or empty is unknown."""
    parts = [f"{net or 'unnamed net'} on {dataset or 'unknown data'}"]
    if batch_size is not None:
        parts.append(f"batch {batch_size}")
    if iterations is not None:
        parts.append(f"{iterations:,} iterations" if isinstance(iterations, int) else f"{iterations} iterations")
    return ", ".join(parts)


def solver_name(settings: Settings) -> str:
    """Return the solver's type, such as ``Adam``; of a program its arguments, such as ``width=64``."""
    if is_program(settings):
        return arguments_text(settings)
    return str(settings.get("type") or "unknown solver")


def engine_name(settings: Settings) -> str:
    """Return the engine's name, such as ``caffe``."""
    return str(settings.get("name") or "unknown engine")


def labels(found: Iterable[Settings], name: Callable[[Settings], str]) -> dict[bytes, str]:
    """Return a label for each of the settings, by their key: its name, with what differs where names are alike.

    ``SGD`` alone is ``SGD``; two of them are ``SGD (momentum=0)`` and ``SGD (momentum=0.9)``.
    """
    alike: dict[str, dict[bytes, Settings]] = {}
    for settings in found:
        alike.setdefault(name(settings), {})[key(settings)] = settings
    return {
        identity: label + _differences(settings, list(same.values()))
        for label, same in alike.items()
        for identity, settings in same.items()
    }


def _differences(settings: Settings, others: list[Settings]) -> str:
    names = sorted({name for other in others for name in other})
    differing = [name for name in names if len({orjson.dumps(other.get(name)) for other in others}) > 1]
    shown = [f"{name}={_short(name, settings[name])}" for name in differing if settings.get(name) is not None]
    return f" ({', '.join(shown)})" if shown else ""


def _short(name: str, value: Any) -> str:
    """Cut hashes and other long values, which twelve characters tell apart; a momentum may be a policy."""
    return str(value) if name == "momentum" else str(value)[:12]
