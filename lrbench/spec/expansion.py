"""From checked settings to runs: policies read, lists and grids written out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

from lrbench.errors import LRBenchError, PolicyError, SpecError
from lrbench.policies import Policy, expand_policies
from lrbench.spec.document import Document
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.run import Run
from lrbench.spec.validation_errors import also_wrong
from lrbench.spec.yaml_loader import shown

MOST_RUNS = 100_000


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
    count = len(settings.seeds) * len(scales) * len(settings.solver) * len(policies)
    if count > MOST_RUNS:
        raise SpecError(
            f"these policies, solvers, scales and seeds make {count} runs",
            where=document.where(("policies",)),
            remedy=f"a spec makes at most {MOST_RUNS}",
        )
    wrong |= _impossible(settings, policies, max(scales))
    if wrong:
        raise _refusal(wrong, settings, document)
    runs: dict[str, Run] = {}
    for seed, scale, solver, policy in product(settings.seeds, scales, settings.solver, policies):
        run = Run(policy, scale, solver, seed)
        first = runs.setdefault(json.dumps(run.identity()), run)
        if first is not run:
            raise SpecError(
                f"{run.label} would be trained twice, since {first.label} is the same run",
                where=document.where(("policies", policies[policy])),
                remedy="remove one of the policies, solvers or scales",
            )
    return tuple(runs.values())


def _policies(settings: ExperimentSettings, document: Document) -> tuple[dict[Policy, int], dict[int, LRBenchError]]:
    """Every policy, in order, with the index of the entry that makes it; and what is wrong, by the entry's index."""
    found: dict[Policy, int] = {}
    wrong: dict[int, LRBenchError] = {}
    for index, entry in enumerate(settings.policies):
        try:
            for policy in _expanded(entry):
                if policy in found:
                    raise _doubled(policy, document.where(("policies", found[policy])))
                found[policy] = index
        except LRBenchError as error:
            wrong[index] = error
        if len(found) > MOST_RUNS:
            where = document.where(("policies", index))
            raise SpecError(f"more than {MOST_RUNS} policies", where=where, remedy="split them into several specs")
    return found, wrong


def _doubled(policy: Policy, first: str) -> SpecError:
    return SpecError(
        f"the policy {policy.text} is listed twice, first at {first}",
        remedy="remove one; seeds give several runs of a policy",
    )


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


def _impossible(settings: ExperimentSettings, policies: dict[Policy, int], scale: float) -> dict[int, LRBenchError]:
    """What is wrong with the rates, by the entry's index.

    Each policy is checked with the largest factors: no smaller ones make a good rate negative or infinite.
    """
    largest = max(solver.lr_scale for solver in settings.solver)
    wrong: dict[int, LRBenchError] = {}
    for policy, index in policies.items():
        scaled = policy.scaled(largest).scaled(scale)
        try:
            scaled.check(settings.workload.iterations)
        except PolicyError as error:
            wrong.setdefault(index, error.at(scaled.text))
    return wrong
