"""What there is to show of engines side by side: rows, tables and the findings of each."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lrbench.metrics.registry import Metric
from lrbench.metrics.summary import Summary
from lrbench.report.build import Report
from lrbench.report.by_engine.cost import Samples
from lrbench.report.by_engine.difference import Contrast, contrast
from lrbench.report.by_engine.transfer import Agreement, Transfer, agreement, transfer
from lrbench.report.policies import PolicyRow


@dataclass(frozen=True, eq=False)
class EngineRow:
    """One policy on one engine, ranked among the policies of that engine."""

    engine: str
    row: PolicyRow
    costs: Mapping[str, Summary]


@dataclass(frozen=True, eq=False)
class EngineTable:
    """One workload with one solver on several engines.

    Attributes:
        label: the workload, and the solver where it does not go without saying.
        engines: in the order of their names; the first is what the others are compared with.
        rows: by policy, then by engine; policies in the order of the first engine's ranking.
        target: the accuracy to reach, a fraction; None where there is none or there are several.
        conditions: what the engines' versions are and what they ran on.
    """

    label: str
    metric: Metric
    engines: tuple[str, ...]
    rows: Mapping[str, Mapping[str, EngineRow]]
    target: float | None
    conditions: tuple[str, ...]
    samples: Samples = field(repr=False)

    def on(self, engine: str) -> dict[str, PolicyRow]:
        """The policies of an engine by their text, the best first."""
        found = [by[engine].row for by in self.rows.values() if engine in by]
        return {row.policy: row for row in sorted(found, key=lambda row: (row.rank is None, row.rank or 0))}

    @cached_property
    def usual_seeds(self) -> int:
        """The number of seeds that most means are over."""
        counts = [each.row.summaries[self.metric.name].n for by in self.rows.values() for each in by.values()]
        return collections.Counter(filter(None, counts)).most_common(1)[0][0] if any(counts) else 0

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Each further engine against the first."""
        base = self.engines[0]
        return tuple(contrast(base, other, self.on(base), self.on(other), self.metric) for other in self.engines[1:])

    @cached_property
    def transfers(self) -> tuple[Transfer, ...]:
        """What the best policy of each engine reaches on each other one."""
        pairs = [(source, target) for source in self.engines for target in self.engines if source != target]
        found = [transfer((source, target), self.on(source), self.on(target), self.metric) for source, target in pairs]
        return tuple(each for each in found if each is not None)

    @cached_property
    def agreements(self) -> tuple[Agreement, ...]:
        """How far the rankings of each two engines agree."""
        pairs = [(one, other) for place, one in enumerate(self.engines) for other in self.engines[place + 1 :]]
        return tuple(agreement(pair, self.on(pair[0]), self.on(pair[1]), self.metric) for pair in pairs)


@dataclass(frozen=True, eq=False)
class EngineReport:
    """All that there is to show.

    Attributes:
        report: the ordinary report that it is made from.
        notes: what is missing or is to be read with care, a line each, beside the notes of that report.
    """

    report: Report
    tables: tuple[EngineTable, ...]
    notes: tuple[str, ...]
