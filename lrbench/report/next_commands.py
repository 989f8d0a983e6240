"""Commands to type next: each line works as it stands, its comment included."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from lrbench.comparable import key
from lrbench.errors import plain
from lrbench.report.labels import labels, solver_name
from lrbench.report.policies import PolicyRow
from lrbench.urls import holds_secrets

MOST_CHARACTERS = 100
"""Longest name of an experiment."""
_POLICY = re.compile(r"[A-Z]\w*\(.*\)")
_REACTS = re.compile(r"\b(PLATEAU|GREEDY|SWITCH)\(")


def database_option(location: str | None) -> tuple[str, ...] | None:
    """The ``--db`` option for a command to type next; None, and so no such command, where the URL holds a secret."""
    if location is None:
        return ()
    return None if holds_secrets(location) else ("--db", location)


def one_solver(experiment: str, solver: Mapping[str, Any], solvers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Overrides that leave one of a spec's solvers, in an experiment of its own; none where it has no other.

    Args:
        experiment: the spec's name.
        solver: one of ``solvers``, with its parameters; of a program its arguments.
    """
    if len(solvers) < 2:
        return []
    label = re.sub(r"[^A-Za-z0-9.+]+", "_", labels(solvers, solver_name)[key(solver)])
    name = f"name={f'{experiment}-{label}'[:MOST_CHARACTERS].strip('_')}"
    if solver.get("type") == "program":
        arguments = {name: value for name, value in solver.items() if name != "type"}
        return [name, f"workload.arguments={json.dumps(arguments)}"]
    return [name, f"solver={json.dumps(solver)}"]


def export_command(row: PolicyRow) -> str | None:
    """The ``lrbench export`` of a policy for PyTorch.

    None where its every run diverged, where the policy of a log is not known, and for one that reacts to evaluations:
    its rates are a run's, not a function of the iteration. The text is matched, as parsing it would take longer.
    """
    if row.diverged == len(row.runs) or not _POLICY.fullmatch(row.policy) or _REACTS.search(row.policy):
        return None
    iterations = row.runs[0].workload.get("iterations")
    length = ["--iterations", str(iterations)] if isinstance(iterations, int) else []
    return plain(shlex.join(["lrbench", "export", row.policy, "--to", "torch", *length, "-o", "schedule.py"]))
