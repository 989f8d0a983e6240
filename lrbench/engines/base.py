"""The interface of an engine, which trains nets.

The runner holds the only training loop. It hands a session the learning rates of the next iterations and asks for
the outputs on the test set; an engine knows nothing of policies, metrics, stopping rules or result files.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from lrbench.data import Prepared
from lrbench.errors import EngineFailed, SpecError
from lrbench.nets import has_mean_losses
from lrbench.nets.caffe_pb2 import NetParameter
from lrbench.policies import Policy
from lrbench.spec.model import SolverSettings
from lrbench.spec.momentum import momentum_of
from lrbench.spec.program import CarriedFunction
from lrbench.spec.sections import EngineSettings, Order
from lrbench.spec.snapshots import SnapshotSettings


@dataclass(frozen=True)
class Progress:
    """Progress of a call of ``train``; ``loss`` and ``rate`` are those of the last iteration done."""

    iteration: int
    loss: float
    rate: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """Description of one session to open; together with the rates it decides the outcome.

    Attributes:
        policy: the effective policy, for drivers that hand the schedule to the engine whole.
        iterations: the run's budget; ``test_interval``, between evaluations, is in iterations too.
        objective: name of the metric that policies are judged by, as in evaluations.
        target: name of the metric of the target, likewise; None without one.
        folder: the run's folder; the engine's own files and log go there.
        snapshots: when the session's state is saved, and how many saved states are kept.
        device_id: the GPU to use, where the engine settings ask for one.
        session: which of the sessions on that device; jobs that share a device, this number and a workload share a
            session where the engine has lanes, at most ``lanes`` of them at a time.
        threads: how many BLAS threads the session may use.
        on_progress: called now and then while the session trains, from any thread.
        on_notice: called with a line for the user about something that touches other runs, too, from any thread.
    """

    iterations: int
    test_interval: int
    seed: int
    policy: Policy
    objective: str = "accuracy_top1"
    target: str | None = None
    engine: EngineSettings
    folder: Path
    snapshots: SnapshotSettings = field(default_factory=SnapshotSettings)
    device_id: int = 0
    session: int = 0
    lanes: int = 1
    threads: int = 1
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_notice: Callable[[str], None] = lambda text: None

    @property
    def mean_losses(self) -> bool:
        """Whether a test loss is the mean over all samples."""
        return True


@dataclass(frozen=True, kw_only=True)
class NetJob(Job):
    """Job of an engine that trains a net of Caffe's kind on a data set.

    Attributes:
        net: the user's net, not yet bound to data.
        net_where: what to call that net in messages.
        display_interval: iterations between losses in Caffe's log.
        order: of the training samples; ``by seed``: as ``lrbench.data.order.sample_order`` gives it.
    """

    net: NetParameter
    net_where: str
    data: Prepared
    batch_size: int
    test_batch_size: int
    display_interval: int
    solver: SolverSettings
    order: Order = "as stored"

    @property
    def mean_losses(self) -> bool:
        """Whether the net's losses are means over the labels."""
        return has_mean_losses(self.net)

    @property
    def momenta(self) -> NDArray[np.float32] | None:
        """The momentum of every iteration where a policy gives it; None where ``solver.momentum`` is a number."""
        policy = self.solver.momentum_policy
        return None if policy is None else momentum_of(policy, 0, self.iterations, self.iterations)

    @property
    def momenta_bytes(self) -> bytes:
        """``momenta`` as little-endian float32 for an engine's process; empty where the momentum is a number."""
        momenta = self.momenta
        return b"" if momenta is None else momenta.astype("<f4").tobytes()

    @property
    def test_batches(self) -> int:
        """Batches that make up the whole test set once."""
        return self.data.test_count // self.test_batch_size


@dataclass(frozen=True, kw_only=True)
class ProgramJob(Job):
    """Job of a user's own program.

    Attributes:
        program: the file, in whose folder the program works.
        function: name of the function that gives the training's parts; None: the file runs as a script.
        arguments: values for the program, by name.
        split: the data to evaluate on, ``validation`` or ``test``.
        sources: SHA-256 of the program's files by path relative to ``module_folder``, as the run's id has them.
        module_folder: the folder that its modules are looked for in.
        spec_folder: the folder of the spec that names the program.
        timeout: longest time in seconds without a message from the program; None: no limit.
        carried: the function, where no file has it; ``program`` is its name in the folder that it works in.
    """

    program: Path
    function: str | None
    arguments: Mapping[str, Any]
    split: str
    sources: Mapping[str, str]
    module_folder: Path
    spec_folder: Path
    timeout: float | None = None
    carried: CarriedFunction | None = None


@dataclass(frozen=True)
class TrainResult:
    """Result of training one iteration for each of some rates.

    Attributes:
        iterations: how many were done; fewer than asked for only when the loss stopped being finite.
        train_loss: mean training loss over them; NaN or infinite when it diverged.
        seconds: wall time, evaluations excluded.
        finite: whether every training loss was finite.
    """

    iterations: int
    train_loss: float
    seconds: float
    finite: bool


