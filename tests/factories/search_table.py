"""Tables of measured runs of a grid of policies: which are the best, and searches among them that train nothing."""

from __future__ import annotations

import gzip
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from factories.fake_engine import FakeEngine
from factories.replay import Played, ReplayRunner
from lrbench.data import Prepared
from lrbench.errors import ResultsError
from lrbench.policies import Choice, Policy, Shape, parse_policy
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import python_experiment
from lrbench.tuning.space import DEFAULT, Part, Space
from lrbench.tuning.tune import reranked, search

Runs = dict[tuple[str, int], Played]
"""Measured runs by policy text and seed."""

METRICS = {"accuracy": "accuracy_top1", "accuracy_top1": "accuracy_top1", "test_loss": "test_loss"}
"""Metrics of an evaluation by their names in a table."""
FINALISTS, FINAL_SEEDS = 3, 2
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
        raise ResultsError(f"is no table of runs: {error}", where=str(path)) from error


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


class _OneSeed(dict[tuple[str, int], Played]):
    """Runs of a table, in which a policy outside the best tenth has the run of its one seed for every seed."""

    def __missing__(self, key: tuple[str, int]) -> Played:
        return self[key[0], 0]


@dataclass(frozen=True)
class SearchTable:
    """A table of policies that are the points of a grid, the best tenth trained with several seeds.

    A policy is as good as the best where its mean test loss over the seeds is within two standard errors of the best
    one's: those of a mean of so many seeds, by the variance within policies pooled over all that have several seeds.
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
    def deviation(self) -> float:
        """Standard deviation of the test loss over the seeds of a policy, pooled."""
        squares = sum((value - self.means[name]) ** 2 for name, values in self.several.items() for value in values)
        return math.sqrt(squares / sum(len(values) - 1 for values in self.several.values()))

    @cached_property
    def best(self) -> float:
        """The least mean test loss."""
        return min(self.means.values())

    def is_as_good(self, loss: float) -> bool:
        """Whether a policy of that mean test loss is as good as the best."""
        return loss <= self.best + 2 * self.deviation / math.sqrt(FINAL_SEEDS + 1)

    @cached_property
    def exhaustive(self) -> int:
        """Training iterations of every policy with one seed."""
        return sum(played.iterations for (_, seed), played in self.runs.items() if seed == 0)

    @property
    def tested_rates(self) -> tuple[float, float]:
        """The base rates that a range test of this workload suggests to a search."""
        low, high = self.table["range_test"]["rates"]
        return low, high

    def space(self, labels: Sequence[str], rates: tuple[float, float]) -> Space:
        """Return the search space of these families: base rates between two, each for the nearest one of the grid."""
        points: dict[str, dict[tuple[Any, ...], str]] = {label: {} for label in labels}
        shapes: dict[str, dict[str, dict[Any, None]]] = {label: {} for label in labels}
        for run in self.table["runs"]:
            if run["family"] in points:
                points[run["family"]][(run["rate"], *run["shape"].values())] = run["policy"]
                for name, value in run["shape"].items():
                    shapes[run["family"]].setdefault(name, {})[value] = None
        rate = Shape("rate", *rates, log=True)
        parts = []
        for label in labels:
            choices = [Choice(name, tuple(values)) for name, values in shapes[label].items()]
            parts.append(Part(label, (rate, *choices), partial(_nearest, points[label])))
        return Space(tuple(parts))

    def search(
        self,
        data: Prepared,
        folder: Path,
        share: float,
        seed: int,
        rates: tuple[float, float] | None = None,
        **more: str,
    ) -> Found:
        """Search as ``lrbench tune`` does, the finals included.

        Args:
            data: any data set; nothing is trained.
            share: the budget as a share of the iterations that all policies take, for range test, search and finals.
            seed: of the sampler.
            rates: the base rates among which all families are searched; None: those of the range test, for the
                families that are searched by default.
            more: settings of the section ``search`` that are not the defaults.
        """
        workload = self.table["about"]["workload"]
        beside = FINALISTS * FINAL_SEEDS * workload["iterations"]
        present = dict.fromkeys(run["family"] for run in self.table["runs"])
        if rates is None:
            beside += self.table["range_test"]["iterations"]
            space = self.space([name for name in DEFAULT if name in present], self.tested_rates)
        else:
            space = self.space(list(present), rates)
        kept = ("batch_size", "test_batch_size", "iterations", "test_interval")
        spec = {
            "name": "table",
            "workload": {"net": "lenet", "dataset": "digits", **{name: workload[name] for name in kept}},
            "objective": {"metric": "test_loss"},
            "search": {
                **more,
                "sampler_seed": seed,
                "search_seed": 0,
                "iterations": max(int(share * self.exhaustive) - beside, 1),
                "validation": 0,
                "finalists": FINALISTS,
                "final_seeds": FINAL_SEEDS,
            },
        }
        experiment = python_experiment(spec, {}, TuningSettings)
        runner = ReplayRunner(experiment, data, FakeEngine(), folder, table=_OneSeed(self.runs))
        result = reranked(runner, search(runner, space), 1)
        chosen = result.chosen[0].text if result.chosen else ""
        return Found(self.means.get(chosen, math.inf), result.iterations + beside, len(result.tried))


def _nearest(points: Mapping[tuple[Any, ...], str], values: Mapping[str, Any], _iterations: int) -> Policy:
    """The policy of the grid with the values of the shape, at the rate that is nearest on a logarithmic scale."""
    rate, *shape = values.values()
    near = [point for point in points if list(point[1:]) == shape]
    return parse_policy(points[min(near, key=lambda point: abs(math.log(point[0] / rate)))])
