"""Tables of measured runs of a grid of policies: which are the best, and searches among them that train nothing."""

from __future__ import annotations

import gzip
import json
import math
import statistics
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from factories.fake_engine import FakeEngine
from factories.replay import Played, ReplayRunner
from lrbench.data import Prepared
from lrbench.errors import PolicyError, ResultsError
from lrbench.policies import Choice, Policy, Shape, parse_policy
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import python_experiment
from lrbench.spec.search_settings import SearchSettings
from lrbench.tuning.confirm import final_rounds, finalist_count
from lrbench.tuning.space import DEFAULT, Part, Space
from lrbench.tuning.tune import reranked, search

Runs = dict[tuple[str, int], Played]
"""Measured runs by policy text and seed."""

METRICS = {"accuracy": "accuracy_top1", "accuracy_top1": "accuracy_top1", "test_loss": "test_loss"}
"""Metrics of an evaluation by their names in a table."""
Point = tuple[Any, ...]
"""A base rate, and the values of a family's shape."""
STEPS_PER_DECADE = 3
FINAL_SEEDS = 2
EVERY_RATE = 1e-4, 1.0
"""The rates of the grid of LeNet on MNIST."""


def load_table(path: Path) -> dict[str, Any]:
    """Read a gzipped JSON file of measured runs.

    It has ``about`` (workload, solver, engine, versions), ``iterations`` (of the evaluations) and ``runs``, each with
    policy, seed, status and at least one metric at each evaluation (null where it diverged). Where the policies are the
    points of a grid, each run has the ``family``, ``shape`` and base ``rate`` of its policy.

    Raises:
        ResultsError: it is no such table.
    """
    try:
        with gzip.open(path, "rt") as file:
            table: dict[str, Any] = json.load(file)
        played_runs(table)
        return table
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"is not a table of runs: {error}", where=str(path)) from error


def played_runs(table: Mapping[str, Any]) -> Runs:
    """Return the runs of a table by policy text and seed."""
    return {
        (run["policy"], run["seed"]): Played(
            run["status"], tuple(_rows(table["iterations"], run)), run.get("iteration")
        )
        for run in table["runs"]
    }


def _rows(iterations: Iterable[int], run: Mapping[str, Any]) -> Iterator[Evaluation]:
    columns = {METRICS[name]: values for name, values in run.items() if name in METRICS}
    for iteration, *values in zip(iterations, *columns.values(), strict=False):
        known = (math.nan if value is None else value for value in values)
        yield Evaluation(iteration, dict(zip(columns, known, strict=True)))


class Found(NamedTuple):
    """The answer of a search: the policy's mean test loss, and what the search took, range test and finals included.

    A policy outside the best tenth, or none at all, counts as infinitely bad.
    """

    loss: float
    iterations: int
    tried: int


class _Played(dict[tuple[str, int], Played]):
    """Runs of a table, in which a policy outside the best tenth has the run of its one seed for every seed.

    ``trained`` has the policies whose runs were asked for.
    """

    def __init__(self, runs: Runs) -> None:
        super().__init__(runs)
        self.trained: set[str] = set()

    def __getitem__(self, key: tuple[str, int]) -> Played:
        self.trained.add(key[0])
        return super().__getitem__(key if key in self else (key[0], 0))


