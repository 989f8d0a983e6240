"""Training loop, the same for every engine.

Up to each next evaluation it asks the policy for the learning rates of those iterations, passes them to the session,
evaluates, writes the evaluation to disk, shows it to the policy, saves a snapshot, and asks the stopping rules whether
to go on.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import (
    Engine,
    Job,
    LeftEarly,
    NetJob,
    Reported,
    Session,
    SessionLost,
    TestOutputs,
    TrainResult,
    Usage,
)
from lrbench.engines.measured import net_metrics, reported_metrics
from lrbench.errors import NO_MEMORY, EngineFailed, Interrupted, LRBenchError
from lrbench.metrics.evaluation import evaluation_metrics
from lrbench.metrics.registry import METRICS, Evaluated
from lrbench.policies import Controller
from lrbench.runs.declarations import EVALUATED_LABELS
from lrbench.runs.directory import RunDirectory
from lrbench.runs.evaluations import Evaluation
from lrbench.runs.files import check_checksums, write_checksums
from lrbench.runs.status import INTERRUPTED, Status
from lrbench.sampling import sampled
from lrbench.stopping import StoppingRules
from lrbench.storage import reason

AnySession = Session[TestOutputs | Reported]
Pause = Callable[[Sequence[Evaluation]], str | None]


class DamagedSnapshot(EngineFailed):
    """A snapshot that is not what was written, or that the engine cannot restore."""


@dataclass(frozen=True)
class Observer:
    """Callbacks for run events, called on the run's thread."""

    evaluated: Callable[[Evaluation], None] = lambda evaluation: None
    resumed: Callable[[int], None] = lambda iteration: None
    restarted: Callable[[str], None] = lambda reason: None


