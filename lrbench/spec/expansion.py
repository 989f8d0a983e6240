"""From checked settings to runs: policies are read, lists and grids written out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from lrbench.errors import LRBenchError, PolicyError, SpecError
from lrbench.metrics.objective import is_measured
from lrbench.policies import Policy, expand_policies
from lrbench.policies.counting import RATES
from lrbench.spec.document import Document
from lrbench.spec.model import ExperimentSettings, SolverSettings, WorkloadSettings
from lrbench.spec.program import ProgramArguments
from lrbench.spec.validation_errors import also_wrong
from lrbench.spec.yaml_loader import shown

MOST_RUNS = 100_000


@dataclass(frozen=True)
class Run:
    """One policy, scale, solver and seed on the experiment's workload.

    Attributes:
        written: the policy as the spec has it.
        lr_scale: the robustness factor on its rates, beside the solver's own ``lr_scale``; 1 for the policy itself.
    """

    written: Policy
    lr_scale: float
    solver: SolverSettings | ProgramArguments
    seed: int

    @property
    def function(self) -> str:
        """The name of the LR function, whatever it is scaled by."""
        return self.written.name

    @property
    def policy(self) -> Policy:
        """The policy as this solver uses it, with the solver's ``lr_scale``: what results call the policy."""
        return self.written.scaled(self.solver.lr_scale)

    @property
    def effective_policy(self) -> Policy:
        """The policy whose rates are used, with both factors."""
        return self.policy.scaled(self.lr_scale)

    @property
    def momentum_policy(self) -> Policy | None:
        """The policy of the momentum; None where it is a number, or a program's own."""
        return self.solver.momentum_policy if isinstance(self.solver, SolverSettings) else None

    @property
    def label(self) -> str:
        """A short name that distinguishes the run from others."""
        scale = f" x{self.lr_scale:g}" if self.lr_scale != 1 else ""
        solver = self.solver.type if isinstance(self.solver, SolverSettings) else self.solver.label
        return f"{self.policy.text}{scale}{f' {solver}' if solver else ''} seed {self.seed}"

    @property
    def rates(self) -> dict[str, int]:
        """``{"rates": 2}`` where the policy counts a length that is not whole: 2 is the count of today, 1 the first."""
        return {"rates": RATES} if self.effective_policy.counts_fractions else {}

    @property
    def identity(self) -> Mapping[str, Any]:
        """The part of all that decides its outcome in which the runs of an experiment differ."""
        solver = {key: value for key, value in self.solver.resolved().items() if key != "lr_scale"}
        return {"policy": self.effective_policy.text, "solver": solver, "seed": self.seed, **self.rates}

    @property
    def _setting(self) -> tuple[int, float, int]:
        """Key of the policy, scale and solver objects, which many runs share."""
        return id(self.written), self.lr_scale, id(self.solver)


def run_ids(runs: Sequence[Run], common: Mapping[str, Any]) -> list[str]:
    """Return the id of each run, with the hash of its identity and of what is ``common`` to the experiment.

    The text that is hashed is the identity as JSON with sorted keys; of runs that differ in their seeds alone the rest
    of it is written once.
    """
    shared = {name: json.dumps(value, sort_keys=True) for name, value in common.items()}
    settings: dict[tuple[int, float, int], tuple[str, dict[str, str]]] = {}
    found = []
    for run in runs:
        if run._setting not in settings:
            own = {name: json.dumps(value, sort_keys=True) for name, value in run.identity.items()}
            settings[run._setting] = _readable(run), dict(sorted({**own, **shared}.items()))
        readable, texts = settings[run._setting]
        texts["seed"] = str(run.seed)
        text = ", ".join([f'"{name}": {value}' for name, value in texts.items()])
        digest = hashlib.sha256(f"{{{text}}}".encode()).hexdigest()[:10]
        found.append(f"{readable}-s{run.seed}-{digest}")
    return found


def _readable(run: Run) -> str:
    """Return the start of a run's id, such as ``TRI_0.01_0.06_2000-SGD``."""
    policy = re.sub(r"[^A-Za-z0-9.+-]+", "_", re.sub(r"\w+=", "", run.effective_policy.text)).strip("_")[:60]
    return f"{policy}-{run.solver.type}"


