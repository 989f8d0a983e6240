"""The files that Caffe is given: the bound net and the solver, in the run's folder."""

from __future__ import annotations

from lrbench.engines.base import Job
from lrbench.engines.bound import BoundNet
from lrbench.engines.caffe.schedule import native_schedule
from lrbench.engines.caffe.solver import native_solver
from lrbench.nets import write_message

NET, SOLVER = "net.prototxt", "solver.prototxt"
POLICY_IS = "Learning-rate policy: "
NOT_NATIVE = "Caffe has no native form of it: LRBench sets base_lr before each iteration, caffe train would not."
"""The solver's first two comments, the second where the solver's own lr_policy is not the run's policy."""


def write_run_files(job: Job, bound: BoundNet) -> None:
    """Write net.prototxt and solver.prototxt, with which plain ``caffe train`` works from within the folder."""
    write_message(job.folder / NET, bound.net)
    header = f"{POLICY_IS}{job.policy.text}"
    if native_schedule(job.policy, job.iterations) is None:
        header += f"\n{NOT_NATIVE}"
    write_message(job.folder / SOLVER, native_solver(job), header=header)
