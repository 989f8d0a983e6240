"""The recommendation for a workload: a ranked shortlist, what to avoid, and rules, each with its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lrbench.metrics.metric import Metric
from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, Target
from lrbench.policies import functions
from lrbench.tuning.database.entry import Entry, StoredWorkload
from lrbench.tuning.recommending.ranking import (
    Avoidance,
    RateLimit,
    avoidances,
    best_mean,
    effective_policy,
    effective_text,
    ranked,
    rate_limit,
)
from lrbench.tuning.recommending.rescaling import rescaled, without_dimension
from lrbench.tuning.recommending.rules import Rule, rules
from lrbench.tuning.recommending.similarity import Similarity, WorkloadQuery, similarity

MOST_LIKE, MOST_OF_EACH = 3, 3
"""Like workloads, the nearest ones, and policies of each."""


@dataclass(frozen=True)
class RecommendedPolicy:
    """A policy to use, and where it was measured.

    Attributes:
        policy: text for the run that is asked about.
        measured: the policy that was measured; the same unless it was rescaled to the run's length.
    """

    policy: str
    measured: str
    entry: Entry

    @property
    def rescaled(self) -> bool:
        """Whether the policy was rescaled, so that it was not itself measured."""
        return self.policy != self.measured


@dataclass(frozen=True)
class LikeWorkload:
    """The best policies of a similar workload.

    Attributes:
        policies: number of policies measured there.
        by_target: whether they are ranked by the target; False for another data set, whose accuracies do not compare.
    """

    workload: StoredWorkload
    similarity: Similarity
    candidates: tuple[RecommendedPolicy, ...]
    policies: int
    by_target: bool


@dataclass(frozen=True)
class Recommendation:
    """Measured policies, rules and warnings for a workload with one solver.

    Attributes:
        objective: ranks the policies where there is no target.
        here: measured on this workload, the best first; with a target only those that reached it.
        measured: number of policies measured on it.
        like: similar workloads, the nearest first.
        limit: the largest rate that trained, on this workload or else on the nearest with the same net and data.
        limit_on: the workload of ``limit`` in words; None for this one.
        notes: what is left out or to be read with care.
    """

    query: WorkloadQuery
    target: AnyTarget | None
    objective: Objective
    here: tuple[RecommendedPolicy, ...]
    measured: int
    like: tuple[LikeWorkload, ...]
    avoid: tuple[Avoidance, ...]
    limit: RateLimit | None
    limit_on: str | None
    rules: tuple[Rule, ...]
    notes: tuple[str, ...]

    @property
    def metric(self) -> Metric:
        """The metric of a run by which policies are ranked."""
        return self.objective.ranking


@dataclass(frozen=True)
class _Group:
    """The entries of one workload of the database."""

    workload: StoredWorkload
    similarity: Similarity
    entries: tuple[Entry, ...]


def recommend(
    query: WorkloadQuery,
    entries: Iterable[Entry],
    target: AnyTarget | None = None,
    objective: Objective = ACCURACY,
) -> Recommendation:
    """Recommend policies for a workload by the entries of a policy database.

    Args:
        target: the accuracy to reach, a fraction, or a target on another metric; None to rank by the objective.
    """
    metric = objective.ranking
    groups = _groups(query, entries)
    here = [entry for group in groups if group.similarity.measured_here for entry in group.entries]
    others = [group for group in groups if not group.similarity.measured_here]
    texts = [(effective_text(entry), entry) for entry in ranked(here, target, metric)]
    shortlist = tuple(RecommendedPolicy(text, text, entry) for text, entry in texts)
    avoid = {each.policy: each for each in avoidances(here, target, objective, measured_here=True)}
    like = tuple(_like(query, others, target, metric, {candidate.policy for candidate in shortlist} | avoid.keys()))
    twins = [group for group in others if group.similarity.same_net and group.similarity.same_data]
    measured_on = [(here, None), *((group.entries, "; ".join(group.similarity.reasons)) for group in twins)]
    limits = ((rate_limit(entries, objective), where) for entries, where in measured_on)
    limit, limit_on = next((pair for pair in limits if pair[0] is not None), (None, None))
    measured = {effective_text(entry) for entry in here}
    for group in twins[:MOST_LIKE]:
        for each in avoidances(group.entries, None, objective, measured_here=False):
            if each.policy not in measured:
                avoid.setdefault(each.policy, each)
    return Recommendation(
        query,
        target,
        objective,
        shortlist,
        len(here),
        like,
        tuple(avoid.values()),
        limit,
        limit_on,
        tuple(rules(query, limit, [each.workload for each in like])),
        (
            *_notes(query, here, shortlist, target, objective),
            *_of_other_nets(here, like),
            *_not_rescaled(query, others),
        ),
    )


def _groups(query: WorkloadQuery, entries: Iterable[Entry]) -> list[_Group]:
    """The entries of like workloads, the most alike first."""
    by_workload: dict[str, list[Entry]] = {}
    for entry in entries:
        by_workload.setdefault(entry.workload.id, []).append(entry)
    groups = [
        _Group(members[0].workload, found, tuple(members))
        for members in by_workload.values()
        if (found := similarity(query, members[0].workload)) is not None
    ]
    return sorted(groups, key=lambda group: (group.similarity.distance, -len(group.entries), group.workload.id))


def _like(
    query: WorkloadQuery, groups: Sequence[_Group], target: AnyTarget | None, metric: Metric, known: set[str]
) -> Iterator[LikeWorkload]:
    """Yield the nearest workloads with policies that are not known from a nearer one, as good or as diverging."""
    found = 0
    for group in groups:
        by_target = target is not None and group.similarity.same_data
        carried = {entry.id: each for entry in group.entries if (each := _carried(entry, query)) is not None}
        ranking = ranked(group.entries, target if by_target else None, metric)
        new = {each.policy: each for entry in ranking if (each := carried.get(entry.id)) and each.policy not in known}
        candidates = tuple(new.values())[:MOST_OF_EACH]
        diverged = (each.policy for each in carried.values() if each.entry.diverged_share)
        known.update(diverged, (each.policy for each in candidates))
        if candidates:
            found += 1
            yield LikeWorkload(group.workload, group.similarity, candidates, len(group.entries), by_target)
        if found == MOST_LIKE:
            return


def _carried(entry: Entry, query: WorkloadQuery) -> RecommendedPolicy | None:
    """Return an entry's policy for the run that is asked about, where it can be rescaled to it."""
    policy = effective_policy(entry)
    if policy is None or (carried := rescaled(policy, entry.workload.iterations, query.iterations)) is None:
        return None
    return RecommendedPolicy(carried.text, policy.text, entry)


