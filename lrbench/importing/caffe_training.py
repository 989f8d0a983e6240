"""Reads the training that a Caffe solver describes: net, policy, solver settings and iterations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import NetError
from lrbench.importing.caffe_solver import solver_policy
from lrbench.nets.solver import is_solver, read_solver
from lrbench.policies import Policy, policy_from_mapping


@dataclass(frozen=True)
class Training:
    """The training that a solver file describes.

    Attributes:
        net: the file of its net.
        policy: its policy; that of ``poly`` has no l, which is the run's iterations in Caffe.
        settings: what the ``solver`` of a spec takes from it.
        iterations: its ``max_iter``; None where it has none.
        test_interval: iterations between two evaluations; None where it has none.
    """

    net: Path
    policy: Policy
    settings: Mapping[str, Any]
    iterations: int | None
    test_interval: int | None


def read_training(path: Path) -> Training | None:
    """The training of a solver file; None where the file is no solver, such as a net.

    Raises:
        UsageError: as for :func:`lrbench.importing.caffe_solver.solver_policy`, or it names no net that is there.
    """
    if not is_solver(path):
        return None
    solver, imported = read_solver(path).known, solver_policy(path)
    policy = imported.policy
    if policy.name == "POLY":
        policy = policy_from_mapping({name: value for name, value in policy.mapping.items() if name != "l"})
    return Training(
        _net(solver.net, path), policy, imported.solver, solver.max_iter or None, solver.test_interval or None
    )


def _net(named: str, solver: Path) -> Path:
    """The net's file: from the working folder, as in Caffe, or from the solver's, or of that name beside the solver."""
    if not named:
        raise NetError(
            "has no net: with the path of a train-and-test net",
            where=str(solver),
            remedy="put the net into a file of its own and name it there",
        )
    candidates = (Path(named), solver.parent / named, solver.parent / Path(named).name)
    net = next((candidate for candidate in candidates if candidate.is_file()), None)
    if net is None:
        raise NetError(
            f"its net, {named}, is neither there from this folder nor beside it",
            where=str(solver),
            remedy="go to the folder from which the path counts, or correct it",
        )
    return net
