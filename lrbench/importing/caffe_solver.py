"""Caffe solvers: the policy, as ``SGDSolver::GetLearningRate`` computes it, the settings, and the whole training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.engines.caffe.run_folder import NOT_NATIVE, POLICY_IS
from lrbench.engines.caffe.schedule import NATIVE, field_value, is_list, native_form
from lrbench.errors import NetError, UsageError, placed
from lrbench.importing.imported import Imported
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.nets.solver import Solver, is_solver, read_solver
from lrbench.policies import Policy, parse_policy, policy_from_mapping
from lrbench.spec.solver_types import PARTICULAR, SOLVER_FIELDS, SOLVER_PARAMETERS, SOLVER_TYPES

_OF_RATES = re.compile(
    r"(?!momentum|weight_decay)(.*_)?(lr.*|\w*lr|rate.*|warm.*|ramp.*|stage.*|step.*|cycl.*|anneal.*"
    r"|restart.*|burn.*|larc.*|gamma.*|power.*|mult_factor)"
)
"""Names of other builds' fields that are taken to change the rates, such as ``rampup_interval`` and ``stagelr``."""


def solver_policy(path: Path) -> Imported:
    """The policy of a solver prototxt, and the settings for a spec's ``solver``.

    Raises:
        NetError: it is no readable solver.
        UsageError: its ``lr_policy`` is missing, unknown, or lacks what it needs, or another build's field changes the
            rates in a way that no policy has.
        PolicyError: its values make no policy, such as a step of 0 iterations.
    """
    file = read_solver(path)
    settings = _settings(file.known)
    set_by_run = _set_by_run(path)
    if set_by_run is not None:
        note = "of a run of LRBench, which set these rates; the solver's own lr_policy is not what it trained with"
        return Imported(parse_policy(set_by_run), (note,), settings)
    with placed(str(path)):
        mapping, notes = _with_fields_of_builds(_mapping(file.known), file)
    return Imported(policy_from_mapping(mapping), tuple(notes), settings)


def _mapping(solver: SolverParameter) -> dict[str, Any]:
    kind = solver.lr_policy
    native = native_form(kind)
    if native is None:
        problem = f'the lr_policy "{kind}" is none of Caffe\'s' if kind else "it has no lr_policy"
        raise UsageError(problem, remedy=f"Caffe knows {', '.join(NATIVE)}")
    function, form = native
    missing = [field for field in form.fields.values() if not is_list(field) and not solver.HasField(field)]
    if missing:
        raise UsageError(
            f"lr_policy {kind} needs {missing[0]}, which is missing", remedy=f"add {missing[0]} to the solver"
        )
    values = {name: field_value(solver, field) for name, field in form.fields.items()}
    if [] in values.values():  # a step policy without steps
        return {"function": "FIX", "k0": values["k0"]}
    return {"function": function.name, **values}


def _with_fields_of_builds(policy: dict[str, Any], file: Solver) -> tuple[dict[str, Any], list[str]]:
    """The policy with what other builds of Caffe add to it, and notes."""
    kind, others = file.known.lr_policy, dict(file.others)
    notes = ["the l of POLY is the solver's max_iter"] if kind == "poly" else []
    floor = _number(others, "min_lr") if kind == "poly" else None
    if floor:
        if floor > policy["k0"]:
            raise UsageError("min_lr is above base_lr", remedy="lower min_lr")
        policy = {**policy, "function": "POLYDECAY", "k1": floor}
        notes = ["min_lr is the rate at the end of poly, as in NVIDIA's Caffe; the l is the solver's max_iter"]
    warmup, start = _number(others, "warmup_iter"), _number(others, "warmup_start_lr")
    if warmup and start is not None:
        climb = {"function": "LINEAR", "k0": start, "k1": policy["k0"], "l": warmup}
        policy = {"function": "COMPOSE", "policies": [climb, policy], "boundaries": [warmup], "count": "run"}
        notes.append("warmup_iter and warmup_start_lr are a straight line to base_lr, as in Intel's Caffe")
    elif warmup or start is not None:
        raise UsageError(
            "warmup_iter and warmup_start_lr change the rates together, and one is missing", remedy="give both"
        )
    changing = [name for name in others if _OF_RATES.fullmatch(name)]
    if changing:
        raise UsageError(
            f"the rates depend on {', '.join(changing)}, of another build of Caffe, and how is not known",
            remedy="write the policy by hand: lrbench policies list",
        )
    if others:
        notes.append(f"not read, as these fields do not set the rates: {', '.join(others)}")
    if kind == "exp":
        notes.append("Caffe computes it in float32, which differs by up to about 1e-3 where gamma is near 1")
    return policy, notes


def _number(fields: dict[str, str], name: str) -> float | None:
    """The number that a field of another build has, taken out of the fields; None where there is none."""
    text = fields.pop(name, None)
    if text is None:
        return None
    try:
        return float(text.partition("#")[0].rstrip(" \t\r\n;,"))
    except ValueError:
        raise UsageError(f"{name} is no number", remedy=f"write {name}: 0.001 for instance") from None


def _settings(solver: SolverParameter) -> Mapping[str, Any]:
    """The ``solver`` of a spec: the type and the parameters that this type reads; empty where the file has none."""
    name = solver.type
    if solver.HasField("solver_type"):  # as it was written before 2015
        name = SolverParameter.SolverType.Name(solver.solver_type)
    kind = next((row for row in SOLVER_TYPES if row.lower() == name.lower()), None)
    settings: dict[str, Any] = {}
    for parameter in SOLVER_FIELDS:
        value = getattr(solver, parameter)
        read = parameter not in PARTICULAR or (kind is not None and parameter in SOLVER_PARAMETERS[kind])
        if read and solver.HasField(parameter) and not (parameter == "clip_gradients" and value < 0):
            settings[parameter] = field_value(solver, parameter)
    return {"type": kind or name, **settings} if settings or solver.HasField("type") or kind != "SGD" else {}


def _set_by_run(path: Path) -> str | None:
    """The policy of the run that this solver was written for, where LRBench set the rates and not the solver."""
    lines = path.read_text(encoding="utf-8").splitlines()[:2]
    policy = lines[0].removeprefix(f"# {POLICY_IS}") if lines else ""
    return policy if lines[1:] == [f"# {NOT_NATIVE}"] and policy != lines[0] else None


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
        UsageError: as for ``solver_policy``, or it names no net that is there.
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
