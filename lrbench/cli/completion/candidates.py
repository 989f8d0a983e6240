"""Candidates for the completion of a word: policies, runs, metrics, data sets, nets, solver types, specs.

Each function is the ``shell_complete`` of an option or argument. Nothing is trained, written or requested from a
server, and modules that load slowly are imported only by the functions that need them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from lrbench.engines.names import ENGINES

Items = list[CompletionItem]

MOST_RUNS = 1000
"""Largest number of runs whose policies are read."""
MOST = 200
"""Largest number of candidates, more than which no shell shows at once."""


def policies(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Complete the names of LR functions; a whole name is completed to an example policy."""
    from lrbench.policies import functions

    name, opened, _ = typed.partition("(")
    found = [row for row in functions() if row.name == name or (not opened and row.name.startswith(name.upper()))]
    if len(found) == 1:
        return [CompletionItem(found[0].example, help=found[0].summary)]
    return [CompletionItem(row.example if row.name == name else row.name, help=row.summary) for row in found]


def measured_policies(context: click.Context, parameter: click.Parameter, typed: str) -> Items:
    """Complete the LR functions of the runs at the given paths, then the policies of a function."""
    by_function: dict[str, set[str]] = {}
    # Before an option without its value click leaves the arguments unread.
    paths = [Path(path) for path in context.params.get("paths") or context.args]
    for function, policy in islice(_measured(paths), MOST_RUNS):
        by_function.setdefault(function, set()).add(policy)
    if not by_function:  # logs alone, or nothing that can be read
        return policies(context, parameter, typed)
    names = sorted(name for name in by_function if name.startswith(typed.partition("(")[0].upper()))
    if len(names) == 1 or "(" in typed:
        return [
            *_beginning(typed.upper(), names),
            *(
                CompletionItem(policy)
                for name in names
                for policy in sorted(by_function[name])
                if "(" not in typed or policy.startswith(typed)
            ),
        ]
    return [CompletionItem(name) for name in names]


def function_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """LR functions by name."""
    from lrbench.policies import functions

    return [CompletionItem(row.name, help=row.summary) for row in functions() if row.name.startswith(typed.upper())]


def ready_specs(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """LRBench's ready specs."""
    from lrbench.spec.ready import ready_specs

    return [CompletionItem(row.name, help=row.summary) for row in ready_specs() if row.name.startswith(typed)]


def metrics(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Metrics that rank policies."""
    from lrbench.metrics.registry import METRICS

    return [CompletionItem(name, help=row.title) for name, row in METRICS.items() if name.startswith(typed)]


def data_sets(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Data sets by name."""
    from lrbench.data.registry import DATA_SETS, data_set_names

    known = {name: DATA_SETS[name].summary if name in DATA_SETS else None for name in data_set_names()}
    return [CompletionItem(name, help=text) for name, text in known.items() if name.startswith(typed)]


def nets(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """LRBench's own nets, and prototxt files."""
    from lrbench.nets.text import builtin_nets

    own = [CompletionItem(name) for name in builtin_nets() if name.startswith(typed)]
    return [*own, *_files(typed, (".prototxt",))]


def net_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """LRBench's own nets."""
    from lrbench.nets.text import builtin_nets

    return _beginning(typed, builtin_nets())


def solver_types(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Solver types, whatever the case of what was typed."""
    from lrbench.spec.solver_types import SOLVER_TYPES

    return [CompletionItem(name) for name in SOLVER_TYPES if name.lower().startswith(typed.lower())]


def engines(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Engines by name; those of other packages too."""
    from lrbench.entry_points import entry_points

    return _beginning(typed, [*ENGINES, *(point.name for point in entry_points(group="lrbench.engines"))])


def executors(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Executors by name; those of other packages too."""
    from lrbench.entry_points import entry_points

    return _beginning(typed, ["local", "ray", *(point.name for point in entry_points(group="lrbench.executors"))])


def settings(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """``KEY=`` of every setting of a spec."""
    from pydantic import BaseModel

    from lrbench.spec.model import ExperimentSettings

    def keys(model: type[BaseModel], before: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from keys(inner, f"{before}{name}.")
            else:
                yield f"{before}{name}="

    return _beginning(typed, keys(ExperimentSettings, ""))


def specs(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """YAML files, and the folders on the way to them."""
    return _files(typed, (".yaml", ".yml"))


def python_files(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Python files, and the folders on the way to them."""
    return _files(typed, (".py",))


def results(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Folders and files, and runs under ``results/`` by the beginning of their id or of their experiment's name."""
    paths = [CompletionItem(typed, type="file")]
    if not typed or "/" in typed:
        return paths
    found = (
        path
        for depth in ("*", "*/*")
        for path in sorted(Path("results").glob(depth))
        if path.name.startswith(typed) and path.is_dir()
    )
    return [*(CompletionItem(str(path), help=path.parent.name) for path in islice(found, MOST)), *paths]


def entries(context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Entries of the policy database, where that is a file."""
    import sqlite3
    from contextlib import closing

    from lrbench.api.environment import DATABASE_FILE, home

    place = context.params.get("location") or os.environ.get("LRBENCH_DB") or str(home() / DATABASE_FILE)
    if "://" in place or not Path(place).is_file():
        return []
    # By hand, as loading SQLAlchemy would take longer than a user waits; read-only, so that nothing is made.
    with closing(sqlite3.connect(f"{Path(place).absolute().as_uri()}?mode=ro", uri=True, timeout=0.1)) as database:
        rows = database.execute(
            "SELECT substr(id, 1, 8), policy FROM lrbench_entries WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?",
            (len(typed), typed, MOST),
        ).fetchall()
    return [CompletionItem(identity, help=policy) for identity, policy in rows]


def _measured(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """LR function and policy of each run under the paths that can be read."""
    from lrbench.runs.description import read_description
    from lrbench.runs.files import DamagedRun
    from lrbench.runs.records import find_runs

    for folder in find_runs(path for path in paths if path.is_dir()):
        with contextlib.suppress(DamagedRun):
            run = read_description(folder)
            yield run.function, run.policy


def _beginning(typed: str, names: Iterable[str]) -> Items:
    return [CompletionItem(name) for name in names if name.startswith(typed)]


def _files(typed: str, suffixes: tuple[str, ...]) -> Items:
    """Files of a kind by the beginning of their path; the folders are left to the shell."""
    folder, separator, name = typed.rpartition("/")
    here = Path(folder or separator or ".").expanduser()
    try:
        found = sorted(
            path.name
            for path in here.iterdir()
            if path.name.startswith(name) and path.suffix in suffixes and path.is_file()
        )
    except OSError:
        found = []
    return [*(CompletionItem(f"{folder}{separator}{file}") for file in found[:MOST]), CompletionItem(typed, type="dir")]
