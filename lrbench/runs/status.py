"""The status of a run: the content of status.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from lrbench.runs.files import STATUS, DamagedRun, read_object

StatusName = Literal["pending", "running", "finished", "diverged", "stopped", "failed"]
COMPLETED: frozenset[str] = frozenset({"finished", "stopped"})
"""Statuses of a run that ended without diverging: at its last iteration, or by a stopping rule."""
OUTCOMES = COMPLETED | {"diverged"}
"""Statuses with which a run is done; any other is run again."""

INTERRUPTED = "interrupted"
"""Reason of a run that is pending because the command was ended."""


@dataclass(frozen=True)
class Status:
    """Progress of a run, with the reason where there is something to say.

    Attributes:
        host: name of the machine that trains the run; None where it is not in training, or unknown.
        gpu: number of the GPU there, or how CUDA_VISIBLE_DEVICES names it; None on a CPU.
    """

    status: StatusName
    iteration: int = 0
    reason: str | None = None
    host: str | None = None
    gpu: int | str | None = None

    @property
    def place(self) -> str:
        """Machine and GPU that train the run, such as ``node1 GPU 0``; empty where unknown."""
        return " ".join(filter(None, (self.host, None if self.gpu is None else f"GPU {self.gpu}")))

    @property
    def given_up(self) -> bool:
        """Whether the command that paused the run chose not to train it on, as a search does with a pruned trial."""
        return self.status == "pending" and self.reason not in (None, INTERRUPTED)

    @property
    def done(self) -> bool:
        """Whether the run reached an outcome."""
        return self.status in OUTCOMES

    @property
    def completed(self) -> bool:
        """Whether the run is done and did not diverge."""
        return self.status in COMPLETED

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Status:
        """Return the status in the content of a status.json; raise DamagedRun if there is none."""
        name: Any = value.get("status")
        iteration, reason = value.get("iteration", 0), value.get("reason")
        if name not in get_args(StatusName):
            raise DamagedRun(f"status.json: unknown status {str(name)[:40]!r}")
        if not isinstance(iteration, int):  # orjson gives a float for an integer beyond 64 bits
            raise DamagedRun("status.json: 'iteration' is not a whole number of 64 bits")
        host, gpu = value.get("host"), value.get("gpu")
        return cls(
            name,
            iteration,
            None if reason is None else str(reason),
            host if isinstance(host, str) else None,
            gpu if isinstance(gpu, (int, str)) else None,
        )

    def content(self) -> bytes:
        """Bytes of status.json, with the current time."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        content = {"status": self.status, "reason": self.reason, "iteration": self.iteration, "updated": now}
        place = {"host": self.host, "gpu": self.gpu}
        return json.dumps(content | {name: value for name, value in place.items() if value is not None}).encode()


def read_status(folder: Path) -> Status:
    """Read the status of the run in a folder, ``pending`` without a status.json; raise DamagedRun if it is damaged."""
    return Status.parse(read_object(folder / STATUS) or {"status": "pending"})
