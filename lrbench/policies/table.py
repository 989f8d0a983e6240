"""The table of all LR functions, in the order in which they are listed. A new function is a row in one of its parts.

Another package adds one by an entry point of the group ``lrbench.functions`` that bears the function's name and names
a ``Function``.
"""

from __future__ import annotations

import functools
import re
from importlib.metadata import EntryPoint

from lrbench.entry_points import entry_points, load
from lrbench.errors import PolicyError, did_you_mean
from lrbench.policies import cyclic
from lrbench.policies.composition import COMPOSITIONS
from lrbench.policies.decaying import DECAYS, PAPER_NONCYCLIC, POWER_LAW, SIG
from lrbench.policies.function import Function
from lrbench.policies.phased import PHASED
from lrbench.policies.plateau import CLOSED_LOOP

GROUP = "lrbench.functions"
TERMS = {
    "constant": ("FIX",),
    "cosineannealingwarm": ("SGDR",),
    "cosine": ("COSDECAY", "COS", "SGDR"),
    "exponential": ("EXP",),
    "inversesq": ("INVSQRT",),
    "linear": ("LINEAR",),
    "multistep": ("NSTEP",),
    "polynomial": ("POLYDECAY", "POLY"),
    "reducelronplateau": ("PLATEAU",),
    "sigmoid": ("SIG",),
    "triang": ("TRI",),
    "cyclic": ("TRI", "SIN", "COS"),
}
"""LR functions by the first letters of other names for them (PyTorch's schedulers, Caffe's policies, papers)."""
PAPER_CYCLIC = ("TRI", "TRI2", "TRIEXP", "SIN", "SIN2", "SINEXP", "COS")
MODERN = ("WARMUP", "WARMUP-LINEAR", "WSD-SQRT", "WSD", "ONECYCLE", "STEP", "EXP")
"""Families of today's schedules: cosine, linear and 1-sqrt decay after a warm-up, and those that bear their names."""


@functools.cache
def functions() -> tuple[Function, ...]:
    """LRBench's own LR functions: the thirteen of arXiv:1908.06477, other cyclic ones, all others, closed-loop ones."""
    waves = {row.name: row for row in cyclic.rows()}
    thirteen = (*PAPER_NONCYCLIC, *(waves.pop(name) for name in PAPER_CYCLIC))
    return (*thirteen, *waves.values(), SIG, *DECAYS, POWER_LAW, *PHASED, *COMPOSITIONS, *CLOSED_LOOP)


def installed_functions() -> tuple[Function, ...]:
    """All LR functions: LRBench's own, then those of other packages by name.

    Raises:
        PolicyError: one of another package cannot be loaded.
    """
    return (*functions(), *(find_function(name) for name in function_names()[len(functions()) :]))


def function_names() -> list[str]:
    """The names of all LR functions, in the order of ``installed_functions``; none of another package is loaded."""
    own = [function.name for function in functions()]
    return [*own, *sorted({point.name for point in entry_points(group=GROUP)} - {*own})]


def paper_functions() -> tuple[Function, ...]:
    """The thirteen LR functions of arXiv:1908.06477."""
    return functions()[: len(PAPER_NONCYCLIC) + len(PAPER_CYCLIC)]


def families(name: str) -> tuple[str, ...]:
    """The names of the families of a set: ``paper13``, ``modern``, or ``all``; of another name itself alone.

    Raises:
        PolicyError: a function of another package cannot be loaded, which ``all`` takes.
    """
    if name == "paper13":
        return tuple(function.name for function in paper_functions())
    if name == "modern":
        return MODERN
    if name == "all":
        return tuple(name for function in installed_functions() for name in function.families)
    return (name,)


def find_function(name: str) -> Function:
    """The function of that name.

    Raises:
        PolicyError: there is none; the message has the names that are near.
    """
    for function in functions():
        if function.name == name:
            return function
    for point in entry_points(group=GROUP, name=name):
        return _load(point)
    letters = re.sub(r"[^a-z]", "", name.lower())
    meant = next((names for term, names in TERMS.items() if letters.startswith(term)), ())
    hint = f"did you mean {' or '.join(meant)}?" if meant else did_you_mean(name, function_names())
    raise PolicyError(
        f'unknown LR function "{name}"', remedy=f"{hint} `lrbench policies list` shows all of them".strip()
    )


def _load(point: EntryPoint) -> Function:
    function = load(point, PolicyError)
    if not isinstance(function, Function) or function.name != point.name:
        raise PolicyError(f"{point.value} is not an lrbench.policies.Function named {point.name}", where=GROUP)
    return function
