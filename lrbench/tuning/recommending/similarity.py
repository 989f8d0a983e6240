"""Workloads that a recommendation is asked for, and how similar measured workloads are to them.

The distance adds up what differs, each part by its own rule. The numbers only order similar workloads; a reader judges
by the reasons. Another solver type is not similar at all, since its useful rates are others; SGD and Nesterov share
theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.data import Prepared
from lrbench.runs.declarations import OWN_DATA
from lrbench.spec.experiment import Data, Experiment
from lrbench.spec.program import ProgramSource, ProgramWorkload, inputs_sha256
from lrbench.tuning.database.entry import StoredWorkload

KINDS = {
    "mnist": "handwritten digits",
    "digits": "handwritten digits",
    "cifar10": "small colour photographs",
    "cifar10_padded": "small colour photographs",
}
SHARED_RATES = frozenset({"SGD", "Nesterov"})
OTHER_NET, NET_OF_THE_NAME = 2.0, 1.0
OTHER_DATA, DATA_OF_THE_KIND, HELD_OUT = 4.0, 2.0, 0.25
OTHER_TYPE, OTHER_SETTINGS = 1.0, 0.5
OTHER_ENGINE = 0.25
A_DOUBLING, MOST_FOR_SIZE = 0.5, 2.0
_HELD_OUT = re.compile(r"^(.*)-holdout(\d+)$")

Difference = tuple[float, str]
"""A distance, and its reason in words."""


@dataclass(frozen=True)
class WorkloadQuery:
    """The workload to recommend policies for, as far as it is known without training.

    Attributes:
        net_name: of a program ``train.py:training``, and ``net_sha256`` that of all its files.
        dataset_sha256: None where the data set is not prepared here, so that it is known by its name alone; of a
            program that of its inputs.
        batch_size: None for a program.
        epoch: iterations of one pass over the training images; None where their number is not known.
        solver: the parameters that its type reads, ``type`` among them, without ``lr_scale``; of a program its
            arguments.
        lr_scale: what the spec multiplies the rates of a policy by under this solver.
        rates: the least and largest rate of the spec's ``search.rates``, as the net gets them; None where it has none.
    """

    net_name: str
    net_sha256: str
    dataset_name: str
    dataset_label: str
    dataset_sha256: str | None
    batch_size: int | None
    iterations: int
    test_interval: int
    epoch: float | None
    solver: Mapping[str, Any]
    lr_scale: float
    engine: str
    rates: tuple[float, float] | None

    @property
    def is_program(self) -> bool:
        """Whether it is a program of a user."""
        return self.engine == "program"

    @property
    def solver_type(self) -> str:
        """Solver type, for example ``SGD``."""
        return str(self.solver["type"])


def workload_queries(experiment: Experiment, data: Data | None) -> list[WorkloadQuery]:
    """Return the spec's workload with each of its solvers, or with each of a program's arguments.

    Args:
        data: None where the data set is not prepared.
    """
    workload, settings = experiment.workload, experiment.settings
    if isinstance(workload, ProgramWorkload):
        return _program_queries(experiment, workload, data)
    assert data is None or isinstance(data, Prepared)
    name = data.name if data is not None else str(workload.dataset)
    rates = settings.search.rates
    return [
        WorkloadQuery(
            net_name=workload.net_name,
            net_sha256=workload.net_sha256,
            dataset_name=name,
            dataset_label=data.label if data is not None else name,
            dataset_sha256=data.sha256 if data is not None else None,
            batch_size=workload.batch_size,
            iterations=workload.iterations,
            test_interval=workload.test_interval,
            epoch=data.train_count / (workload.batch_size * solver.iter_size) if data is not None else None,
            solver={name: value for name, value in solver.resolved().items() if name != "lr_scale"},
            lr_scale=solver.lr_scale,
            engine=settings.engine.name,
            rates=(rates[0] * solver.lr_scale, rates[1] * solver.lr_scale) if rates is not None else None,
        )
        for solver in settings.solver
    ]


def _program_queries(experiment: Experiment, workload: ProgramWorkload, data: Data | None) -> list[WorkloadQuery]:
    source = data if isinstance(data, ProgramSource) else workload.source()
    rates = experiment.settings.search.rates
    return [
        WorkloadQuery(
            net_name=workload.net_name,
            net_sha256=source.sha256,
            dataset_name=OWN_DATA,
            dataset_label=OWN_DATA,
            dataset_sha256=inputs_sha256(source.inputs),
            batch_size=None,
            iterations=workload.iterations,
            test_interval=workload.test_interval,
            epoch=None,
            solver=arguments.resolved(),
            lr_scale=1.0,
            engine="program",
            rates=None if rates is None else (rates[0], rates[1]),
        )
        for arguments in experiment.settings.solver
    ]


@dataclass(frozen=True)
class Similarity:
    """Similarity of two workloads.

    Attributes:
        distance: 0 for the same net, data, batch size, solver, iterations and engine.
        reasons: what is the same and what is not, in words.
        measured_here: whether only the engine, the test interval or nothing differs.
        same_net: the same layers.
        same_data: the same images, or a part of them held out.
    """

    distance: float
    reasons: tuple[str, ...]
    measured_here: bool
    same_net: bool
    same_data: bool


def similarity(query: WorkloadQuery, workload: StoredWorkload) -> Similarity | None:
    """Compare a measured workload with a query; None where they have too little in common."""
    if workload.solver_type not in similar_solvers(query.solver_type):
        return None
    net, data = _net(query, workload), _data(query, workload)
    if net[0] >= OTHER_NET and data[0] >= OTHER_DATA:
        return None
    length = 0.0, "same iterations"
    if query.iterations != workload.iterations:
        reason = f"{workload.iterations:,} iterations for {query.iterations:,}"
        length = _size(query.iterations, workload.iterations), reason
    deciding = [net, data, _solver(query, workload), _batch(query, workload), length]
    same_engine = query.engine == workload.engine_name
    engine = (0.0, "") if same_engine else (OTHER_ENGINE, f"trained with {workload.engine_name} for {query.engine}")
    return Similarity(
        distance=math.fsum(distance for distance, _ in (*deciding, engine)),
        reasons=tuple(reason for _, reason in (*deciding, engine) if reason),
        measured_here=all(distance == 0 for distance, _ in deciding),
        same_net=net[0] == 0,
        same_data=data[0] <= HELD_OUT,
    )


def similar_solvers(solver_type: str) -> frozenset[str]:
    """Return the solver types that share the useful rates of ``solver_type``, itself among them."""
    return SHARED_RATES if solver_type in SHARED_RATES else frozenset({solver_type})


def _net(query: WorkloadQuery, workload: StoredWorkload) -> Difference:
    what = "program" if query.is_program else "net"
    if query.net_sha256 == workload.net_sha256:
        return 0.0, f"same {what}"
    if query.net_name == workload.net_name:
        other = "other files of" if query.is_program else "another net that is called"
        return NET_OF_THE_NAME, f"{other} {workload.net_name}{'' if query.is_program else ', too'}"
    return OTHER_NET, f"another {what} ({workload.net_name})"


def _program_data(query: WorkloadQuery, workload: StoredWorkload) -> Difference:
    """The data of a program are part of it, but for its inputs."""
    if query.net_name != workload.net_name:
        return OTHER_DATA, "data of another program"
    if query.dataset_sha256 != workload.dataset_sha256:
        return DATA_OF_THE_KIND, "other inputs"
    return (HELD_OUT, "judged on its validation data") if workload.evaluated_on == "validation" else (0.0, "")


def _data(query: WorkloadQuery, workload: StoredWorkload) -> Difference:
    if query.is_program:
        return _program_data(query, workload)
    held = _HELD_OUT.match(workload.dataset_name)
    name = held[1] if held else workload.dataset_name
    if workload.dataset_sha256 == query.dataset_sha256:
        return 0.0, "same data set"
    if name.lower() == query.dataset_name.lower():
        if held:
            return HELD_OUT, f"same data set, judged on {held[2]} of its training images"
        if query.dataset_sha256 is None:
            return 0.0, "same data set by its name"
    kind = KINDS.get(name)
    if kind is not None and kind == KINDS.get(query.dataset_name):
        return DATA_OF_THE_KIND, f"data of the same kind, {kind} ({workload.dataset_label})"
    return OTHER_DATA, f"another data set ({workload.dataset_label})"


def _solver(query: WorkloadQuery, workload: StoredWorkload) -> Difference:
    if query.solver_type != workload.solver_type:
        return OTHER_TYPE, f"{workload.solver_type} for {query.solver_type}"
    names = sorted({*query.solver, *workload.solver})
    differing = [name for name in names if query.solver.get(name) != workload.solver.get(name)]
    if not differing and query.is_program:
        return 0.0, "same arguments" if len(query.solver) > 1 else ""
    if not differing:
        return 0.0, f"same {query.solver_type}"
    words = [f"{name} {workload.solver.get(name, 'unset')} for {query.solver.get(name, 'unset')}" for name in differing]
    return OTHER_SETTINGS, f"{'arguments' if query.is_program else query.solver_type} with {', '.join(words)}"


def _batch(query: WorkloadQuery, workload: StoredWorkload) -> Difference:
    if query.batch_size is None or workload.batch_size is None:
        return 0.0, ""
    if query.batch_size == workload.batch_size:
        return 0.0, "same batch size"
    return _size(query.batch_size, workload.batch_size), f"batch {workload.batch_size} for {query.batch_size}"


def _size(one: int, other: int) -> float:
    """The distance of each doubling, up to a limit: very different is just different."""
    return min(A_DOUBLING * abs(math.log2(one / other)), MOST_FOR_SIZE)
