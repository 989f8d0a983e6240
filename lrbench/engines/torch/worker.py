"""The PyTorch worker: a process that trains and tests lanes of one workload, and knows nothing of policies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from lrbench.data import Prepared
from lrbench.engines.process.server import Message, Reply, serve, usage
from lrbench.engines.torch.lane import Lane
from lrbench.engines.torch.lockstep import WARM_UP, Rounds
from lrbench.engines.torch.session_inputs import Model, SessionInputs
from lrbench.nets import read_net
from lrbench.spec.model import SolverSettings
from lrbench.spec.sections import Precision

_ON_CPU = ("DefaultCPUAllocator: can't allocate memory", "could not create a primitive")
"""Messages of PyTorch, and of oneDNN in it, where a CPU's memory does not suffice."""


def out_of_memory(error: Exception) -> bool:
    """Whether the device, or the machine, had too little memory for what was asked."""
    on_cpu = isinstance(error, RuntimeError) and any(words in str(error) for words in _ON_CPU)
    return on_cpu or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def used_bytes(device: torch.device) -> int:
    """The most that this process has held of a GPU since the last ``forget_peak``; on a CPU, its resident size now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return int(psutil.Process().memory_info().rss)


def free_bytes(device: torch.device) -> int:
    """Free memory in bytes, this process's own not counted."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def forget_peak(device: torch.device) -> None:
    """Give cached memory back, and count anew from here."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


PROGRESS_SECONDS = 0.5
TIMED_SECONDS = 0.1


class Worker:
    """Answers requests about lanes, each by the number that it was added under."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._inputs: SessionInputs | None = None
        self._lanes: dict[int, Lane] = {}
        self._rounds: Rounds | None = None
        self._account = Account()

    @property
    def inputs(self) -> SessionInputs:
        """Net and data that the lanes share."""
        if self._inputs is None:
            raise RuntimeError("nothing is open")
        return self._inputs

    def do_open(self, request: Message, _payload: bytes) -> Message:
        """Read net and data."""
        torch.set_num_threads(request["threads"])
        settle(request["precision"], request["deterministic"])
        data = TypeAdapter(Prepared).validate_python(request["data"])
        batch_sizes = (request["batch_size"], request["test_batch_size"])
        model = Model.of(read_net(request["net"]), data, batch_sizes, request["precision"])
        self._inputs = SessionInputs.read(model, data, request["loss"], torch.device(request["device"]))
        self._account = Account()
        return {}

    def do_move(self, request: Message, _payload: bytes) -> Message:
        """Go on in the folder of another log, where standard output and error go from now on."""
        os.chdir(Path(request["log"]).parent)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        return {}

    def do_add(self, request: Message, payload: bytes) -> Message:
        """A new lane, with initial weights from its seed; the payload has its momenta as float32, or is empty."""
        solver, momenta = SolverSettings(**request["solver"]), np.frombuffer(payload, dtype="<f4").astype(np.float32)
        lane = Lane.open(self.inputs, solver, request["seed"], request["order"], momenta if len(momenta) else None)
        self._lanes[request["lane"]] = lane
        self._account.charge([request["lane"]])
        return {}

    def do_remove(self, request: Message, _payload: bytes) -> Message:
        """Forget a lane and free what it held."""
        self._lanes.pop(request["lane"], None)
        self._rounds = None
        forget_peak(self.inputs.device)
        return {}

    def do_train(self, request: Message, payload: bytes) -> Message:
        """One iteration of each lane for each of its float64 rates, the payload being of shape (lanes, iterations).

        The losses of each lane follow as float64 bytes, up to the first iteration whose objective was not finite.
        """
        names = request["lanes"]
        rates = np.frombuffer(payload, dtype="<f8").reshape(len(names), -1)
        lanes = [self._lanes[name] for name in names]
        if self._rounds is None or not self._rounds.fits(lanes):
            self._rounds = None  # gives back its memory before the new ones take theirs
            self._rounds = Rounds(lanes)
        progress = _Progress(self._reply, names, [lane.iteration for lane in lanes], rates)
        started = time.perf_counter()
        traces = self._rounds.train(rates, progress.tell)
        seconds = time.perf_counter() - started
        self._account.charge(names)
        told = [{"iterations": len(trace.losses), "finite": trace.finite} for trace in traces]
        losses = np.concatenate([trace.losses for trace in traces])
        return {"seconds": seconds, "lanes": told, "bytes": losses.astype("<f8").tobytes()}

    def do_evaluate(self, request: Message, _payload: bytes) -> Message:
        """Run the whole test set; probabilities, labels and perhaps scores follow as float32 bytes."""
        started = time.perf_counter()
        tested = self._lanes[request["lane"]].evaluate(request["batches"], request["blobs"])
        seconds = time.perf_counter() - started
        self._account.charge([request["lane"]])
        (rows, columns), tables = tested.probabilities.shape, (tested.probabilities, tested.labels, tested.scores)
        return {
            "rows": rows,
            "columns": columns,
            "labels": len(tested.labels),
            "loss": tested.loss,
            "seconds": seconds,
            "bytes": b"".join(table.astype("<f4").tobytes() for table in tables if table is not None),
        }

    def do_save(self, request: Message, _payload: bytes) -> Message:
        """Write all that a resumed run needs into a folder."""
        self._lanes[request["lane"]].save(Path(request["folder"]))
        self._account.charge([request["lane"]])
        return {}

    def do_restore(self, request: Message, _payload: bytes) -> Message:
        """Go on from what ``save`` wrote."""
        self._lanes[request["lane"]].restore(Path(request["folder"]))
        self._account.charge([request["lane"]])
        return {}

    def do_time(self, request: Message, _payload: bytes) -> Message:
        """Seconds of a round of ``count`` new lanes at rate 0, and of a test batch; and memory used and free then."""
        inputs, count = self.inputs, request["count"]
        forget_peak(inputs.device)
        solver = SolverSettings(**request["solver"])
        if solver.momentum_policy is not None:
            solver = solver.model_copy(update={"momentum": 0.0})  # the time is the same
        lanes = [Lane.open(inputs, solver, seed) for seed in range(count)]
        rounds = Rounds(lanes)
        rounds.train(np.zeros((count, WARM_UP + 1 if inputs.device.type == "cuda" else 1)))
        return {
            "iteration_seconds": _seconds(lambda repeat: rounds.train(np.zeros((count, repeat)))),
            "test_batch_seconds": _seconds(lanes[0].run_tests),
            "used_bytes": used_bytes(inputs.device),
            "free_bytes": free_bytes(inputs.device),
        }

    def do_usage(self, request: Message, _payload: bytes) -> Message:
        """The lane's share of this process's processor seconds, and the peak memory of it all."""
        self._account.charge([request["lane"]])
        return {**usage(), "cpu_seconds": self._account.seconds(request["lane"])}