def write_out_runs(settings: ExperimentSettings, document: Document) -> tuple[Run, ...]:
    """All runs, seeds outermost, so that every policy has been run once before any is run twice.

    Raises:
        UsageError: a policy is wrong or impossible in a run of that length, a run is made twice, or there are too
            many; with the spec's line.
    """
    scales = [1.0]
    if settings.robustness:
        scales += [scale for scale in settings.robustness.scales if scale != 1.0]
    policies, wrong = _policies(settings, document)
    count = len(settings.seed_list) * len(scales) * len(settings.solver) * len(policies)
    if count > MOST_RUNS:
        raise SpecError(
            f"these policies, solvers, scales and seeds make {count} runs",
            where=document.where(("policies",)),
            remedy=f"a spec makes at most {MOST_RUNS}",
        )
    wrong |= _impossible(settings, policies, max(scales))
    if wrong:
        raise _refusal(wrong, settings, document)
    runs = tuple(
        Run(policy, scale, solver, seed)
        for seed, scale, solver, policy in product(settings.seed_list, scales, settings.solver, policies)
    )
    found: dict[str, Run] = {}
    for run in runs[: len(scales) * len(settings.solver) * len(policies)]:  # the seeds are different ones
        first = found.setdefault(json.dumps(run.identity), run)
        if first is not run:
            raise SpecError(
                f"{run.label} would be trained twice, since {first.label} is the same run",
                where=document.where(("policies", policies[run.written])),
                remedy="remove one of the policies, solvers or scales",
            )
    return runs


def _policies(settings: ExperimentSettings, document: Document) -> tuple[dict[Policy, int], dict[int, LRBenchError]]:
    """Every policy, in order, with the index of the entry that makes it; and the errors, by the entry's index."""
    found: dict[Policy, int] = {}
    wrong: dict[int, LRBenchError] = {}
    for index, entry in enumerate(settings.policies):
        try:
            for policy in _expanded(entry):
                if policy in found:
                    raise SpecError(
                        f"the policy {policy.text} is listed twice, first at "
                        f"{document.where(('policies', found[policy]))}",
                        remedy="remove one; seeds give several runs of a policy",
                    )
                found[policy] = index
        except LRBenchError as error:
            wrong[index] = error
        if len(found) > MOST_RUNS:
            where = document.where(("policies", index))
            raise SpecError(f"more than {MOST_RUNS} policies", where=where, remedy="split them into several specs")
    return found, wrong


def _refusal(wrong: Mapping[int, LRBenchError], settings: ExperimentSettings, document: Document) -> LRBenchError:
    """The first error, with its place, and where the others are; of a text torn at its commas they only follow."""
    first, *others = sorted(wrong)
    error = wrong[first].at(document.where(("policies", first)))
    if not others or _is_torn(settings.policies[first]):
        return error
    more = also_wrong([f"policies.{index} ({document.where(('policies', index))})" for index in others])
    remedy = f"{error.remedy}{more}" if error.remedy else more.removeprefix("; ")
    return type(error)(error.message, where=error.where, remedy=remedy)


def _expanded(entry: Any) -> list[Policy]:
    if not isinstance(entry, str | dict):
        raise PolicyError(
            f"a policy is a text or a mapping, but this is {shown(entry)}", remedy="write it as in FIX(k0=0.01)"
        )
    try:
        return expand_policies(entry)
    except PolicyError as error:
        if _is_torn(entry):
            remedy = "inside [ ] YAML ends text at each comma: quote the policy, or put it on its own line"
            raise PolicyError(error.message, where=error.where, remedy=remedy) from error
        raise


def _is_torn(entry: Any) -> bool:
    return isinstance(entry, str) and entry.count("(") != entry.count(")")


def _check_monitored(policy: Policy, settings: ExperimentSettings) -> None:
    """Raise PolicyError if the policy reacts to a metric that evaluations of a net do not have."""
    for name in sorted(policy.monitored) if isinstance(settings.workload, WorkloadSettings) else ():
        if not is_measured(name):
            raise PolicyError(
                f"monitor is {name!r}, but must be a metric of an evaluation",
                remedy="set it to accuracy, test_loss or train_loss for instance",
            )


def _impossible(settings: ExperimentSettings, policies: dict[Policy, int], scale: float) -> dict[int, LRBenchError]:
    """The errors of the rates, by the entry's index; no smaller factors make a good rate negative or infinite."""
    largest = max(solver.lr_scale for solver in settings.solver)
    wrong: dict[int, LRBenchError] = {}
    for policy, index in policies.items():
        scaled = policy.scaled(largest).scaled(scale)
        try:
            scaled.check(settings.workload.iterations)
            _check_monitored(policy, settings)
        except PolicyError as error:
            wrong.setdefault(index, error.at(scaled.text))
    return wrong
