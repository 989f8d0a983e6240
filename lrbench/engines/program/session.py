"""One run of a user's program: rates and requests go to its process, losses and evaluations come back."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import LeftEarly, ProgramJob, Progress, Reported, Session, TrainResult, Usage
from lrbench.engines.process.exit_reason import MEMORY_REMEDY, signal_name
from lrbench.engines.program.ends import ENDED
from lrbench.engines.program.launch import start
from lrbench.engines.program.log import LOG_NAME, BoundedLog
from lrbench.engines.program.processes import end_group
from lrbench.engines.program.reported import reported
from lrbench.engines.program.seal import Seal
from lrbench.engines.site import Consent
from lrbench.errors import EngineFailed
from lrbench.storage import reason

LEAVE_SECONDS = 10
"""Time that a program has to end by itself after its last evaluation."""
LOOK_SECONDS = 1.0
"""Time between looks whether the process lives, where the ends of its channel outlive it in processes it started."""
MOST_METRICS = 1000


class ProgramSession(Session[Reported]):
    """A process of the program, or its ranks, which all receive the same messages; rank 0 reports.

    Attributes:
        told: what the program has told of itself so far, such as its ``arguments`` with their defaults.
        last_iteration_seconds: time of the last iteration.
    """

    def __init__(self, job: ProgramJob, consent: Consent) -> None:
        self._job, self._name = job, job.program.name
        self._iteration = 0
        self._last = Usage(0.0, 0)
        self._names: set[str] | None = None
        self._opened = self._broken = False
        self._left: set[int] = set()
        self._early: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        self.told: dict[str, Any] = {}
        self.last_iteration_seconds = math.nan
        self._log = BoundedLog(job.folder / LOG_NAME)
        self._process, self._ends = start(job, consent, self._log)
        try:
            self._send({"sources": dict(job.sources), "folder": str(job.module_folder)})
            if job.carried is not None:
                self._send({"path": job.carried.path}, job.carried.payload)
            self.told |= self._receive("attached", everyone=True)[0]
            self.resumable = bool(self.told["resumable"])
            self._seal = self._own_seal(consent) if self.resumable and job.function is None else None
        except BaseException:
            self.close()
            raise

    def why_not_resumable(self) -> str | None:
        """Return why the training cannot be resumed, None if it can; a function is called to know that."""
        if self._job.function is not None:
            self._open()
            reason: str | None = self.told["resumable"]
            return reason
        if self.resumable:
            return None
        return "give save= and restore= to lrbench.attach, or hand over an lrbench.torch.Training"

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        """Send the rates, and wait until the program has trained with them."""
        self._open()
        self._send({"op": "train"}, rates.astype("<f8").tobytes())
        message, payload = self._receive("trained", rates=rates)
        losses = np.frombuffer(payload, dtype="<f8")
        if not len(losses):  # the program tells none
            losses = np.zeros(len(rates))
        if len(losses) != len(rates):
            raise EngineFailed(f"{self._name} trained {len(losses)} iterations for {len(rates)} rates")
        self._iteration += len(losses)
        self.last_iteration_seconds = float(message.get("last_seconds", message["seconds"] / len(losses)))
        finite = np.isfinite(losses)
        if not finite.all():
            done = int(finite.argmin()) + 1
            return TrainResult(done, float(losses[done - 1]), float(message["seconds"]), finite=False)
        mean = float(losses.mean()) if payload else math.nan
        return TrainResult(len(losses), mean, float(message["seconds"]), finite=True)

    def evaluate(self) -> Reported:
        """Wait for the program's evaluation."""
        self._send({"op": "evaluate"})
        answers = self._answers("evaluated", self._ends.ranks)
        used = [answer for answer, _ in answers.values()]
        self._last = Usage(
            math.fsum(float(each["cpu_seconds"]) for each in used), sum(int(each["peak_memory_bytes"]) for each in used)
        )
        message, payload = answers[0]
        self._check_sources(message["sources"])
        found = reported(message, payload)
        self._check_names(set(found.metrics))
        self.told |= {"own_rate": message["own_rate"]} if "own_rate" in message else {}
        return found

    def save(self, folder: Path) -> None:
        """Have the program write its files into the new folder."""
        folder.mkdir(parents=True)
        self._send({"op": "save", "folder": str(folder.resolve())})
        self._receive("saved", everyone=True)
        if self._seal is not None:
            self._seal.write(folder)

    def restore(self, folder: Path, evaluations: int) -> None:
        """Have the program read what it saved, before its first iteration; nothing where none is left to train."""
        if self._seal is not None and not self._seal.fits(folder):
            raise EngineFailed("it was not written on this machine for this program, whose restore= may execute it")
        self._iteration = int(folder.name.rpartition("_")[2])
        if self._iteration < self._job.iterations:
            self._open()
            self._send({"op": "restore", "folder": str(folder.resolve())})
            self._receive("restored", everyone=True)

    def _own_seal(self, consent: Consent) -> Seal | None:
        """Return the seal of the snapshots that the program reads itself; without one the run is not resumable."""
        try:
            return Seal(consent.home, self._job.sources)
        except OSError as error:
            self.resumable = False
            self._job.on_notice(
                "not resumable, so that a run that is cut off starts over: there is no key to seal its snapshots with "
                f"({reason(error)}: {error.filename})"
            )
            return None

    def usage(self) -> Usage:
        """Processor time and memory of all ranks at the last evaluation."""
        return self._last

    def processes(self) -> list[int]:
        """The number of the program's process, while it lives."""
        return [self._process.pid] if self._process.returncode is None else []

    def abort(self) -> None:
        """Kill the program and the processes it started."""
        end_group(self._process.pid)

    def close(self) -> None:
        """Tell the program that the training is over, wait a moment for it to end, and kill what is left."""
        if self._opened and not self._broken and self._process.poll() is None:
            with suppress(EngineFailed):
                self._send({"op": "stop"})
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(LEAVE_SECONDS)
        end_group(self._process.pid)
        self._process.wait()
        self._ends.close()
        self._log.close()

    def _open(self) -> None:
        """Answer the program that has attached, once it is known where it begins."""
        if self._opened:
            return
        self._opened = True
        job = self._job
        self._send(
            {
                "op": "open",
                "seed": job.seed,
                "iterations": job.iterations,
                "arguments": dict(job.arguments),
                "split": job.split,
                "start": self._iteration,
            }
        )
        if job.function is not None:
            opened = self._receive("opened", everyone=True)[0]
            self.told |= opened
            why = opened["resumable"]
            if why is not None:
                self.resumable = False
                job.on_notice(f"not resumable, so that a run that is cut off starts over: {why}")

    def _send(self, message: Mapping[str, Any], payload: bytes = b"") -> None:
        try:
            self._ends.send(message, payload)
        except (OSError, ValueError):
            self._ended()

    def _receive(
        self, event: str, rates: NDArray[np.float64] | None = None, *, everyone: bool = False
    ) -> tuple[Mapping[str, Any], bytes]:
        """Wait for an event of rank 0, or of every rank, and return that of rank 0; raise as ``_answers``."""
        return self._answers(event, self._ends.ranks if everyone else [0], rates)[0]

    def _answers(
        self, event: str, ranks: Iterable[int], rates: NDArray[np.float64] | None = None
    ) -> dict[int, tuple[Mapping[str, Any], bytes]]:
        """Wait for an event of each of the ranks; what the program tells meanwhile is passed on.

        Raises:
            EngineFailed: the program failed, or did not answer in time.
            LeftEarly: it ended by itself.
        """
        answers: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        if event == "evaluated":
            answers, self._early = self._early, {}
        missing = set(ranks) - set(answers)
        while True:
            rank, message, payload = self._next()
            if message.get("event") == event:
                missing.discard(rank)
                answers[rank] = message, payload
                if not missing:
                    return answers
            elif message.get("event") == "failed":
                raise self._failure(message)
            elif message.get("event") == "evaluated" and rank:
                self._early[rank] = message, payload  # before rank 0 has told of its last iteration
            elif message.get("event") == "left":
                self._left.add(rank)
            elif message is ENDED:
                if rank in missing or rank not in self._left:
                    self._rank_ended(rank)
            elif message.get("event") == "progress" and rates is not None:
                iteration = int(message["iteration"])
                done = min(max(iteration - self._iteration, 1), len(rates))
                self._job.on_progress(Progress(iteration, math.nan, float(rates[done - 1])))
            elif message.get("event") != "progress":
                raise EngineFailed(f"{self._name} sent {str(message.get('event'))[:40]!r} where {event!r} was due")

    def _next(self) -> tuple[int, Mapping[str, Any], bytes]:
        timeout = self._job.timeout
        end = math.inf if timeout is None else time.monotonic() + timeout
        try:
            while True:
                ended = self._process.poll() is not None
                found = self._ends.receive(0 if ended else max(min(LOOK_SECONDS, end - time.monotonic()), 0))
                if found is not None:
                    return found
                if ended:
                    self._ended()
                if time.monotonic() >= end:
                    end_group(self._process.pid)
                    raise EngineFailed(f"{self._name} sent nothing for {timeout:g} s", remedy="raise workload.timeout")
        except (EOFError, OSError):
            self._ended()

    def _failure(self, message: Mapping[str, Any]) -> EngineFailed:
        remedy = MEMORY_REMEDY if "out of GPU memory" in str(message["reason"]) else f"see {self._log.path}"
        return EngineFailed(str(message["reason"]), where=str(message["where"]) or self._name, remedy=remedy)

    def _rank_ended(self, rank: int) -> NoReturn:
        """Raise the error of ranks of which one has ended, for which the others would wait."""
        self._raise_failure()
        self._broken = True
        raise EngineFailed(f"rank {rank} of {self._name} ended", remedy=f"see {self._log.path}")

    def _raise_failure(self) -> None:
        """Raise the failure that the program told before it ended, if it told one."""
        with suppress(EOFError, OSError):
            while (found := self._ends.receive(0)) is not None:
                if found[1].get("event") == "failed":
                    raise self._failure(found[1])
                if found[1].get("event") == "left":
                    self._left.add(found[0])

    def _ended(self) -> NoReturn:
        """Raise the error that says why the process ended."""
        self._raise_failure()
        if len(self._ends.ranks) > 1 and 0 not in self._left:
            self._rank_ended(0)
        try:
            status = self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            raise EngineFailed(f"{self._name} closed its channel", remedy=f"see {self._log.path}") from None
        if status < 0:
            raise EngineFailed(f"{self._name} was killed by {signal_name(-status)}", remedy=f"see {self._log.path}")
        if status > 0:
            raise EngineFailed(f"{self._name} ended with status {status}", remedy=f"see {self._log.path}")
        if not self._opened:
            raise EngineFailed(
                f"{self._name} ended without calling lrbench.attach", remedy="see docs/how-to/train-your-own-program.md"
            )
        if self._names is None:
            raise EngineFailed(
                f"{self._name} ended before its first evaluation", remedy="call run.report when run.should_evaluate"
            )
        raise LeftEarly("left by the program")

    def _check_sources(self, sources: Mapping[str, str]) -> None:
        """Raise EngineFailed where the program has loaded another source than the run's id has."""
        for name, digest in sources.items():
            known = self._job.sources.get(name)
            if known is None:
                raise EngineFailed(
                    f"{self._name} loaded {name}, which its import statements do not name, so that the run's id does "
                    "not cover it",
                    remedy="import it by an import statement",
                )
            if known != digest:
                raise EngineFailed(f"{name} changed while running", remedy="run the command again")

    def _check_names(self, names: set[str]) -> None:
        """Raise EngineFailed where the metrics are not those of the evaluation before."""
        if len(names) > MOST_METRICS:
            raise EngineFailed(f"{self._name} reports {len(names)} metrics, but at most {MOST_METRICS} are kept")
        if self._names not in (None, names):
            changed = ", ".join(sorted(names ^ (self._names or set())))
            raise EngineFailed(f"{self._name} does not report the same metrics at every evaluation: {changed}")
        self._names = names
