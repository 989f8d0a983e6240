"""A run's folder as Caffe works in it: net, solver and log, and the worker that is started there."""

from __future__ import annotations

from lrbench.engines.base import NetJob
from lrbench.engines.bound_net import BoundNet
from lrbench.engines.caffe.environment import WORKER, CaffeEnvironment
from lrbench.engines.caffe.schedule import native_schedule
from lrbench.engines.process.client import WorkerClient
from lrbench.nets import write_message
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.spec.solver_types import SOLVER_FIELDS

NET, SOLVER, SNAPSHOT_PREFIX = "net.prototxt", "solver.prototxt", "snapshots/net"
NEVER = 2**31 - 1
POLICY_IS = "Learning-rate policy: "
NOT_NATIVE = "Caffe has no native form of it: LRBench sets base_lr before each iteration, caffe train would not."
"""The solver's first two comments, the second where the solver's own lr_policy is not the run's policy."""
MOMENTUM_IS = "Momentum policy: {}, which Caffe has no form of: LRBench adds the momentum after each update."
"""The comment where a policy gives the momentum; the solver's own momentum is 0 then."""


def write_run_files(job: NetJob, bound: BoundNet) -> None:
    """Write net.prototxt and solver.prototxt, with which plain ``caffe train`` works from within the folder."""
    write_message(job.folder / NET, bound.net)
    header = f"{POLICY_IS}{job.policy.text}"
    if native_schedule(job.policy, job.iterations) is None:
        header += f"\n{NOT_NATIVE}"
    if job.solver.momentum_policy is not None:
        header += f"\n{MOMENTUM_IS.format(job.solver.momentum_policy)}"
    write_message(job.folder / SOLVER, native_solver(job), header=header)


def native_solver(job: NetJob) -> SolverParameter:
    """The solver with Caffe's own policy where it has one, else with the first rate held.

    Paths are relative to the run's folder, so that ``caffe train`` works from within it wherever it is moved to.
    """
    solver = _solver(job)
    solver.test_interval = job.test_interval
    solver.display = min(job.display_interval, job.test_interval)  # each stretch has a loss to tell
    solver.snapshot = job.test_interval
    schedule = native_schedule(job.policy, job.iterations)
    if schedule is not None:
        solver.MergeFrom(schedule)
    return solver


def stepping_solver(job: NetJob, snapshot_prefix: str) -> SolverParameter:
    """The solver that the worker steps: it sets ``base_lr`` before each iteration and tests only when asked to."""
    solver = _solver(job)
    solver.snapshot_prefix = snapshot_prefix
    solver.test_interval = NEVER
    return solver


def _solver(job: NetJob) -> SolverParameter:
    """The solver of the job that holds the first rate."""
    given = job.solver.resolved()
    solver = SolverParameter(
        net=NET,
        lr_policy="fixed",
        base_lr=float(job.policy.start(job.iterations).rates(0, 1)[0]),
        type=job.solver.type,
        max_iter=job.iterations,
        display=job.display_interval,
        test_iter=[job.test_batches],
        test_initialization=False,
        random_seed=job.seed,
        snapshot_prefix=SNAPSHOT_PREFIX,
        solver_mode=SolverParameter.GPU if job.engine.device == "gpu" else SolverParameter.CPU,
        device_id=job.device_id,
    )
    if job.solver.momentum_policy is not None:
        given["momentum"] = 0.0
    for name in SOLVER_FIELDS:
        if name in given:
            setattr(solver, name, given[name])
    return solver


LOG_NAME = "caffe.log"


def start_worker(environment: CaffeEnvironment, job: NetJob, log_name: str = LOG_NAME) -> WorkerClient:
    """A worker in Caffe's own Python, in the job's folder."""
    command = environment.command((*environment.python, str(WORKER)), job.threads, job.engine.device)
    return WorkerClient("Caffe", command, job.folder / log_name)