def _of_other_nets(here: Sequence[Entry], like: Sequence[LikeWorkload]) -> Iterator[str]:
    """Yield a warning where nothing is known of the net itself."""
    if like and not here and not any(each.similarity.same_net for each in like):
        yield (
            "nothing was measured on this net, and rates that train one net well may not train another at all; "
            "lrbench range finds those that train this one"
        )


def _not_rescaled(query: WorkloadQuery, groups: Sequence[_Group]) -> Iterator[str]:
    """Yield a note on the policies of like workloads whose LR functions cannot be rescaled to the run's length."""
    own = {function.name for function in functions()}
    others = {
        policy
        for group in groups
        for entry in group.entries
        if not own.issuperset(re.findall(r"(\w+)\(", entry.policy)) and entry.workload.iterations != query.iterations
        if (policy := effective_policy(entry)) is not None
    }
    missing = {name for policy in others for name in without_dimension(policy)}
    if missing:
        yield (
            f"policies of like workloads are left out where they cannot be rescaled to {query.iterations} iterations: "
            f"these parameters have no dimension: {', '.join(sorted(missing))}"
        )


def _notes(
    query: WorkloadQuery,
    here: Sequence[Entry],
    shortlist: Sequence[RecommendedPolicy],
    target: AnyTarget | None,
    objective: Objective,
) -> Iterator[str]:
    if query.dataset_sha256 is None:
        yield (
            f"the data set {query.dataset_name} is not prepared here, so that measurements are found by its name alone"
        )
    if query.lr_scale != 1:
        yield (
            f"the rates are those that the net gets: a spec with this solver's lr_scale of {query.lr_scale:g} "
            f"multiplies them again, so leave that out with them"
        )
    if here and target is not None and not shortlist:
        none = f"none of the {len(here)} policies measured on this workload reached"
        if isinstance(target, Target):
            yield f"{none} the {target.title} without a seed that diverged"
        else:
            yield (
                f"{none} {100 * target:g} % without a seed that diverged; the highest mean of best accuracies is "
                f"{100 * best_mean(here):.2f} %"
            )
    if unmeasured := sum(not entry.spread(objective.ranking.name).n for entry in here if not entry.diverged_share):
        yield f"left out: {unmeasured} whose runs were not judged by the {objective.ranking.title}"
    if target is None and (early := sum(not any(run.whole for run in entry.samples) for entry in here)):
        yield f"left out: {early} of which every run was stopped early, so that nothing is known of the whole run"
