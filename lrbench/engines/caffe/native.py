"""The native driver: ``caffe train`` does the work with Caffe's own policy, and LRBench follows its log."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.base import NetJob, Progress, Session, TestOutputs, TrainResult, Usage
from lrbench.engines.bound_net import bind
from lrbench.engines.caffe.environment import CaffeEnvironment
from lrbench.engines.caffe.log import CaffeLog
from lrbench.engines.caffe.run_folder import LOG_NAME, NET, SNAPSHOT_PREFIX, SOLVER, start_worker, write_run_files
from lrbench.engines.process.exit_reason import exit_error
from lrbench.errors import EngineFailed

POLL_SECONDS = 0.1


class NativeSession(Session):
    """One ``caffe train`` process, and a worker that evaluates the snapshots it leaves.

    Caffe keeps no data position in its snapshots, so a run that was cut off starts over. ``train_loss`` is the mean of
    the losses that Caffe displayed in the stretch (every ``display_interval`` iterations, at least once a stretch),
    not of every iteration; NaN where the net has other losses beside, as Caffe displays their sum.
    """

    resumable = False

    def __init__(self, job: NetJob, environment: CaffeEnvironment) -> None:
        assert environment.tool is not None  # the engine's check has refused the job otherwise
        self._job = job
        self._iteration = 0
        self._bound = bind(job)
        write_run_files(job, self._bound)
        self._snapshots = job.folder / Path(SNAPSHOT_PREFIX).parent
        shutil.rmtree(self._snapshots, ignore_errors=True)
        self._snapshots.mkdir()
        self._log_path = job.folder / LOG_NAME
        self._log_path.write_bytes(b"")
        self._log = CaffeLog()
        self._read_bytes = 0
        self._train_seconds = 0.0
        self._cpu_seconds, self._peak_bytes = 0.0, 0
        self._status: int | None = None
        self._evaluator = start_worker(environment, job, "evaluator.log")
        try:
            self._evaluator.ask("open_test", net=NET, device=job.engine.device, device_id=job.device_id)
            with self._log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    environment.command(
                        ("GLOG_logtostderr=1", *environment.tool, "train", f"--solver={SOLVER}"),
                        job.threads,
                        job.engine.device,
                    ),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    cwd=job.folder,
                    start_new_session=True,
                )
        except BaseException:
            self._evaluator.close()
            raise

    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        """Wait until Caffe's log says that the stretch is done and its snapshot is whole.

        The rates are Caffe's own, equal to these to float32's error: the engine refuses other policies.
        """
        start, end = self._iteration, self._iteration + len(rates)
        while not self._saved(end):
            ended = self._poll()
            self._follow()
            if self._diverged(start, end) is not None:
                break
            if ended and not self._saved(end):
                raise exit_error("Caffe", self._log_path, 0, self._status or 0)
            if not ended:
                time.sleep(POLL_SECONDS)
        bad = self._diverged(start, end)
        losses = self._log.displays.losses[self._shown(start, end)]
        seconds = self._seconds_of_training(end) - self._train_seconds
        self._train_seconds += seconds
        self._iteration = end
        self._measure()
        train_loss = float(np.mean(losses)) if len(losses) and self._bound.plain_loss else math.nan
        return TrainResult(len(rates) if bad is None else bad + 1 - start, train_loss, seconds, bad is None)

    def _saved(self, iteration: int) -> bool:
        """The weights are whole once Caffe says that it turns to the solver state, or has ended well."""
        state = f"_iter_{iteration}.solverstate"
        return any(snapshot.path.endswith(state) for snapshot in self._log.snapshots)

    def _diverged(self, start: int, end: int) -> int | None:
        """The first iteration of the stretch whose displayed loss is not finite; Caffe may be ahead of the stretch."""
        displays = self._log.displays
        bad = displays.iterations[self._shown(start, end) & ~np.isfinite(displays.losses)]
        return int(bad[0]) if len(bad) else None

    def _shown(self, start: int, end: int) -> NDArray[np.bool_]:
        """Mask of the displays of these iterations."""
        iterations = self._log.displays.iterations
        return (iterations >= start) & (iterations < end)

    def _follow(self) -> None:
        """Feed the log's new whole lines to the parser."""
        with self._log_path.open("rb") as log:
            log.seek(self._read_bytes)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        shown = len(self._log.displays)
        for line in whole.decode(errors="replace").splitlines():
            self._log.feed(line)
        if len(self._log.displays) > shown:
            last = self._log.displays[-1]
            self._job.on_progress(Progress(last.iteration, last.loss, math.nan if last.rate is None else last.rate))

    def _seconds_of_training(self, end: int) -> float:
        """Seconds by the log's clock from the first iteration to the snapshot of ``end``, less Caffe's own tests."""
        shown: list[float] = self._log.displays.seconds[self._shown(0, end)].tolist()
        saved = [snapshot.seconds for snapshot in self._log.snapshots if snapshot.iteration == end]
        if not shown:
            return 0.0
        until = min(saved, default=shown[-1])
        started, ended = self._log.tests.started, self._log.tests.ended
        tests = float((ended - started)[ended <= until].sum())
        return max(0.0, until - shown[0] - tests)

    def _poll(self) -> bool:
        """Whether ``caffe train`` has ended; its processor time and memory are kept when it has."""
        if self._status is not None:
            return True
        pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
        if pid == 0:
            return False
        self._status = os.waitstatus_to_exitcode(status)
        self._process.returncode = self._status
        self._cpu_seconds = used.ru_utime + used.ru_stime
        self._peak_bytes = max(self._peak_bytes, used.ru_maxrss * 1024)
        return True

    def evaluate(self) -> TestOutputs:
        """Load the snapshot of this iteration into the worker, and let go of older ones."""
        weights = f"{SNAPSHOT_PREFIX}_iter_{self._iteration}.caffemodel"
        self._evaluator.ask("load", weights=weights)
        for file in self._snapshots.iterdir():
            if int(file.stem.rpartition("_")[2]) < self._iteration:
                file.unlink()
        return self._evaluator.evaluate(self._bound.test_blobs, self._job.test_batches)

    def save(self, folder: Path) -> None:
        """Do nothing: this driver does not resume."""

    def restore(self, folder: Path, evaluations: int) -> None:
        """Raise EngineFailed, as this driver does not resume."""
        raise EngineFailed("the native driver cannot resume")

    def _measure(self) -> None:
        """Note what ``caffe train`` has used by now; where the evaluator lags behind, that is more than by ``end``."""
        if not self._poll():
            import psutil

            process = psutil.Process(self._process.pid)
            used = process.cpu_times()
            self._cpu_seconds = used.user + used.system
            self._peak_bytes = max(self._peak_bytes, process.memory_info().rss)

    def usage(self) -> Usage:
        """Usage of ``caffe train`` alone at the end of the last stretch; the evaluator's work is LRBench's own."""
        return Usage(self._cpu_seconds, self._peak_bytes)

    def processes(self) -> list[int]:
        """``caffe train`` alone; the evaluator's work is LRBench's own."""
        return [self._process.pid] if self._status is None else []

    def abort(self) -> None:
        """Kill both processes."""
        self._process.kill()
        self._evaluator.kill()

    def close(self) -> None:
        """End both processes; the newest snapshot stays."""
        if self._status is None:
            self._process.kill()
            self._process.wait()
        self._evaluator.close()
