"""A comparison of policies over the values of a setting: rows, and the standing of each policy across them."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lrbench.metrics.objective import AnyTarget
from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary
from lrbench.report.build import Report, standing
from lrbench.report.comparison.axes import Axis
from lrbench.report.comparison.contrast import Contrast, contrast
from lrbench.report.comparison.cost import Samples
from lrbench.report.comparison.transfer import Agreement, Transfer, agreement, transfer
from lrbench.report.policies import PolicyRow


@dataclass(frozen=True, eq=False)
class ComparedRow:
    """One policy at one value, ranked among the policies at that value."""

    value: str
    row: PolicyRow
    costs: Mapping[str, Summary]


@dataclass(frozen=True)
class Standing:
    """Results of one policy across the values.

    Attributes:
        regrets: by value, gap between its mean and that of the best policy there, in the metric's unit; None where it,
            or every policy there, had a run that diverged or missed the target, or where a seed of it has no value.
        worst_rank, largest_regret: None where it lacks one at some value.
        troubles: values by what keeps it from holding there: ``not run``, ``unfinished``, ``diverged``, ``no value``,
            ``a seed without a value``, significantly ``worse`` than the best there, ``not tested`` for lack of seeds or
            spread.
    """

    policy: str
    ranks: Mapping[str, int | None]
    regrets: Mapping[str, float | None]
    troubles: Mapping[str, tuple[str, ...]]

    @property
    def worst_rank(self) -> int | None:
        known = [rank for rank in self.ranks.values() if rank is not None]
        return max(known) if len(known) == len(self.ranks) else None

    @property
    def largest_regret(self) -> float | None:
        known = [regret for regret in self.regrets.values() if regret is not None]
        return max(known) if len(known) == len(self.regrets) else None

    @property
    def holds(self) -> bool:
        """Whether the policy is the best, or not significantly worse than it, at every value."""
        return not self.troubles


@dataclass(frozen=True, eq=False)
class ComparisonTable:
    """All that is equal but for the compared setting.

    Attributes:
        label: the workload, and what else does not go without saying.
        values: the first is what the others are compared with.
        factors: by value, what its ``lr_scale`` multiplies the rates of each policy by.
        rows: by policy, before that factor, then by value.
        target: the accuracy to reach, a fraction; None where there is none or there are several.
        conditions: the versions and machines that the costs were measured with.
    """

    axis: Axis
    label: str
    metric: Metric
    values: tuple[str, ...]
    factors: Mapping[str, float]
    rows: Mapping[str, Mapping[str, ComparedRow]]
    target: AnyTarget | None
    conditions: tuple[str, ...]
    samples: Samples = field(repr=False)

    def at(self, value: str) -> dict[str, PolicyRow]:
        """The rows at a value by policy, the best first."""
        found = {policy: by[value].row for policy, by in self.rows.items() if value in by}
        return dict(sorted(found.items(), key=lambda item: (item[1].rank is None, item[1].rank or 0)))

    def title(self, value: str) -> str:
        """The value, with its factor where that is not 1."""
        factor = self.factors[value]
        return value if factor == 1 else f"{value} (rates x{factor:g})"

    @cached_property
    def usual_seeds(self) -> int:
        """The number of seeds that most means are over."""
        counts = [each.row.summaries[self.metric.name].n for by in self.rows.values() for each in by.values()]
        return collections.Counter(filter(None, counts)).most_common(1)[0][0] if any(counts) else 0

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Standing of each policy, the smallest largest regret first; those without one last."""
        return tuple(sorted(map(self._standing, self.rows), key=_safest))

    def ordered(self) -> Iterator[tuple[Standing, Mapping[str, ComparedRow]]]:
        """Each policy's standing and rows, in the order of ``standings``."""
        return ((found, self.rows[found.policy]) for found in self.standings)

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Each further value against the first."""
        base, *others = self.values
        return tuple(contrast(base, other, self.at(base), self.at(other), self.metric) for other in others)

    @cached_property
    def transfers(self) -> tuple[Transfer, ...]:
        """Results of the best policy at each value, at every other value."""
        pairs = itertools.permutations(self.values, 2)
        found = (transfer(pair, self.at(pair[0]), self.at(pair[1]), self.metric) for pair in pairs)
        return tuple(each for each in found if each is not None)

    @cached_property
    def agreements(self) -> tuple[Agreement, ...]:
        """How far the rankings at each two values agree."""
        pairs = itertools.combinations(self.values, 2)
        return tuple(agreement(pair, self.at(pair[0]), self.at(pair[1]), self.metric) for pair in pairs)

    def _standing(self, policy: str) -> Standing:
        rows = {value: self.rows[policy][value].row for value in self.values if value in self.rows[policy]}
        troubles: dict[str, list[str]] = {}
        for value in self.values:
            trouble = _trouble(rows.get(value), self.metric)
            if trouble is not None:
                troubles.setdefault(trouble, []).append(value)
        return Standing(
            policy,
            {value: rows[value].rank if value in rows else None for value in self.values},
            {value: self._regret(rows.get(value), value) for value in self.values},
            {trouble: tuple(values) for trouble, values in troubles.items()},
        )

    def _regret(self, row: PolicyRow | None, value: str) -> float | None:
        best = next((other for other in self.at(value).values() if other.rank == 1), None)
        if row is None or row.rank is None or row.diverged or _lacks_seeds(row, self.metric):
            return None
        if best is None or best.diverged or best.missed(self.metric):
            return None
        return standing(row, self.metric)[-1] - standing(best, self.metric)[-1]


def _lacks_seeds(row: PolicyRow, metric: Metric) -> bool:
    """Whether a seed has no value, as where it missed the target: the mean of the others would flatter the policy."""
    return row.summaries[metric.name].n < len(row.samples(metric))


def _trouble(row: PolicyRow | None, metric: Metric) -> str | None:
    if row is None:
        return "not run"
    if row.diverged:
        return "diverged"
    if row.rank is None:
        return "unfinished" if row.provisional else "no value"
    if _lacks_seeds(row, metric):
        return "a seed without a value"
    verdict = row.comparison.verdict if row.comparison is not None else "one seed"
    if verdict == "worse":
        return "worse"
    return None if verdict in ("best", "not told apart") else "not tested"


def _safest(found: Standing) -> tuple[bool, float, int, int, float, str]:
    """Without a largest regret: by how many values it diverged at, how many give no regret, and what is known."""
    known = [regret for regret in found.regrets.values() if regret is not None]
    largest = found.largest_regret
    diverged = len(found.troubles.get("diverged", ()))
    return largest is None, largest or 0.0, diverged, -len(known), max(known, default=0.0), found.policy


@dataclass(frozen=True, eq=False)
class Comparison:
    """All tables of a comparison.

    Attributes:
        report: report that the comparison is made from.
        notes: a line for each omission or caveat, beside the notes of that report.
    """

    report: Report
    axis: Axis
    tables: tuple[ComparisonTable, ...]
    notes: tuple[str, ...]
