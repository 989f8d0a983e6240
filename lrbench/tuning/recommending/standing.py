"""Which of the measured policies of one workload did best, as the database has them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies import Policy, parse_policy
from lrbench.tuning.database import Entry

LOOKED_AT = 1 << 18
"""Iterations at which a policy's rates are looked at for their peak, at most."""


def ranked(entries: Iterable[Entry], target: float | None) -> list[Entry]:
    """The entries worth recommending, the best first: no seed diverged, and all went on to the end or the target.

    With a target: those that reached it, by the share of seeds that did, then by the restricted mean of the iterations
    (see ``TimesToTarget``). Without, or where that is equal: by the mean of the best accuracies.
    """
    sound = [entry for entry in entries if entry.diverged_share == 0]
    if target is None:
        fit = [entry for entry in sound if any(run.whole for run in entry.samples)]
    else:
        fit = [entry for entry in sound if entry.reached(target).reached]
    return sorted(
        fit, key=lambda entry: (*_soonest(entry, target), -(entry.best_accuracy.mean or 0.0), entry.policy, entry.id)
    )


def _soonest(entry: Entry, target: float | None) -> tuple[float, float]:
    if target is None:
        return 0.0, 0.0
    return entry.times_to(target).order


def effective_policy(entry: Entry) -> Policy | None:
    """The policy with the rates that the net got; None where it is of a package that is not here."""
    try:
        return parse_policy(entry.policy).scaled(entry.lr_scale)
    except PolicyError:
        return None


def effective_text(entry: Entry) -> str:
    """The same as text, also where it cannot be read."""
    policy = effective_policy(entry)
    if policy is not None:
        return policy.text
    return entry.policy if entry.lr_scale == 1 else f"{entry.policy} x{entry.lr_scale:g}"


def peak_rate(entry: Entry) -> float | None:
    """The largest rate of its policy in its workload's run, for a closed-loop one the largest that may come about.

    None where the policy cannot be read.
    """
    policy, iterations = effective_policy(entry), entry.workload.iterations
    if policy is None:
        return None
    t = np.unique(np.linspace(0, iterations - 1, min(iterations, LOOKED_AT)).astype(np.int64))
    try:
        return max(float(bound.rates(t, iterations).max()) for bound in policy.upper_bounds)
    except PolicyError:
        return None


def trained(entry: Entry, best: float) -> bool:
    """Whether no seed diverged, and the net learnt at least half as much as the best one did."""
    mean = entry.best_accuracy.mean
    return entry.diverged_share == 0 and mean is not None and mean >= best / 2


def best_mean(entries: Iterable[Entry]) -> float:
    """The highest mean of the best accuracies, 0 where none has any."""
    means = [entry.best_accuracy.mean for entry in entries]
    return max((mean for mean in means if mean is not None and math.isfinite(mean)), default=0.0)