@dataclass(frozen=True)
class TestOutputs:
    """The net's outputs on the whole test set.

    Attributes:
        probabilities: softmax outputs, shape (samples, classes), float32.
        labels: true classes, shape (samples,).
        loss: mean test loss.
        seconds: wall time it took.
        scores: what the softmax is taken of, shape (samples, classes), where the engine gives it. Classes are ranked by
            it: probabilities of a net that is about to diverge underflow to 0, and tie. Without it they are ranked by
            their probabilities.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    loss: float
    seconds: float
    scores: NDArray[np.float32] | None = None

    @property
    def ranking(self) -> NDArray[np.float32]:
        """The values that classes are ranked by: the scores, or the probabilities where there are none."""
        return self.probabilities if self.scores is None else self.scores


@dataclass(frozen=True)
class Reported:
    """An evaluation as a program reports it.

    Attributes:
        metrics: values by name.
        outputs: where the program gives its outputs for each sample, from which metrics are computed; its loss is NaN
            where the program gives none.
        seconds: wall time it took.
        facts: labels of the training, in words, which become known with its first evaluation.
    """

    metrics: Mapping[str, float]
    outputs: TestOutputs | None
    seconds: float
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Usage:
    """Resources that the session's processes have used since they started."""

    cpu_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Timing:
    """Measured times: starting, one training iteration of each lane, without the update, and one evaluation."""

    start_seconds: float
    iteration_seconds: float
    evaluation_seconds: float


class LeftEarly(Exception):
    """The program under training ended by itself before the run's last iteration, without an error."""


class SessionLost(EngineFailed):
    """The session is gone by no fault of this run alone: it can go on from its last snapshot in a new session."""


OutputsT = TypeVar("OutputsT", bound=TestOutputs | Reported, default=TestOutputs)


class Session(ABC, Generic[OutputsT]):
    """One net in training. Any method raises EngineFailed when the engine dies or refuses."""

    resumable: bool = True
    """Whether ``save`` and ``restore`` give bit for bit what an uninterrupted run gives."""

    @abstractmethod
    def train(self, rates: NDArray[np.float64]) -> TrainResult:
        """Train one iteration for each of ``rates``, with exactly that learning rate."""

    @abstractmethod
    def evaluate(self) -> OutputsT:
        """Evaluate the net as it is now: run the whole test set, or take what the program reports."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that ``restore`` needs into the new folder ``folder``, which becomes a snapshot on success only."""

    @abstractmethod
    def restore(self, folder: Path, evaluations: int) -> None:
        """Go on from what ``save`` wrote, ``evaluations`` having been done by then."""

    @abstractmethod
    def usage(self) -> Usage:
        """Processor time and memory so far."""

    @property
    def shared(self) -> int:
        """Number of runs that the session's processes train."""
        return 1

    def processes(self) -> list[int]:
        """The numbers of its processes that live, from any thread; those that they started need not be among them."""
        return []

    @abstractmethod
    def abort(self) -> None:
        """End the session's processes at once, from any thread: a call under way raises EngineFailed."""

    @abstractmethod
    def close(self) -> None:
        """End the session and give back all that it holds; from the thread that opened it."""


JobT = TypeVar("JobT", bound=Job, default=Any)


class Engine(ABC, Generic[JobT]):
    """Something that opens sessions for one kind of job, such as ``NetJob``."""

    has_lanes: bool = False
    """Whether several jobs can share a session."""
    isolated: bool = False
    """Whether no session's numbers can depend on another's, as each trains in a process of its own for instance.

    Sessions of any other engine are open one at a time, whatever ``-j`` says: within one process they would share the
    global random generators of NumPy and PyTorch.
    """

    def choose_lanes(self, job: JobT, most: int) -> tuple[int, str]:
        """Return the best number of lanes, up to ``most``, for jobs such as this one on this machine, and the reason.

        The job's folder is for the engine's own files.
        """
        return 1, "the engine has no lanes"

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Name and version, for run.json.

        Raises:
            EngineUnavailable: it is absent or broken on this machine.
        """

    def check_layers(self, net: NetParameter, where: str) -> None:
        """Refuse a net with a layer of a type that this engine does not know, before there are data; by default none.

        Args:
            net: a train-and-test net, not bound to data.
            where: what an error calls the net, such as its path.

        Raises:
            NetError: the place is the net and the layer.
        """

    @abstractmethod
    def check(self, job: JobT) -> None:
        """Refuse, before anything is written, what this engine cannot do.

        Raises:
            UsageError: of the kind that fits.
        """

    def check_momentum(self, job: NetJob) -> None:
        """Refuse a job whose momentum is a policy; an engine that sets ``job.momenta`` allows it.

        Raises:
            SpecError: the engine cannot set the momentum of each iteration.
        """
        raise SpecError(
            f"the engine {job.engine.name} takes the momentum as a number, but it is {job.solver.momentum}",
            remedy="set solver.momentum to a number, or train with torch",
        )

    def check_resumable(self, job: JobT) -> None:
        """Refuse a job whose session could not go on from a snapshot; starts it where that is not known otherwise.

        Raises:
            UsageError: it cannot be resumed, or cannot be started.
        """

    @abstractmethod
    def time(self, job: JobT) -> Timing:
        """Time a few passes of the job's net in its folder, with as many lanes as it says, training nothing."""

    @abstractmethod
    def open(self, job: JobT) -> Session[Any]:
        """Start a session, or join one that has room for another lane.

        The run's folder exists and belongs to the caller alone.
        """


def __getattr__(name: str) -> Any:
    """Return ``TrainResult`` for ``Stretch``, the name that it had up to 0.1."""
    if name != "Stretch":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("lrbench.engines.base.Stretch is TrainResult now", DeprecationWarning, stacklevel=2)
    return TrainResult
