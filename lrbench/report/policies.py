"""A policy as a row: its runs over the seeds on one workload, with one solver and one engine.

Which runs count: those that reached an outcome (finished, stopped by a rule, diverged), each with the values it has.
A run that diverged keeps the best accuracy that it had before and has no final one; how many diverged stands beside
the mean, and the policy ranks behind those of which fewer did. Failed runs never count. While none has reached an
outcome, the active runs show the best so far: such a row is provisional, it gets no rank and is compared with
nothing.
"""

from __future__ import annotations

import collections
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress

from lrbench.comparable import row_key
from lrbench.metrics.equal_seeds import is_clock, seeds_change_nothing
from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.metrics.registry import METRICS, TIMES_TO_TARGET, Metric, unknown_metric
from lrbench.metrics.run import Robustness, lr_scale_robustness
from lrbench.metrics.summary import Summary, TimesToTarget, summarise, times_to_target, with_spacing
from lrbench.policies.counting import RATES
from lrbench.report.rows import STATUSES, UNDER_WAY, RunRow
from lrbench.runs.status import COMPLETED, OUTCOMES
from lrbench.statistics.sequential import SeedPlan
from lrbench.statistics.verdicts import Comparison


class _Summaries(dict[str, Summary]):
    """Summaries by metric; of a metric that no run here knows, one of nothing."""

    def __missing__(self, name: str) -> Summary:
        return Summary(None, None, 0)


@dataclass(frozen=True, eq=False)
class PolicyRow:
    """One policy with one solver and engine on one workload, at the scale 1 of its rates.

    Attributes:
        runs: its runs, one a seed.
        scaled: the runs of the same policy with its rates scaled, for its robustness.
        rank: its place in the table, None where there is nothing to rank or nothing final.
        comparison: against the best and the others of the table, None for a row without a rank and where the metric
            has no seeds.
    """

    policy: str
    function: str
    solver: str
    engine: str
    runs: tuple[RunRow, ...]
    scaled: tuple[RunRow, ...] = ()
    rank: int | None = None
    comparison: Comparison | None = None

    @cached_property
    def provisional(self) -> bool:
        """Whether no run has reached an outcome, so that the numbers are those so far."""
        return not any(run.status in OUTCOMES for run in self.runs)

    @cached_property
    def counted(self) -> tuple[RunRow, ...]:
        """The runs whose values make up the row's."""
        statuses = UNDER_WAY if self.provisional else OUTCOMES
        return tuple(run for run in self.runs if run.status in statuses)

    @cached_property
    def equal_seeds(self) -> bool:
        """Whether seeds change nothing: all evaluations of the counted runs are equal."""
        seeded = all(run.seed is not None for run in self.counted)
        return seeded and seeds_change_nothing([run.evaluations for run in self.counted])

    @cached_property
    def seed_plan(self) -> SeedPlan | None:
        """Plan of adding seeds with the most looks, of those of the runs' specs."""
        plans = [run.seed_plan for run in self.runs if run.seed_plan is not None]
        return max(plans, key=lambda plan: len(plan.looks), default=None)

    def samples(self, metric: Metric) -> tuple[RunRow, ...]:
        """The counted runs that are samples of a metric: of seeds that change nothing the one that got furthest."""
        if not self.equal_seeds or is_clock(metric):
            return self.counted
        return (max(self.counted, key=lambda run: len(run.evaluations["iteration"])),)

    @cached_property
    def statuses(self) -> dict[str, int]:
        """How many runs have each status, without those that none has."""
        return count_statuses(self.runs)

    @cached_property
    def diverged(self) -> int:
        """How many of its runs diverged."""
        return self.statuses.get("diverged", 0)

    @property
    def objective(self) -> Objective:
        """Objective of the spec; the accuracy by default."""
        return next((run.objective for run in self.runs if run.objective is not None), ACCURACY)

    @cached_property
    def summaries(self) -> Mapping[str, Summary]:
        """Mean, deviation and count of every metric by name; a ``TimesToTarget`` where runs may miss the target."""
        names = dict.fromkeys([*METRICS, *(name for run in self.counted for name in run.metrics)])
        summaries = {name: self._summary(name) for name in names}
        spread = self.robustness.spread if self.robustness else None
        summaries["lr_scale_robustness"] = summarise([] if spread is None else [spread])
        return _Summaries({**summaries, **self.times})

    def _summary(self, name: str) -> Summary:
        metric = METRICS.get(name) or unknown_metric(name, higher_is_better=False)
        values = [value for run in self.samples(metric) if (value := run.metrics.get(name)) is not None]
        return replace(summarise(values), equal_seeds=bool(values) and self.equal_seeds and not is_clock(metric))

    @cached_property
    def times(self) -> Mapping[str, TimesToTarget]:
        """The times to the target by metric, over the counted runs that have a target.

        A run that reached it at an unknown time, as where its seconds are not known, is left out. A run under way has
        not missed it yet, so that nothing is known of its time.
        """
        found = {}
        for name in TIMES_TO_TARGET:
            metric = METRICS[name]
            runs = [
                run
                for run in self.samples(metric)
                if run.target is not None
                and (run.metrics.get(name) is not None or run.metrics.get("iterations_to_target") is None)
            ]
            budgets = [None if self.provisional else run.target_budgets[name] for run in runs]
            times = times_to_target([run.metrics.get(name) for run in runs], budgets)
            found[name] = replace(times, equal_seeds=self.equal_seeds and not is_clock(metric))
        return found

    def tested(self, metric: Metric) -> Summary:
        """Summary of a metric for significance tests, with the variance of its grid; see ``with_spacing``."""
        if not metric.grid:
            return self.summaries[metric.name]
        values = [(run, run.metrics.get(metric.name)) for run in self.samples(metric)]
        spacings = [metric.spacing(run.evaluations, value) for run, value in values if value is not None]
        mean_square = math.fsum(spacing**2 for spacing in spacings) / max(1, len(spacings))
        return with_spacing(self.summaries[metric.name], math.sqrt(mean_square))

    def missed(self, metric: Metric) -> int:
        """How many runs ended without reaching the target; 0 for a metric that is not a time to it."""
        return self.times[metric.name].missed if metric.to_target and not self.provisional else 0

    @cached_property
    def robustness(self) -> Robustness | None:
        """The spread over the scales of its rates, 1 among them; None where no experiment asked for scales.

        A scale with a run that has not reached an outcome yet has no accuracy yet, and a run that diverged has none.
        """
        asked = {scale for run in (*self.runs, *self.scaled) for scale in run.scales}
        scales = asked | {run.lr_scale for run in self.scaled}
        if not scales:
            return None
        best: dict[float, list[float | None]] = {scale: [] for scale in sorted(scales | {1.0})}
        every = (*self.runs, *self.scaled)
        unfinished = {run.lr_scale for run in every if run.status in UNDER_WAY}
        for run in every:
            if run.status in COMPLETED and run.lr_scale not in unfinished:
                best[run.lr_scale].append(run.metrics.get(self.objective.best_metric.name))
        return lr_scale_robustness(best, collections.Counter(run.lr_scale for run in every if run.status == "diverged"))

    def runs_at(self, scale: float) -> int:
        """How many runs it has with its rates times ``scale``."""
        return sum(run.lr_scale == scale for run in (*self.runs, *self.scaled))


