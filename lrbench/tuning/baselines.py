"""Baselines that a careful user would take, to compare the policies found by a search with.

The spec names them, or the net has a published policy for the data set, or they follow from the optimizer: a cosine
after a warm-up for Adam, a fixed rate and a cosine for others, all at the peak rate that the range test suggests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.policies import Policy, parse_policy
from lrbench.policies.family import rounded
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import SolverSettings
from lrbench.spec.program import ProgramArguments, ProgramWorkload
from lrbench.tuning.recommending.rescaling import rescaled
from lrbench.tuning.space import Space
from lrbench.tuning.trial_runner import TrialRunner

WARMUP_SHARE = 20
"""The warm-up takes one in so many iterations."""
HE_2016 = "He et al., Deep Residual Learning for Image Recognition, section 4.2"


@dataclass(frozen=True)
class Published:
    """A policy that was published for nets on a data set, trained by SGD with momentum.

    Attributes:
        nets: the first letters and digits of the nets' names, in lower case.
        iterations: those of the published run.
    """

    nets: tuple[str, ...]
    dataset: str
    policy: str
    iterations: int
    source: str


PUBLISHED = (
    Published(("lenet",), "mnist", "INV(k0=0.01, gamma=0.0001, p=0.75)", 10_000, "Caffe's example lenet_solver"),
    Published(
        ("cifar10quick",),
        "cifar10",
        "NSTEP(k0=0.001, gamma=0.1, l=[4000])",
        5000,
        "Caffe's examples cifar10_quick_solver and cifar10_quick_solver_lr1",
    ),
    Published(
        ("cnn3", "cifar10full"),
        "cifar10",
        "NSTEP(k0=0.001, gamma=0.1, l=[60000, 65000])",
        70_000,
        "Caffe's examples cifar10_full_solver, cifar10_full_solver_lr1 and cifar10_full_solver_lr2",
    ),
    Published(
        ("resnet20", "resnet32", "resnet44", "resnet56"),
        "cifar10",
        "NSTEP(k0=0.1, gamma=0.1, l=[32000, 48000])",
        64_000,
        HE_2016,
    ),
)


@dataclass(frozen=True)
class Baselines:
    """Policies to compare those found with, and why these; the reason is empty for those that the spec names."""

    policies: tuple[Policy, ...]
    reason: str = ""


def given_baselines(experiment: Experiment) -> Baselines | None:
    """Return the baselines that the spec names; None where it leaves them to LRBench.

    Raises:
        PolicyError: one is no policy, or impossible in a run of that length; with the spec's line.
    """
    texts = experiment.settings.search.baselines
    if texts is None:
        return None
    found = []
    for index, text in enumerate(texts):
        with experiment.document.placing("search", "baselines", index):
            found.append(parse_policy(text))
            found[-1].check(experiment.workload.iterations)
    return Baselines(tuple(found))


def careful_baselines(runner: TrialRunner, space: Space, found: Sequence[Policy]) -> Baselines:
    """Return the baselines that a careful user would take.

    Args:
        space: of the search; a range test that found its rates suggests the peak.
        found: policies that the search found, the best first, whose highest rate is the peak without a range test.
    """
    experiment = runner.experiment
    published = _published(experiment)
    if published is not None:
        return published
    iterations = experiment.workload.iterations
    if space.range_test is not None and space.range_test.peak is not None:
        peak, where = space.range_test.peak.rate, "the peak rate that the range test suggests"
    elif found:
        peak, where = highest_rate(found[0], iterations), "the highest rate of the best policy found"
    else:
        return Baselines(())
    cosine = cosine_from(peak, experiment.settings.solver[0], iterations)
    if cosine.name == "WARMUP":
        return Baselines((cosine,), f"a cosine after a warm-up, which is usual for Adam, at {where}, {peak:g}")
    return Baselines((parse_policy(f"FIX(k0={peak!r})"), cosine), f"a fixed rate and a cosine, at {where}, {peak:g}")


def cosine_from(peak: float, solver: SolverSettings | ProgramArguments, iterations: int) -> Policy:
    """Return half a cosine from a peak rate to 0, after a warm-up for Adam."""
    cosine, warmup = f"COSDECAY(k0={peak!r})", iterations // WARMUP_SHARE
    warmed = getattr(solver, "type", None) == "Adam" and warmup > 0
    return parse_policy(f"WARMUP(policy={cosine}, l={warmup})" if warmed else cosine)


def _published(experiment: Experiment) -> Baselines | None:
    """The published policy of the net on the data set, stretched to the run's length; None where there is none."""
    workload, solver = experiment.workload, experiment.settings.solver[0]
    if isinstance(workload, ProgramWorkload) or solver.lr_scale != 1:
        return None
    if getattr(solver, "type", None) not in ("SGD", "Nesterov"):
        return None
    net = "".join(filter(str.isalnum, workload.net_name.lower()))
    for row in PUBLISHED:
        if workload.dataset == row.dataset and net.startswith(row.nets):
            policy = rescaled(parse_policy(row.policy), row.iterations, workload.iterations)
            if policy is not None:
                length = "" if workload.iterations == row.iterations else ", stretched to the run's length"
                return Baselines((policy,), f"the published policy of the net ({row.source}){length}")
    return None


def highest_rate(policy: Policy, iterations: int) -> float:
    """Return the highest rate that a policy may have in a run."""
    t = np.arange(iterations)
    return rounded(max(float(bound.rates(t, iterations).max()) for bound in policy.upper_bounds))
