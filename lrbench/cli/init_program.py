"""``lrbench init train.py:training``: a first spec for a program of the user's own, which is executed for it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api import environment
from lrbench.cli.consent import announce
from lrbench.cli.output import check_new, write_output
from lrbench.errors import EngineFailed, UsageError

if TYPE_CHECKING:
    from lrbench.spec.program import ProgramSource, ProgramWorkload
    from lrbench.spec.program_starter import ProgramFacts

_PROGRAM = re.compile(r"(?P<file>.+\.py)(?::(?P<function>[A-Za-z_]\w*))?")


def init_program(
    typed: str, output: Path | None, python: str | None, force: bool, values: Mapping[str, str | int | float | None]
) -> None:
    """Execute the program for two iterations and an evaluation, and write a spec with what it showed.

    Raises:
        UsageError: there is no such file or function, it is no Python, or it failed; nothing is written then.
    """
    from lrbench.spec.program_starter import program_starter_text

    workload = _workload(typed, output, values)
    path = output or workload.folder / f"{workload.path.stem}.yaml"
    check_new(path, force)
    source = workload.source()
    _check_attaches(workload, source)
    facts = _facts(workload, source, python)
    text = program_starter_text(facts, path.stem, workload.written, workload.function)
    _check(text, path)
    write_output(text.encode(), path)
    _say_next(workload, path, python, facts)


def _workload(typed: str, output: Path | None, values: Mapping[str, str | int | float | None]) -> ProgramWorkload:
    from lrbench.spec.program import ProgramWorkload

    given = next((name for name, value in values.items() if value is not None), None)
    if given is not None:
        raise UsageError(f"--{given.replace('_', '-')} is for a net, not for the program {typed}", remedy="remove it")
    found = _PROGRAM.fullmatch(typed)
    if found is None:
        raise UsageError(
            f"{typed} is not a Python file", remedy="give FILE.py or FILE.py:FUNCTION; for a net, --net and --dataset"
        )
    file = Path(found["file"])
    if not file.is_file():
        raise UsageError(f"there is no file {file}", remedy="give the path of your training program")
    folder = file.parent if output is None else output.parent
    return ProgramWorkload(
        path=file.resolve(),
        written=os.path.relpath(file.absolute(), folder.absolute()),
        folder=folder,
        function=found["function"],
        inputs=(),
        iterations=1,
        test_interval=1,
    )


def _check_attaches(workload: ProgramWorkload, source: ProgramSource) -> None:
    """Raise UsageError for a script that would train as it does alone, to its end."""
    folder = workload.module_folder
    if workload.function is None and not any(b"lrbench" in (folder / name).read_bytes() for name in source.sources):
        raise UsageError(
            f"{workload.path.name} does not use lrbench, so that it would train as it does by itself",
            remedy="call lrbench.attach in it, as docs/how-to/train-your-own-program.md shows",
        )


def _facts(workload: ProgramWorkload, source: ProgramSource, python: str | None) -> ProgramFacts:
    from lrbench.engines.base import ProgramJob
    from lrbench.engines.program.probe import probe
    from lrbench.policies import parse_policy
    from lrbench.spec.sections import EngineSettings

    consent = environment.consent(workload.path, python and shutil.which(python))
    announce(workload, source, consent)
    folder = Path(tempfile.mkdtemp(prefix="lrbench-init-"))
    job = ProgramJob(
        iterations=workload.iterations,
        test_interval=workload.test_interval,
        seed=0,
        policy=parse_policy("FIX(k0=0)"),
        engine=EngineSettings(name="program"),
        folder=folder,
        program=workload.path,
        function=workload.function,
        arguments={},
        split="validation",
        sources=source.sources,
        module_folder=workload.module_folder,
        spec_folder=workload.path.parent,
    )
    is_log_named = False
    try:
        return probe(job, consent)
    except EngineFailed as error:
        is_log_named = str(folder) in str(error)
        raise UsageError(error.message, where=error.where, remedy=error.remedy) from error
    finally:
        if not is_log_named:
            shutil.rmtree(folder, ignore_errors=True)


def _check(text: str, path: Path) -> None:
    """Raise UsageError if the spec is wrong; a goal that is left to the user may be missing."""
    from lrbench.spec.starter_spec import starter_experiment

    starter_experiment(text.replace("  # goal:", "  goal:"), path)


def _say_next(workload: ProgramWorkload, path: Path, python: str | None, facts: ProgramFacts) -> None:
    """Print the next commands, in order."""
    from lrbench.metrics.objective import known_goal
    from lrbench.report.formats import next_line

    if known_goal(facts.objective) is None:
        click.echo(f"set objective.goal in {path}: the name {facts.objective} does not tell it", err=True)
    inside = workload.path.is_relative_to(path.resolve().parent)
    words = ["--program", *([] if inside else [str(workload.path)]), *(["--python", python] if python else [])]
    for command, comment in (("run", "trains with the policies of the spec"), ("tune", "searches for a better one")):
        click.echo(next_line(shlex.join(["lrbench", command, str(path), *words]), comment), err=True)
