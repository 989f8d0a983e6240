"""An experiment: the runs that one spec describes, in the order in which they are run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from lrbench.data import Prepared
from lrbench.errors import LRBenchError, SpecError
from lrbench.nets import check_net, find_net, net_sha256, read_net
from lrbench.nets.caffe_pb2 import NetParameter
from lrbench.policies import Policy, expand_policies
from lrbench.spec.document import Document
from lrbench.spec.model import DataFolders, ExperimentSettings, SolverSettings
from lrbench.spec.settings import read_settings

SCHEMA = 1


@dataclass(frozen=True)
class Workload:
    """Net, data set, sizes and intervals; what every run of an experiment shares but solver, seed and policy."""

    net: NetParameter
    net_name: str
    net_path: Path
    net_sha256: str
    dataset: str | DataFolders
    batch_size: int
    test_batch_size: int
    iterations: int
    test_interval: int
    display_interval: int

    def describe(self, data: Prepared) -> dict[str, Any]:
        """For run.json."""
        return {
            "net": {"name": self.net_name, "sha256": self.net_sha256},
            "dataset": {"name": data.name, "sha256": data.sha256, "label": data.label},
            "batch_size": self.batch_size,
            "test_batch_size": self.test_batch_size,
            "iterations": self.iterations,
            "test_interval": self.test_interval,
            "display_interval": self.display_interval,
        }

    def check_test_set(self, data: Prepared) -> None:
        """Refuse a test set that is not a whole number of batches: part of it would be measured twice or never."""
        if data.test_count % self.test_batch_size:
            divisors = [n for n in range(1, min(data.test_count, 1000) + 1) if data.test_count % n == 0]
            nearest = min(divisors, key=lambda n: abs(n - self.test_batch_size))
            raise SpecError(
                f"the test set of {data.label} has {data.test_count} samples, which is no multiple of the test batch "
                f"of {self.test_batch_size}", remedy=f"set workload.test_batch_size, to {nearest} for instance")


@dataclass(frozen=True)
class Run:
    """One policy, scale, solver and seed on the experiment's workload.

    Attributes:
        policy: the policy as this solver uses it (its ``lr_scale`` included).
        function: the name of the LR function, whatever it is scaled by.
        lr_scale: the robustness factor on top; 1 for the policy itself.
    """

    policy: Policy
    function: str
    lr_scale: float
    solver: SolverSettings
    seed: int

    @property
    def effective_policy(self) -> Policy:
        """The policy whose rates are used."""
        return self.policy.scaled(self.lr_scale)

    @property
    def label(self) -> str:
        """How a person tells it from the other runs."""
        scale = f" x{self.lr_scale:g}" if self.lr_scale != 1 else ""
        return f"{self.policy.text}{scale} {self.solver.type} seed {self.seed}"


@dataclass(frozen=True)
class Experiment:
    """All that one spec describes."""

    settings: ExperimentSettings
    workload: Workload
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """The name of its folder under the results folder."""
        return self.settings.name

    def identity(self, run: Run, data: Prepared) -> dict[str, Any]:
        """Everything that decides a run's outcome; the run id ends in its hash."""
        engine = self.settings.engine
        workload = self.workload.describe(data)
        workload["net"] = workload["net"]["sha256"]
        workload["dataset"] = workload["dataset"]["sha256"]
        if engine.driver != "native":  # only there does the displayed loss decide what train_loss is
            del workload["display_interval"]
        return {
            "policy": run.effective_policy.text,
            "solver": {key: value for key, value in run.solver.resolved().items() if key != "lr_scale"},
            "seed": run.seed,
            "workload": workload,
            "engine": {"name": engine.name, "driver": engine.driver, "device": engine.device},
            "stopping": self.settings.stopping.model_dump()
            | {"target": self.settings.target_accuracy if self.settings.stopping.at_target else None},
        }

    def run_id(self, run: Run, data: Prepared) -> str:
        """Readable, and unique to everything that decides the outcome."""
        text = json.dumps(self.identity(run, data), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        policy = re.sub(r"[^A-Za-z0-9.+-]+", "_", re.sub(r"\w+=", "", run.effective_policy.text)).strip("_")[:60]
        return f"{policy}-{run.solver.type}-s{run.seed}-{digest}"

    def describe(self, run: Run, data: Prepared) -> dict[str, Any]:
        """The resolved run, for run.json."""
        return {
            "schema": SCHEMA,
            "run_id": self.run_id(run, data),
            "experiment": self.name,
            "policy": run.policy.text,
            "function": run.function,
            "lr_scale": run.lr_scale,
            "seed": run.seed,
            "solver": run.solver.resolved(),
            "workload": self.workload.describe(data),
            "target_accuracy": self.settings.target_accuracy,
            "stopping": self.settings.stopping.model_dump(),
            "robustness_scales": self.settings.robustness.scales if self.settings.robustness else [],
        }


def read_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read a spec, its net and its policies, and write out its runs.

    Raises:
        UsageError: the spec, the net or a policy is wrong; the message says where.
    """
    settings, document = read_settings(path, overrides)
    workload = _workload(settings, document, path.resolve().parent)
    runs = tuple(_runs(settings, _policies(settings, document)))
    _check_rates(runs, workload.iterations, document)
    return Experiment(settings, workload, runs)


def _workload(settings: ExperimentSettings, document: Document, base: Path) -> Workload:
    given = settings.workload
    try:
        path = find_net(given.net, base)
        net = read_net(path)
        check_net(net, str(path))
    except LRBenchError as error:
        raise error.at(document.where(("workload", "net"))) from error
    dataset = given.dataset
    if isinstance(dataset, DataFolders):
        folders = {key: str(base / value) for key, value in dataset.model_dump().items() if value is not None}
        dataset = DataFolders(**folders)
    return Workload(net, path.stem, path, net_sha256(net), dataset, given.batch_size,
                    given.test_batch_size or given.batch_size, given.iterations, given.test_interval,
                    given.display_interval)


def _policies(settings: ExperimentSettings, document: Document) -> list[Policy]:
    found: dict[Policy, str] = {}
    for index, entry in enumerate(settings.policies):
        where = document.where(("policies", index))
        try:
            expanded = expand_policies(entry)
        except LRBenchError as error:
            raise error.at(where) from error
        for policy in expanded:
            if policy in found:
                raise SpecError(f"the policy {policy.text} stands twice, first at {found[policy]}", where=where,
                                remedy="keep one; several runs of one policy come from seeds")
            found[policy] = where
    return list(found)


def _runs(settings: ExperimentSettings, policies: list[Policy]) -> Iterator[Run]:
    """Seeds outermost, so that every policy has been run once before any is run twice."""
    scales = [1.0]
    if settings.robustness:
        scales += [scale for scale in settings.robustness.scales if scale != 1.0]
    for seed, scale, solver, policy in product(settings.seeds, scales, settings.solver, policies):
        yield Run(policy.scaled(solver.lr_scale), policy.name, scale, solver, seed)


def _check_rates(runs: Sequence[Run], iterations: int, document: Document) -> None:
    for policy in dict.fromkeys(run.effective_policy for run in runs):
        try:
            policy.check(iterations)
        except LRBenchError as error:
            raise error.at(f"{document.where(('policies',))}: {policy.text}") from error
