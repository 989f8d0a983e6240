"""The matrix of one workload: a policy's row under each solver, and how it does across them."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lrbench.metrics.registry import Metric
from lrbench.report.build import Report, standing
from lrbench.report.policies import PolicyRow


@dataclass(frozen=True)
class Standing:
    """How one policy does across the solvers.

    Attributes:
        regrets: by solver, how much worse than that solver's best policy its mean is, in the metric's unit; None where
            it, or every policy there, had a run that diverged or missed the target, or where not every seed of it has
            a value.
        worst_rank, largest_regret: None where it lacks one under some solver.
        troubles: solvers by what keeps it from holding there: ``not run``, ``unfinished``, ``diverged``,
            ``no value``, ``a seed without a value``, ``worse`` than that solver's best beyond the seeds' noise,
            ``not tested`` for want of seeds or spread.
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
        """Whether it is, under every solver, the best or not told apart from it."""
        return not self.troubles


@dataclass(frozen=True, eq=False)
class SolverTable:
    """One workload on one engine with several solvers.

    Attributes:
        label: the workload, and the engine where it does not go without saying.
        solvers: in the order in which Caffe's types are listed, others last.
        factors: by solver, what its ``lr_scale`` multiplies the rates of each policy by.
        rows: by policy, before that factor, then by solver; ranked among the policies of that solver.
        target: the accuracy to reach, a fraction; None where there is none or there are several.
    """

    label: str
    metric: Metric
    solvers: tuple[str, ...]
    factors: Mapping[str, float]
    rows: Mapping[str, Mapping[str, PolicyRow]]
    target: float | None

    def best(self, solver: str) -> PolicyRow | None:
        """The row that ranks first under a solver; None where none has a rank."""
        found = [by[solver] for by in self.rows.values() if solver in by and by[solver].rank == 1]
        return found[0] if found else None

    def ranked(self, solver: str) -> int:
        """How many policies have a rank under a solver."""
        return sum(solver in by and by[solver].rank is not None for by in self.rows.values())

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Of every policy, that with the smallest largest regret first; those without one last."""
        found = [self._standing(policy) for policy in self.rows]
        return tuple(sorted(found, key=_safest))

    @cached_property
    def usual_seeds(self) -> int:
        """The number of seeds that most means are over."""
        counts = [row.summaries[self.metric.name].n for by in self.rows.values() for row in by.values()]
        return collections.Counter(filter(None, counts)).most_common(1)[0][0] if any(counts) else 0

    def title(self, solver: str) -> str:
        """The solver, with its factor where that is not 1."""
        factor = self.factors[solver]
        return solver if factor == 1 else f"{solver} (rates x{factor:g})"

    def _standing(self, policy: str) -> Standing:
        by = self.rows[policy]
        troubles: dict[str, list[str]] = {}
        for solver in self.solvers:
            trouble = _trouble(by.get(solver), self.metric)
            if trouble is not None:
                troubles.setdefault(trouble, []).append(solver)
        return Standing(
            policy,
            {solver: by[solver].rank if solver in by else None for solver in self.solvers},
            {solver: self._regret(by.get(solver), solver) for solver in self.solvers},
            {trouble: tuple(solvers) for trouble, solvers in troubles.items()},
        )

    def _regret(self, row: PolicyRow | None, solver: str) -> float | None:
        best = self.best(solver)
        if row is None or row.rank is None or row.diverged or _lacks_seeds(row, self.metric):
            return None
        if best is None or best.diverged or best.missed(self.metric):
            return None
        return standing(row, self.metric)[-1] - standing(best, self.metric)[-1]


def _lacks_seeds(row: PolicyRow, metric: Metric) -> bool:
    """Whether a seed has no value, as where it missed the target: the mean of the others would flatter the policy."""
    return row.summaries[metric.name].n < len(row.counted)


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
    """Without a largest regret: by how many solvers it diverged under, how many give no regret, and what is known."""
    known = [regret for regret in found.regrets.values() if regret is not None]
    largest = found.largest_regret
    diverged = len(found.troubles.get("diverged", ()))
    return largest is None, largest or 0.0, diverged, -len(known), max(known, default=0.0), found.policy


@dataclass(frozen=True, eq=False)
class SolverReport:
    """All that there is to show.

    Attributes:
        report: the ordinary report that it is made from.
        notes: what is left out, a line each, beside the notes of that report.
    """

    report: Report
    tables: tuple[SolverTable, ...]
    notes: tuple[str, ...]