@dataclass
class Training:
    """One run in training.

    Attributes:
        stop: set when the user wants everything to end; the session's calls then fail and the run stays pending.
        pause: called after each evaluation; a run for which it returns a reason is pending, to be resumed later.
        held: iterations whose snapshots are made and kept, whatever the settings of snapshots are.
        machine: description of the machine that the session is on, for the status; empty: it is not known.
    """

    engine: Engine
    job: Job
    directory: RunDirectory
    rules: StoppingRules
    observer: Observer
    stop: threading.Event
    pause: Pause | None = None
    held: frozenset[int] = frozenset()
    machine: Mapping[str, Any] = field(default_factory=dict)
    _evaluations: list[Evaluation] = field(default_factory=list)
    _controller: Controller = field(init=False)
    _saved: int = 0
    _saved_at: float = 0.0
    _labels: str | None = None
    _before: Usage = field(default_factory=lambda: Usage(0.0, 0))

    def run(self, opened: Callable[[AnySession], None] = lambda session: None) -> Status:
        """Train to an outcome; the caller holds the directory's lock.

        Args:
            opened: receives the session, so that another thread can abort it.

        Returns:
            The status, which is also on disk. A failure of the engine or of the disk is a status, not an exception.

        Raises:
            Interrupted: ``stop`` was set.
        """
        try:
            begun = self.directory.status().iteration
            self.directory.write_status(Status("running", begun, host=self.machine.get("host"), gpu=self._gpu()))
            status = self._in_sessions(opened)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this run's failure and no other's
            if self.stop.is_set():
                status = Status("pending", self._iteration, INTERRUPTED)
            else:
                status = Status("failed", self._iteration, failure_reason(error))
        try:
            self.directory.write_status(status)
        except OSError:
            if status.status != "failed":
                raise
        if self.stop.is_set() and not status.done:
            raise Interrupted("interrupted")
        return status

    def _gpu(self) -> int | str | None:
        """Return the GPU that the session uses, as the machine names it; None on a CPU."""
        if self.job.engine.device != "gpu":
            return None
        number, visible = self.job.device_id, self.machine.get("visible_gpus", ())
        return visible[number] if number < len(visible) else number

    def _in_sessions(self, opened: Callable[[AnySession], None]) -> Status:
        """Train; where a session that others share is lost, resume from the last snapshot in a new one."""
        while True:
            try:
                session = self._open(opened)
                try:
                    with sampled(session, self.directory.path, resumed=self._iteration > 0):
                        return self._train(session)
                finally:
                    session.close()
            except LeftEarly as error:
                return Status("stopped", self._iteration, str(error))
            except SessionLost:
                if self.stop.is_set():
                    raise

    @property
    def _iteration(self) -> int:
        return self._evaluations[-1].iteration if self._evaluations else 0

    def _train(self, session: AnySession) -> Status:
        interval, iterations = self.job.test_interval, self.job.iterations
        why = self.rules.verdict(self._evaluations)
        while (start := self._iteration) < iterations:
            end = min((start // interval + 1) * interval, iterations)
            if why is not None:
                self._save(session)
                return Status("stopped", start, why)
            wait = self.pause(self._evaluations) if self.pause is not None and self._evaluations else None
            if wait is not None:
                self._save(session)
                return Status("pending", self._iteration, wait)
            if self.stop.is_set():
                raise EngineFailed("interrupted")
            rates = self._controller.rates(start, end)
            trained = session.train(rates)
            if not trained.finite:
                return self._diverged(session, trained, start, rates)
            diverged = self._evaluate(session, trained, end, float(rates[-1]))
            if diverged is not None:
                return Status("diverged", end, f"{diverged} at iteration {end}")
            if end in self.held or self.job.snapshots.is_due(end, time.monotonic() - self._saved_at):
                self._save(session)
            why = self.rules.verdict(self._evaluations)
        self._save(session)
        return Status("finished", self._iteration)

    def _save(self, session: AnySession) -> None:
        """Save a snapshot of the last evaluation's iteration, unless there is one."""
        if not session.resumable or self._saved == self._iteration:
            return
        with self.directory.new_snapshot(self._iteration) as folder:
            session.save(folder)
            write_checksums(folder)
        self._saved, self._saved_at = self._iteration, time.monotonic()
        if self.job.snapshots.keep != "all":
            self.directory.drop_snapshots(self.job.snapshots.keep, self.held)

    def _open(self, opened: Callable[[AnySession], None]) -> AnySession:
        """Open a session at the newest snapshot that is whole and whose evaluation is on disk, else at the start."""
        evaluations = self.directory.evaluations()
        reached = {evaluation.iteration for evaluation in evaluations}
        usable = [(iteration, path) for iteration, path in self.directory.snapshots() if iteration in reached]
        while True:
            session = self.engine.open(self.job)
            try:
                opened(session)
                if not session.resumable:
                    usable = []
                if evaluations and not usable:
                    self.observer.restarted("it has saved nothing to resume from: starting over")
                self._go_to(session, evaluations, *(usable.pop() if usable else (0, None)))
            except DamagedSnapshot as error:
                session.close()
                if self.stop.is_set():
                    raise
                self.observer.restarted(f"{error}: going back to the one before")
            except BaseException:
                session.close()
                raise
            else:
                return session

    def _go_to(self, session: AnySession, evaluations: list[Evaluation], iteration: int, snapshot: Path | None) -> None:
        """Bring the session and the evaluations to an iteration."""
        kept = [evaluation for evaluation in evaluations if evaluation.iteration <= iteration]
        if snapshot is not None:
            try:
                check_checksums(snapshot)
                session.restore(snapshot, len(kept))
            except SessionLost:
                raise
            except Exception as error:
                raise DamagedSnapshot(
                    f"the snapshot of iteration {iteration} cannot be restored ({failure_reason(error)})"
                ) from error
            self._before = Usage(kept[-1].cpu_seconds, kept[-1].peak_memory_bytes)
            self.observer.resumed(iteration)
        self._evaluations = kept
        self._labels = self.directory.facts.get(EVALUATED_LABELS) if kept else None
        self._saved, self._saved_at = iteration, time.monotonic()
        self._controller = self.job.policy.start(self.job.iterations)
        for evaluation in kept:
            self._controller.observe(evaluation.as_dict())
        self.directory.keep(kept)
        self.directory.drop_snapshots_after(iteration)

    def _evaluate(self, session: AnySession, trained: TrainResult, iteration: int, rate: float) -> str | None:
        """Evaluate, and write it to disk; return why the net diverged, None where it did not."""
        evaluated = session.evaluate()
        if isinstance(evaluated, Reported):
            self._check_samples(evaluated.outputs)
            labels = {} if self._labels is None else {EVALUATED_LABELS: self._labels}
            self.directory.note({**evaluated.facts, **labels})
            metrics, diverged = reported_metrics(evaluated, trained.train_loss, self.job)
        else:
            self._check_samples(evaluated)
            metrics, diverged = net_metrics(evaluated, trained.train_loss, mean_loss=self.job.mean_losses)
        self._record(session, trained, evaluated.seconds, Evaluation(iteration, metrics, rate))
        return diverged

    def _check_samples(self, outputs: TestOutputs | None) -> None:
        """Raise EngineFailed where the labels are not those of the data that the engine was handed."""
        if outputs is None:
            return
        classes, counts = np.unique(outputs.labels, return_counts=True)
        digest = hashlib.sha256(json.dumps([classes.tolist(), counts.tolist()]).encode()).hexdigest()
        found = f"{len(outputs.labels)} labels, SHA-256 {digest[:16]}"
        if isinstance(self.job, NetJob) and len(outputs.labels) != self.job.data.test_count:
            raise EngineFailed(
                f"an evaluation is of {len(outputs.labels)} samples, but {self.job.data.label} has "
                f"{self.job.data.test_count} to evaluate on: the engine ignores the data that it is handed",
                remedy="an engine evaluates the whole test set of job.data",
            )
        if self._labels not in (None, found):
            before = str(self._labels).split(maxsplit=1)[0]
            other = f"{len(outputs.labels)} samples, the one before of {before}"
            if str(len(outputs.labels)) == before:
                other = "other labels than the one before"
            raise EngineFailed(
                f"an evaluation is of {other}, so that they cannot be compared",
                remedy="evaluate the same samples, all of them, every time",
            )
        self._labels = found

    def _diverged(self, session: AnySession, trained: TrainResult, start: int, rates: NDArray[np.float64]) -> Status:
        """Write an evaluation without values to disk, so that the run's last accuracy is not an earlier one."""
        iteration = start + trained.iterations
        outputs = Evaluated(np.full((1, 1), np.nan), np.zeros(1, dtype=np.int64), math.nan, math.nan)
        nothing = evaluation_metrics(outputs, METRICS.values())
        if self._evaluations:  # a program gives metrics of its own
            nothing = dict.fromkeys(self._evaluations[-1].metrics, math.nan)
        rate = float(rates[trained.iterations - 1])
        self._record(session, trained, 0.0, Evaluation(iteration, nothing, rate))
        return Status(
            "diverged",
            iteration,
            f"the training loss is not finite at iteration {iteration - 1} (learning rate {rate:.6g})",
        )

    def _record(
        self, session: AnySession, trained: TrainResult, evaluation_seconds: float, measured: Evaluation
    ) -> None:
        """Add the clocks to an evaluation, write it to disk, and show it to the policy and the observer."""
        last = self._evaluations[-1] if self._evaluations else Evaluation(0)
        usage = session.usage()
        evaluation = replace(
            measured,
            train_seconds=last.train_seconds + trained.seconds,
            evaluation_seconds=last.evaluation_seconds + evaluation_seconds,
            cpu_seconds=self._before.cpu_seconds + usage.cpu_seconds,
            peak_memory_bytes=max(self._before.peak_memory_bytes, usage.peak_memory_bytes),
        )
        self.directory.append(evaluation)
        self._evaluations.append(evaluation)
        self._controller.observe(evaluation.as_dict())
        self.observer.evaluated(evaluation)


def failure_reason(error: BaseException) -> str:
    """Return in one line why a run failed."""
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, OSError):
        return f"{reason(error)}: {error.filename}" if error.filename else reason(error)
    return str(error) if isinstance(error, LRBenchError) else f"{type(error).__name__}: {error}"