class Account:
    """Processor time of this process from now on, by lane: that of a request is shared equally by its lanes."""

    def __init__(self) -> None:
        self._charged: float = usage()["cpu_seconds"]
        self._seconds: dict[int, float] = {}

    def charge(self, lanes: Sequence[int]) -> None:
        """Put down all that was used since the last call."""
        used: float = usage()["cpu_seconds"]
        for lane in lanes:
            self._seconds[lane] = self.seconds(lane) + (used - self._charged) / len(lanes)
        self._charged = used

    def seconds(self, lane: int) -> float:
        """Processor seconds of a lane so far."""
        return self._seconds.get(lane, 0.0)


class _Progress:
    """Tells now and then how far the lanes of a request are."""

    def __init__(self, reply: Reply, names: Sequence[int], starts: Iterable[int], rates: NDArray[np.float64]) -> None:
        self._reply, self._names, self._starts, self._rates = reply, names, list(starts), rates
        self._told = time.monotonic()

    def tell(self, done: int, losses: NDArray[np.float64]) -> None:
        """Pass it on if the last time is long enough ago; a lane whose loss is not finite is left out."""
        if time.monotonic() - self._told < PROGRESS_SECONDS:
            return
        self._told = time.monotonic()
        lanes = zip(self._names, self._starts, losses.tolist(), self._rates[:, done - 1].tolist(), strict=True)
        self._reply(
            {
                "event": "progress",
                "lanes": [
                    {"lane": name, "iteration": start + done, "loss": loss, "rate": rate}
                    for name, start, loss, rate in lanes
                    if np.isfinite(loss)
                ],
            }
        )


def settle(precision: Precision, deterministic: bool) -> None:
    """Set this process up, before anything is computed.

    Products of float32 are rounded to float32, or with ``tf32`` their factors to TensorFloat-32 (10 bits of fraction
    instead of 23) first, on a GPU. With ``bf16`` the forward pass asks for it, see ``mixed``; all else is float32.
    Deterministic means that an operation without such an algorithm raises an error, and that cuDNN takes no
    algorithm by its speed on the day.
    """
    # The same as use_deterministic_algorithms, which would also load the compiler, for seconds of processor time.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # Else new memory would be filled with NaN first; whatever is computed here is written before it is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
    if hasattr(torch.backends, "fp32_precision"):  # since PyTorch 2.9; the older names below warn then
        factors = "tf32" if precision == "tf32" else "ieee"
        torch.backends.fp32_precision = "ieee"
        torch.backends.cuda.matmul.fp32_precision = factors
        torch.backends.cudnn.conv.fp32_precision = factors  # type: ignore[attr-defined]
    else:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"


def _seconds(work: Callable[[int], object]) -> float:
    """Seconds of one repetition: the least of three trials of about ``TIMED_SECONDS``."""
    started = time.perf_counter()
    work(1)
    repeat = max(1, round(TIMED_SECONDS / (time.perf_counter() - started)))
    found = []
    for _ in range(3):
        started = time.perf_counter()
        work(repeat)
        found.append((time.perf_counter() - started) / repeat)
    return min(found)


if __name__ == "__main__":
    serve(Worker, out_of_memory)
