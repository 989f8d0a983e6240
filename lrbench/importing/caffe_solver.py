"""The policy of a Caffe solver, as ``SGDSolver::GetLearningRate`` computes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.engines.caffe.files import NOT_NATIVE, POLICY_IS
from lrbench.errors import UsageError
from lrbench.importing.imported import Imported
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.nets.text import read_solver
from lrbench.policies import parse_policy, policy_from_mapping

_NEEDED = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma",),
    "poly": ("power", "max_iter"),
    "sigmoid": ("gamma", "stepsize"),
}

_FORMS: dict[str, Callable[[SolverParameter], dict[str, Any]]] = {
    "fixed": lambda s: {"function": "FIX"},
    "step": lambda s: {"function": "STEP", "gamma": _decimal(s.gamma), "l": s.stepsize},
    "exp": lambda s: {"function": "EXP", "gamma": _decimal(s.gamma)},
    "inv": lambda s: {"function": "INV", "gamma": _decimal(s.gamma), "p": _decimal(s.power)},
    "multistep": lambda s: {"function": "NSTEP", "gamma": _decimal(s.gamma), "l": list(s.stepvalue)}
    if s.stepvalue else {"function": "FIX"},
    "poly": lambda s: {"function": "POLY", "p": _decimal(s.power), "l": s.max_iter},
    "sigmoid": lambda s: {"function": "SIG", "gamma": _decimal(s.gamma), "l": s.stepsize},
}


def solver_policy(path: Path) -> Imported:
    """The policy of a solver prototxt.

    Raises:
        NetError: it is no readable solver.
        UsageError: its ``lr_policy`` is missing, unknown, or lacks what it needs.
        PolicyError: its values make no policy, such as a step of 0 iterations.
    """
    solver = read_solver(path)
    set_by_run = _set_by_run(path)
    if set_by_run is not None:
        note = "of a run of LRBench, which set these rates; the solver's own lr_policy is not what it trained with"
        return Imported(parse_policy(set_by_run), (note,))
    kind = solver.lr_policy
    if kind not in _FORMS:
        problem = f'the lr_policy "{kind}" is none of Caffe\'s' if kind else "it has no lr_policy"
        raise UsageError(problem, where=str(path), remedy=f"Caffe knows {', '.join(_FORMS)}")
    for name in ("base_lr", *_NEEDED[kind]):
        if not solver.HasField(name):
            raise UsageError(f"lr_policy {kind} needs {name}, which is missing", where=str(path),
                             remedy=f"add {name} to the solver")
    policy = policy_from_mapping({**_FORMS[kind](solver), "k0": _decimal(solver.base_lr)})
    notes = ["the l of POLY is the solver's max_iter"] if kind == "poly" else []
    return Imported(policy, (*notes, "Caffe computes it in float32, which differs by up to about 1e-3 where gamma is "
                                     "near 1") if kind == "exp" else tuple(notes))


def _set_by_run(path: Path) -> str | None:
    """The policy of the run that this solver was written for, where LRBench set the rates and not the solver."""
    lines = path.read_text(encoding="utf-8").splitlines()[:2]
    policy = lines[0].removeprefix(f"# {POLICY_IS}") if lines else ""
    return policy if lines[1:] == [f"# {NOT_NATIVE}"] and policy != lines[0] else None


def _decimal(value: float) -> float:
    """The shortest decimal that float32 holds as this value: 0.01, not 0.009999999776482582."""
    return float(str(np.float32(value)))
