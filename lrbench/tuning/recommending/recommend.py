"""The recommendation: a ranked shortlist, what to avoid, and rules, each with what it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lrbench.policies import functions
from lrbench.tuning.database import Entry, StoredWorkload
from lrbench.tuning.recommending.asked import Asked
from lrbench.tuning.recommending.avoiding import Avoidance, RateLimit, avoidances, rate_limit
from lrbench.tuning.recommending.likeness import Likeness, likeness
from lrbench.tuning.recommending.rescaling import rescaled, without_dimension
from lrbench.tuning.recommending.rules import Rule, rules
from lrbench.tuning.recommending.standing import best_mean, effective_policy, effective_text, ranked

MOST_LIKE = 3
"""Like workloads, the nearest ones."""
MOST_OF_EACH = 3
"""Policies of each."""


@dataclass(frozen=True)
class Candidate:
    """A policy to use, and where it was measured.

    Attributes:
        policy: as the run that is asked about would use it.
        measured: the policy that was measured; the same unless it was rescaled to the run's length.
    """

    policy: str
    measured: str
    entry: Entry

    @property
    def rescaled(self) -> bool:
        """Whether this very policy was not measured."""
        return self.policy != self.measured


@dataclass(frozen=True)
class LikeWorkload:
    """The best policies of a like workload.

    Attributes:
        policies: how many were measured there.
        by_target: whether they are ranked by the target; not where the data set is another, whose accuracies say
            nothing of it.
    """

    workload: StoredWorkload
    likeness: Likeness
    candidates: tuple[Candidate, ...]
    policies: int
    by_target: bool


@dataclass(frozen=True)
class Recommendation:
    """What there is to say of a workload with one solver.

    Attributes:
        here: measured on this workload, the best first; with a target only those that reached it.
        measured: how many policies were measured on it in all.
        like: the most alike first.
        limit: the largest rate that trained, on this workload or else on the nearest with the same net and data.
        limit_on: what that was measured on, in words; None for this workload.
        notes: what is left out or to be read with care.
    """

    asked: Asked
    target: float | None
    here: tuple[Candidate, ...]
    measured: int
    like: tuple[LikeWorkload, ...]
    avoid: tuple[Avoidance, ...]
    limit: RateLimit | None
    limit_on: str | None
    rules: tuple[Rule, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Group:
    """The entries of one workload of the database."""

    workload: StoredWorkload
    likeness: Likeness
    entries: tuple[Entry, ...]


def recommend(asked: Asked, entries: Iterable[Entry], target: float | None = None) -> Recommendation:
    """The recommendation for a workload by the entries of a policy database.

    Args:
        target: the accuracy to reach, a fraction; None to rank by the best accuracy.
    """
    groups = _groups(asked, entries)
    here = [entry for group in groups if group.likeness.measured_here for entry in group.entries]
    others = [group for group in groups if not group.likeness.measured_here]
    shortlist = tuple(
        Candidate(text, text, entry) for entry in ranked(here, target) for text in (effective_text(entry),)
    )
    like = tuple(_like(asked, others, target, {candidate.policy for candidate in shortlist}))
    twins = [group for group in others if group.likeness.same_net and group.likeness.same_data]
    limit, limit_on = _limit(here, twins)
    avoid = [
        *avoidances(here, target, measured_here=True),
        *(each for group in twins[:MOST_LIKE] for each in avoidances(group.entries, None, measured_here=False)),
    ]
    return Recommendation(
        asked,
        target,
        shortlist,
        len(here),
        like,
        tuple(avoid),
        limit,
        limit_on,
        tuple(rules(asked, limit, [each.workload for each in like])),
        (*_notes(asked, here, shortlist, target), *_not_rescaled(asked, others)),
    )


def _groups(asked: Asked, entries: Iterable[Entry]) -> list[_Group]:
    """The entries of like workloads, the most alike first."""
    by_workload: dict[str, list[Entry]] = {}
    for entry in entries:
        by_workload.setdefault(entry.workload.id, []).append(entry)
    groups = []
    for members in by_workload.values():
        found = likeness(asked, members[0].workload)
        if found is not None:
            groups.append(_Group(members[0].workload, found, tuple(members)))
    return sorted(groups, key=lambda group: (group.likeness.distance, -len(group.entries), group.workload.id))


def _like(asked: Asked, groups: Sequence[_Group], target: float | None, known: set[str]) -> Iterator[LikeWorkload]:
    """The nearest workloads with policies that are not known from a nearer one."""
    found = 0
    for group in groups:
        by_target = target is not None and group.likeness.same_data
        best = ranked(group.entries, target if by_target else None)
        carried = (candidate for entry in best if (candidate := _carried(entry, asked)) is not None)
        new = {candidate.policy: candidate for candidate in carried if candidate.policy not in known}
        candidates = tuple(new.values())[:MOST_OF_EACH]
        known.update(candidate.policy for candidate in candidates)
        if candidates:
            found += 1
            yield LikeWorkload(group.workload, group.likeness, candidates, len(group.entries), by_target)
        if found == MOST_LIKE:
            return


def _carried(entry: Entry, asked: Asked) -> Candidate | None:
    policy = effective_policy(entry)
    if policy is None:
        return None
    carried = rescaled(policy, entry.workload.iterations, asked.iterations)
    return None if carried is None else Candidate(carried.text, policy.text, entry)


def _not_rescaled(asked: Asked, groups: Sequence[_Group]) -> Iterator[str]:
    """A note on the policies of like workloads whose LR functions do not say how they change with a run's length."""
    own = {function.name for function in functions()}
    others = {
        policy
        for group in groups
        for entry in group.entries
        if not own.issuperset(re.findall(r"(\w+)\(", entry.policy)) and entry.workload.iterations != asked.iterations
        if (policy := effective_policy(entry)) is not None
    }
    missing = {name for policy in others for name in without_dimension(policy)}
    if missing:
        yield (
            f"policies of like workloads are left out where they cannot be rescaled to {asked.iterations} iterations: "
            f"these parameters have no dimension: {', '.join(sorted(missing))}"
        )


def _limit(here: Sequence[Entry], twins: Sequence[_Group]) -> tuple[RateLimit | None, str | None]:
    """By this workload, else by the nearest one with the same net and data."""
    found = rate_limit(here)
    if found is not None:
        return found, None
    for group in twins:
        found = rate_limit(group.entries)
        if found is not None:
            return found, "; ".join(group.likeness.reasons)
    return None, None


def _notes(asked: Asked, here: Sequence[Entry], shortlist: Sequence[Candidate], target: float | None) -> Iterator[str]:
    if asked.dataset_sha256 is None:
        yield (
            f"the data set {asked.dataset_name} is not prepared here, so that measurements are found by its name alone"
        )
    if asked.lr_scale != 1:
        yield (
            f"the rates are those that the net gets: a spec with this solver's lr_scale of {asked.lr_scale:g} "
            f"multiplies them again, so leave that out with them"
        )
    if here and target is not None and not shortlist:
        nearest = best_mean(here)
        yield (
            f"none of the {len(here)} policies measured on this workload reached {100 * target:g} % without a seed "
            f"that diverged; the highest mean of best accuracies is {100 * nearest:.2f} %"
        )
    if target is None and (early := sum(not any(run.whole for run in entry.samples) for entry in here)):
        yield f"left out: {early} of which every run was stopped early, so that nothing is known of the whole run"
