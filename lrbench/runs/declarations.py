"""Declarations of programs about their trainings in run.json, and the labels and notes of tables that go by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

OWN_DATA = "its own data"
"""Name of a program's data in tables."""

EVALUATED_LABELS = "evaluated_labels"
"""Fact that LRBench adds: count and hash of the labels that a program evaluates on."""
_SHOWN = {"optimizer": "optimizer", "dataset": "data"}
"""Facts that are named in every table, whether a program declares them or not, with their title."""
_COUNTS = {"model": "parameters", "dataset": "samples"}
"""Facts with the fact that counts them."""


class Described(Protocol):
    """Whatever has these sections of a run.json."""

    @property
    def workload(self) -> Mapping[str, Any]:
        """Program, or net and data set, with sizes and intervals."""

    @property
    def solver(self) -> Mapping[str, Any]:
        """Type and parameters, of a program its arguments."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Declarations of a program by name; empty before its first evaluation."""


@dataclass(frozen=True)
class Declared:
    """Declarations that the runs of a program share.

    Attributes:
        program: name of the program, such as ``train.py:training``.
        takes_split: whether it evaluates on the data that LRBench asks for; True where that is not known yet.
        notes: sentences for every table of its runs.
    """

    program: str
    takes_split: bool
    notes: tuple[str, ...]


def program_name(workload: Mapping[str, Any]) -> str | None:
    """Return the name of a workload's program; None for a net."""
    program = workload.get("program")
    return str(program.get("name") or "unnamed program") if isinstance(program, Mapping) else None


def is_program(solver: Mapping[str, Any]) -> bool:
    """Whether a solver section holds the arguments of a program."""
    return solver.get("type") == "program"


def arguments_text(solver: Mapping[str, Any]) -> str:
    """Return a program's arguments, such as ``width=64, depth=2``, or ``no arguments``."""
    return ", ".join(f"{name}={value}" for name, value in solver.items() if name != "type") or "no arguments"


def optimizer_text(solver: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return the solver's type, of a program the optimizer that it declares, such as ``AdamW``."""
    if is_program(solver):
        return str(facts.get("optimizer") or "optimizer not declared")
    return str(solver.get("type") or "unknown solver")


def training_text(solver: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return ``optimizer_text``, of a program with its arguments, where it has any."""
    optimizer = optimizer_text(solver, facts)
    return f"{optimizer}, {arguments_text(solver)}" if is_program(solver) and len(solver) > 1 else optimizer


def takes_no_split(run: Described) -> bool:
    """Whether the run is of a program that evaluates on its test set, whatever data it is asked to evaluate on."""
    return program_name(run.workload) is not None and run.facts.get("split_used") is False


def evaluated_part(run: Described) -> str:
    """Return the data that a program's run was evaluated on: ``validation`` or ``test``."""
    program = run.workload.get("program")
    split = program.get("split") if isinstance(program, Mapping) else None
    return "validation" if split == "validation" and not takes_no_split(run) else "test"


def program_notes(runs: Iterable[Described]) -> list[str]:
    """Return the sentences that belong to every table with runs of programs; none for nets.

    For each program: optimizer, data and what else it declares, or that it does not declare them, and whether policies
    are chosen by its test set. A run that is not evaluated yet says nothing.
    """
    known = [run for run in runs if program_name(run.workload) is not None and run.facts]
    texts: dict[tuple[str, str], dict[str, None]] = {}
    for run in known:
        key = str(program_name(run.workload)), declared_text(run.facts)
        texts.setdefault(key, {})[arguments_text(run.solver)] = None
    programs = [name for name, _ in texts]
    notes = []
    for (name, text), arguments in texts.items():
        which = f" ({'; '.join(arguments)})" if programs.count(name) > 1 else ""
        notes.append(f"program {name}{which}: {text}")
    ignoring = dict.fromkeys(str(program_name(run.workload)) for run in known if takes_no_split(run))
    return [*notes, *map(_chosen_by_the_test_set, ignoring)]


def declared(runs: Iterable[Described]) -> Declared | None:
    """Return what the runs of one program declare; None for nets."""
    found = [run for run in runs if program_name(run.workload) is not None]
    if not found:
        return None
    name = str(program_name(found[0].workload))
    return Declared(name, not any(map(takes_no_split, found)), tuple(program_notes(found)))


def declared_text(facts: Mapping[str, Any]) -> str:
    """Return what a program declares, such as ``optimizer AdamW, data not declared``."""
    further = [name for name in facts if name not in (*_SHOWN, *_COUNTS.values(), "split_used", EVALUATED_LABELS)]
    titles = _SHOWN | {name: name for name in further}
    return ", ".join(_fact(name, title, facts) for name, title in titles.items())


def _fact(name: str, title: str, facts: Mapping[str, Any]) -> str:
    if name not in facts:
        return f"{title} not declared"
    count = facts.get(_COUNTS.get(name, ""))
    if count is None:
        return f"{title} {facts[name]}"
    number = f"{int(count):,}" if str(count).isdecimal() else count
    return f"{title} {facts[name]} ({number} {_COUNTS[name]})"


def _chosen_by_the_test_set(program: str) -> str:
    return f"program {program} takes no split: policies are chosen and judged on its test set, which flatters the best"
