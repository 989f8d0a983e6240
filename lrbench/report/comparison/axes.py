"""The settings over which policies are compared, and the values that they have in a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.comparable import engine_settings, workload_settings
from lrbench.report.build import Report
from lrbench.report.policies import PolicyRow
from lrbench.spec.solver_types import SOLVER_TYPES

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """A setting whose values are compared, all other settings being equal.

    Attributes:
        key: name in ``--by``.
        title, plural: name of a value and of several.
        at: preposition: ``on`` an engine, ``under`` a solver.
        covers: whether a setting belongs to the axis, given its section and name, such as ``workload.batch_size``.
        value: value of a row as text.
        order: sort key of values; the others are compared with the first.
        costs: whether values differ in costs of a run rather than in how well it trains.
        scaled: whether each value may have its own ``lr_scale``, which multiplies the rates of the same policy.
        remedy: how to get runs with several values.
    """

    key: str
    title: str
    plural: str
    at: str
    covers: Callable[[str], bool]
    value: Callable[[PolicyRow], str]
    remedy: str
    order: Callable[[str], Any] = str
    costs: bool = False
    scaled: bool = False


def settings_of(row: PolicyRow) -> dict[str, Any]:
    """Settings that decide whether two rows are comparable, by section and name."""
    run = (*row.runs, *row.scaled)[0]
    sections = {"workload": workload_settings(run), "solver": run.solver, "engine": engine_settings(run)}
    return {f"{section}.{name}": value for section, found in sections.items() for name, value in found.items()}


def _setting(name: str) -> Callable[[PolicyRow], str]:
    return lambda row: str(settings_of(row).get(name))


def _batch_size(row: PolicyRow) -> str:
    """The batch size; of a program that of its arguments."""
    settings = settings_of(row)
    of_program = settings.get("solver.batch_size", "not an argument of the program")
    return str(of_program if settings.get("solver.type") == "program" else settings.get("workload.batch_size"))


def _solver_order(solver: str) -> tuple[int, str]:
    """Order by type, with which the label begins, as in SOLVER_TYPES; others last."""
    types: list[str] = [*SOLVER_TYPES]
    kind = solver.partition(" ")[0]
    return types.index(kind) if kind in types else len(types), solver


_ALL = (
    Axis(
        "engine",
        "engine",
        "engines",
        "on",
        lambda name: name.startswith("engine."),
        lambda row: row.engine,
        "run the spec with another one as well, such as with --engine torch or --engine caffe",
        costs=True,
    ),
    Axis(
        "solver",
        "solver",
        "solvers",
        "under",
        lambda name: name.startswith("solver."),
        lambda row: row.solver,
        "give the spec a list of solvers, as in configs/optimizers.yaml",
        order=_solver_order,
        scaled=True,
    ),
    Axis(
        "arguments",
        "set of arguments",
        "sets of arguments",
        "with",
        lambda name: name.startswith("solver."),
        lambda row: row.solver,
        "give an argument of the program a list of values, such as workload.arguments: {width: [64, 128]}",
    ),
    Axis(
        "batch_size",
        "batch size",
        "batch sizes",
        "with",
        lambda name: name in ("workload.batch_size", "solver.batch_size"),
        _batch_size,
        "run the spec with another one as well, such as with --set workload.batch_size=50; of a program that has one "
        "as an argument, with --set workload.arguments.batch_size=50",
        order=lambda value: (0, int(value), "") if value.isdigit() else (1, 0, value),
        costs=True,
    ),
    Axis(
        "device",
        "device",
        "devices",
        "on",
        lambda name: name == "engine.device",
        _setting("engine.device"),
        "run the spec with another one as well, such as with --set engine.device=gpu",
        costs=True,
    ),
    Axis(
        "dataset",
        "data set",
        "data sets",
        "on",
        lambda name: name in ("workload.dataset", "workload.dataset_name"),
        _setting("workload.dataset_name"),
        "run the spec with another one as well, such as with --set workload.dataset=cifar10",
    ),
)

AXES: Mapping[str, Axis] = {axis.key: axis for axis in _ALL}


def axis_for(axis: Axis, report: Report) -> Axis:
    """Return the axis; the arguments in place of solvers for a report of programs alone, which have no solvers."""
    of_programs = axis.key == "solver" and all(table.is_program for table in report.workloads)
    return AXES["arguments"] if of_programs else axis
