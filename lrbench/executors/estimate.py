"""How long an experiment will take, from a few passes of the net that train nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lrbench.engines.base import Engine
from lrbench.executors.plan import RunSlot, Task


@dataclass(frozen=True)
class Estimate:
    """What the passes took, and what follows for all runs; ``iterations_per_second`` are those of one run."""

    seconds: float
    iterations_per_second: float
    evaluation_seconds: float

    @property
    def text(self) -> str:
        """The whole time as days, hours, minutes and seconds."""
        return str(timedelta(seconds=round(self.seconds)))


def estimate(tasks: Sequence[Task], engine: Engine, jobs: int, lanes: int = 1) -> Estimate:
    """Time one task's net, with so many lanes in a session, and multiply: all runs of an experiment share a workload.

    Stopping rules and divergence can only make it less; sessions side by side are taken to be as fast as one alone.
    Of the lanes of a session one is evaluated at a time.

    Raises:
        EngineFailed: the engine refuses the net.
    """
    task = tasks[0]
    with tempfile.TemporaryDirectory(prefix="lrbench-estimate-") as folder:
        job = task.job(RunSlot(lanes=lanes), folder=Path(folder))
        timing = engine.time(job)
    evaluations = -(-job.iterations // job.test_interval)
    evaluation_seconds = timing.test_batch_seconds * job.test_batches
    iteration_seconds = timing.iteration_seconds
    one = job.iterations * iteration_seconds + evaluations * evaluation_seconds * lanes + timing.start_seconds
    return Estimate(one * -(-len(tasks) // (jobs * lanes)), 1 / iteration_seconds, evaluation_seconds)