def planned_looks(rows: Iterable[PolicyRow]) -> int:
    """Return how often the results were planned to be looked at; 1 unless seeds were added."""
    return max((len(row.seed_plan.looks) for row in rows if row.seed_plan is not None), default=1)


def count_statuses(runs: Iterable[RunRow]) -> dict[str, int]:
    """How many runs have each status, in the order of STATUSES, without those that none has."""
    counts = collections.Counter(run.status for run in runs)
    return {status: counts[status] for status in STATUSES if counts[status]}


def policy_rows(runs: Sequence[RunRow], solvers: Mapping[bytes, str], engines: Mapping[bytes, str]) -> list[PolicyRow]:
    """The policies of one workload's runs, in the order in which they were met; labels by the settings' keys."""
    groups: dict[tuple[str, bytes, bytes], list[RunRow]] = {}
    for run in runs:
        groups.setdefault(row_key(run), []).append(run)
    return [
        PolicyRow(
            policy=policy,
            function=group[0].function,
            solver=solvers[solver],
            engine=engines[engine],
            runs=tuple(run for run in group if run.lr_scale == 1),
            scaled=tuple(run for run in group if run.lr_scale != 1),
        )
        for (policy, solver, engine), group in groups.items()
    ]


def without_earlier_rates(runs: Sequence[RunRow]) -> tuple[list[RunRow], list[RunRow]]:
    """The runs to count, and those with rates of an earlier count of cycles whose policy has an outcome with today's.

    Their rates differ, so that no mean is over both.
    """
    today = {row_key(run) for run in runs if run.rates == RATES and run.status in OUTCOMES}
    replaced = [run.rates == 1 and row_key(run) in today for run in runs]
    return [*compress(runs, map(operator.not_, replaced))], [*compress(runs, replaced)]


def without_repeats(runs: Iterable[RunRow]) -> tuple[list[RunRow], list[RunRow]]:
    """The runs to count, and those that repeat another's policy, scale, solver, engine and seed on the same workload.

    The same seed twice is no second sample. Of several the one that got furthest is kept.
    """
    kept: dict[object, RunRow] = {}
    repeats: list[RunRow] = []
    for number, run in enumerate(runs):
        identity: object = number
        if run.seed is not None:
            identity = (row_key(run), run.lr_scale, run.seed)
        other = kept.get(identity)
        if other is None:
            kept[identity] = run
        elif (run.status in OUTCOMES, run.iteration) > (other.status in OUTCOMES, other.iteration):
            kept[identity] = run
            repeats.append(other)
        else:
            repeats.append(run)
    return list(kept.values()), repeats