@dataclass(frozen=True)
class SearchTable:
    """A table of policies that are the points of a grid, the best tenth trained with several seeds.

    A policy is as good as the best where its mean test loss over the seeds is within two standard errors of the best
    one's.
    """

    table: dict[str, Any] = field(repr=False)
    runs: Runs = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> SearchTable:
        """Read a file as ``load_table`` does."""
        table = load_table(path)
        return cls(table, played_runs(table))

    @cached_property
    def several(self) -> dict[str, list[float]]:
        """Test losses at the end by policy, of those that have several seeds and diverged with none."""
        losses: dict[str, list[float]] = {}
        for (policy, _), played in self.runs.items():
            last = played.rows[-1].metrics["test_loss"] if played.status == "finished" else math.inf
            losses.setdefault(policy, []).append(last)
        return {name: each for name, each in losses.items() if len(each) > 1 and all(map(math.isfinite, each))}

    @cached_property
    def means(self) -> dict[str, float]:
        """Mean test loss by policy, of those that have several seeds and diverged with none."""
        return {policy: statistics.fmean(values) for policy, values in self.several.items()}

    @cached_property
    def best(self) -> float:
        """The least mean test loss."""
        return min(self.means.values())

    @cached_property
    def margin(self) -> float:
        """Two standard errors of the best policy's mean."""
        values = self.several[min(self.means, key=self.means.__getitem__)]
        return 2 * statistics.stdev(values) / math.sqrt(len(values))

    def is_as_good(self, loss: float) -> bool:
        """Whether a policy of that mean test loss is as good as the best."""
        return loss <= self.best + self.margin

    @cached_property
    def exhaustive(self) -> int:
        """Training iterations of every policy with one seed."""
        return sum(played.iterations for (_, seed), played in self.runs.items() if seed == 0)

    @property
    def tested_rates(self) -> tuple[float, float]:
        """The base rates that a range test of this workload suggests to a search."""
        low, high = self.table["range_test"]["rates"]
        return low, high

    def space(self, labels: Sequence[str], rates: tuple[float, float], trained: Container[str] = ()) -> Space:
        """Return the search space of these families with base rates between two.

        What a search proposes stands for the nearest policy of the grid that is not trained yet, since no search trains
        a policy twice.
        """
        points: dict[str, dict[Point, str]] = {label: {} for label in labels}
        for run in self.table["runs"]:
            if run["family"] in points:
                points[run["family"]][(run["rate"], *run["shape"].values())] = run["policy"]
        names = {run["family"]: list(run["shape"]) for run in self.table["runs"]}
        rate = Shape("rate", *rates, log=True)
        return Space(tuple(_grid_part(label, names[label], points[label], rate, trained) for label in labels))

    def search(
        self,
        data: Prepared,
        folder: Path,
        share: float,
        seed: int,
        rates: tuple[float, float] | None = None,
        metric: str = "test_loss",
        **more: Any,
    ) -> Found:
        """Search as ``lrbench tune`` does, the finals included.

        Args:
            data: any data set; nothing is trained.
            share: the budget as a share of the iterations that all policies take, for range test, search and finals.
            seed: of the sampler.
            rates: the base rates among which all families are searched; None: those of the range test, for the
                families that are searched by default.
            metric: the objective of the search; what it finds is judged by the test loss all the same.
            more: settings of the section ``search`` that are not the defaults.
        """
        workload, runs, budget = self.table["about"]["workload"], _Played(self.runs), int(share * self.exhaustive)
        present = dict.fromkeys(run["family"] for run in self.table["runs"])
        if rates is None:
            budget -= self.table["range_test"]["iterations"]
            space = self.space([name for name in DEFAULT if name in present], self.tested_rates, runs.trained)
        else:
            space = self.space(list(present), rates, runs.trained)
        finalists, final_runs = _finals(more, budget // workload["iterations"])
        search_budget = max(budget - final_runs * workload["iterations"], 1)
        kept = ("batch_size", "test_batch_size", "iterations", "test_interval")
        spec = {
            "name": "table",
            "workload": {"net": "lenet", "dataset": "digits", **{name: workload[name] for name in kept}},
            "objective": {"metric": metric},
            "search": {
                **more,
                "finalists": finalists,
                "sampler_seed": seed,
                "search_seed": 0,
                "iterations": search_budget,
                "validation": 0,
                "final_seeds": FINAL_SEEDS,
            },
        }
        experiment = python_experiment(spec, {}, TuningSettings)
        runner = ReplayRunner(experiment, data, FakeEngine(), folder, table=runs)
        result = reranked(runner, search(runner, space), 1)
        chosen = result.chosen[0].text if result.chosen else ""
        beside = int(share * self.exhaustive) - search_budget
        return Found(self.means.get(chosen, math.inf), result.iterations + beside, len(result.tried))


def _finals(settings: Mapping[str, Any], runs: int) -> tuple[int, int]:
    """Return the finalists of a search with so many runs for it and its finals, and the runs of the finals."""
    search = SearchSettings(**{**settings, "final_seeds": FINAL_SEEDS})
    for trained in range(runs, 0, -1):
        final_runs = sum(final_rounds(search, trained, 1))
        if trained + final_runs <= runs:
            return finalist_count(search, trained), final_runs
    return 1, 0


@dataclass(frozen=True)
class _GridPart(Part):
    """A part of a space that has so many policies, whatever its dimensions."""

    count: int = 0

    @property
    def size(self) -> int:
        return self.count


def _grid_part(
    label: str, names: Sequence[str], points: Mapping[Point, str], rate: Shape, trained: Container[str]
) -> Part:
    choices = [
        Choice(name, tuple(dict.fromkeys(point[index] for point in points))) for index, name in enumerate(names, 1)
    ]

    def distance(point: Point, near: float, shape: Sequence[Any]) -> float:
        """Steps of the grid between a point and a proposal."""
        apart = abs(math.log10(point[0] / near)) * STEPS_PER_DECADE
        pairs = zip(choices, point[1:], shape, strict=True)
        return apart + sum(abs(one.values.index(value) - one.values.index(other)) for one, value, other in pairs)

    ends = [
        min({point[0] for point in points}, key=lambda at: abs(math.log(at / end))) for end in (rate.low, rate.high)
    ]
    within = {point: policy for point, policy in points.items() if ends[0] <= point[0] <= ends[1]}

    def make(values: Mapping[str, Any], _iterations: int) -> Policy:
        near, *shape = values.values()
        left = [point for point, policy in within.items() if policy not in trained]
        if not left:
            raise PolicyError("every policy of this family is trained")
        return parse_policy(within[min(left, key=lambda point: distance(point, near, shape))])

    return _GridPart(label, (rate, *choices), make, len(within))
