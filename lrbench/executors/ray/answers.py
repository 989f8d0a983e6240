"""Answers of a worker to the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrbench.engines.base import Progress, Reported, TestOutputs, TrainResult, Usage
from lrbench.errors import LRBenchError
from lrbench.executors.ray.transfer import Changes


@dataclass(frozen=True)
class EngineFacts:
    """Facts about an engine on a node: the answer of ``Engine.describe``, and whether it has lanes."""

    description: Mapping[str, Any]
    has_lanes: bool


Beginning = tuple[str, str, Mapping[str, Any], EngineFacts | LRBenchError]
"""Version of LRBench, id of the node, description of the machine, and the engine's facts or why it is absent."""


@dataclass(frozen=True)
class Measured:
    """Answer of a worker to ``train`` and ``close``, with what the run's folder has to have.

    Attributes:
        result: what the session returned.
        evaluation: the evaluation that follows a training, or the error it raised; None after a loss not finite.
        usage: of the session so far; None where it is not asked for.
        resumable: whether the session can be resumed, as far as is known now.
    """

    result: TrainResult | TestOutputs | Reported | None
    usage: Usage | None = None
    changes: Changes = field(default_factory=dict)
    resumable: bool = True
    notices: Sequence[str] = ()
    evaluation: Measured | Exception | None = None


@dataclass(frozen=True)
class UnderWay:
    """Answer of a worker whose training goes on: what the session told since the last answer."""

    progress: Progress | None
    notices: Sequence[str]
