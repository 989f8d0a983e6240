"""What not to use on a workload: policies that diverged or missed the target, and rates above all that trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lrbench.tuning.database import Entry
from lrbench.tuning.recommending.standing import best_mean, effective_text, peak_rate, trained


@dataclass(frozen=True)
class Avoidance:
    """A policy to avoid.

    Attributes:
        policy: as it was used.
        why: ``diverged``, or ``missed``: every seed was trained to the end without reaching the target.
        count: with how many of its seeds.
        measured_here: whether on the workload itself, or on a like one.
    """

    policy: str
    why: Literal["diverged", "missed"]
    count: int
    entry: Entry
    measured_here: bool


@dataclass(frozen=True)
class RateLimit:
    """Rates above ``trained`` are to be avoided: the smallest peak rate beyond it failed.

    Attributes:
        trained: the largest peak rate of a policy that trained, of ``trained_by``.
        failed: the smallest larger one that diverged or learnt next to nothing, of ``failed_by``; None where no
            larger one was tried, so that nothing is known of larger rates.
    """

    trained: float
    trained_by: Entry
    failed: float | None = None
    failed_by: Entry | None = None


def avoidances(entries: Sequence[Entry], target: float | None, *, measured_here: bool) -> Iterator[Avoidance]:
    """What diverged, the worst first, then what missed the target, the worst first."""
    diverged = [entry for entry in entries if entry.diverged_share]
    for entry in sorted(diverged, key=lambda entry: (-entry.diverged_share, entry.policy, entry.id)):
        count = sum(run.status == "diverged" for run in entry.samples)
        yield Avoidance(effective_text(entry), "diverged", count, entry, measured_here)
    if target is not None:
        missed = [entry for entry in entries if entry not in diverged and _missed(entry, target)]
        for entry in sorted(missed, key=lambda entry: (entry.best_accuracy.mean or 0.0, entry.policy, entry.id)):
            yield Avoidance(effective_text(entry), "missed", len(entry.samples), entry, measured_here)


def _missed(entry: Entry, target: float) -> bool:
    return entry.reached(target).missed == len(entry.samples)


def rate_limit(entries: Sequence[Entry]) -> RateLimit | None:
    """The largest rate that trained, and what happened above; None where nothing trained."""
    best = best_mean(entries)
    peaks = [(peak, entry) for entry in entries if (peak := peak_rate(entry)) is not None]
    good = [(peak, entry) for peak, entry in peaks if trained(entry, best)]
    if not good:
        return None
    top, by = max(good, key=lambda pair: (pair[0], pair[1].id))
    beyond = [(peak, entry) for peak, entry in peaks if peak > top]
    if not beyond:
        return RateLimit(top, by)
    failed, failed_by = min(beyond, key=lambda pair: (pair[0], pair[1].id))
    return RateLimit(top, by, failed, failed_by)
