"""How much a measured workload is like the one that is asked about, in words and as a distance.

The distance adds up what differs, each part by its own rule (see ``_PARTS``). The numbers only order like workloads; a
reader judges by the words. Another solver type is not like at all, since its useful rates are others; SGD and Nesterov
share theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from lrbench.tuning.database import StoredWorkload
from lrbench.tuning.recommending.asked import Asked

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


@dataclass(frozen=True)
class Likeness:
    """How alike two workloads are.

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


Difference = tuple[float, str]


def likeness(asked: Asked, workload: StoredWorkload) -> Likeness | None:
    """None where the two have too little in common for one to say anything of the other."""
    if workload.solver_type not in like_solvers(asked.solver_type):
        return None
    net, data = _net(asked, workload), _data(asked, workload)
    if net[0] >= OTHER_NET and data[0] >= OTHER_DATA:
        return None
    parts = {part.__name__: part(asked, workload) for part in _PARTS}
    deciding = [net, data, parts["_solver"], parts["_batch"], parts["_length"]]
    reasons = [words for _, words in parts.values() if words]
    return Likeness(
        distance=math.fsum(points for points, _ in parts.values()),
        reasons=tuple(reasons),
        measured_here=all(points == 0 for points, _ in deciding),
        same_net=net[0] == 0,
        same_data=data[0] <= HELD_OUT,
    )


def like_solvers(solver_type: str) -> frozenset[str]:
    """The solver types that share its useful rates, itself among them."""
    return SHARED_RATES if solver_type in SHARED_RATES else frozenset({solver_type})


def _net(asked: Asked, workload: StoredWorkload) -> Difference:
    if asked.net_sha256 == workload.net_sha256:
        return 0.0, "same net"
    if asked.net_name == workload.net_name:
        return NET_OF_THE_NAME, f"another net that is called {workload.net_name}, too"
    return OTHER_NET, f"another net ({workload.net_name})"


def _data(asked: Asked, workload: StoredWorkload) -> Difference:
    held = _HELD_OUT.match(workload.dataset_name)
    name = held[1] if held else workload.dataset_name
    if workload.dataset_sha256 == asked.dataset_sha256:
        return 0.0, "same data set"
    if name.lower() == asked.dataset_name.lower():
        if held:
            return HELD_OUT, f"same data set, judged on {held[2]} of its training images"
        if asked.dataset_sha256 is None:
            return 0.0, "same data set by its name"
    kind = KINDS.get(name)
    if kind is not None and kind == KINDS.get(asked.dataset_name):
        return DATA_OF_THE_KIND, f"data of the same kind, {kind} ({workload.dataset_label})"
    return OTHER_DATA, f"another data set ({workload.dataset_label})"


def _solver(asked: Asked, workload: StoredWorkload) -> Difference:
    if asked.solver_type != workload.solver_type:
        return OTHER_TYPE, f"{workload.solver_type} for {asked.solver_type}"
    names = sorted({*asked.solver, *workload.solver})
    differing = [name for name in names if asked.solver.get(name) != workload.solver.get(name)]
    if not differing:
        return 0.0, f"same {asked.solver_type}"
    words = [f"{name} {workload.solver.get(name, 'unset')} for {asked.solver.get(name, 'unset')}" for name in differing]
    return OTHER_SETTINGS, f"{asked.solver_type} with {', '.join(words)}"


def _batch(asked: Asked, workload: StoredWorkload) -> Difference:
    if asked.batch_size == workload.batch_size:
        return 0.0, "same batch size"
    return _size(asked.batch_size, workload.batch_size), f"batch {workload.batch_size} for {asked.batch_size}"


def _length(asked: Asked, workload: StoredWorkload) -> Difference:
    if asked.iterations == workload.iterations:
        return 0.0, "same iterations"
    return (
        _size(asked.iterations, workload.iterations),
        f"{workload.iterations:,} iterations for {asked.iterations:,}",
    )


def _engine(asked: Asked, workload: StoredWorkload) -> Difference:
    if asked.engine == workload.engine_name:
        return 0.0, ""
    return OTHER_ENGINE, f"trained with {workload.engine_name} for {asked.engine}"


def _size(one: int, other: int) -> float:
    """So much for each doubling, up to a limit: very different is just different."""
    return min(A_DOUBLING * abs(math.log2(one / other)), MOST_FOR_SIZE)


_PARTS: tuple[Callable[[Asked, StoredWorkload], Difference], ...] = (_net, _data, _solver, _batch, _length, _engine)
