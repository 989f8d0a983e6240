"""Consent to execute the user's own program: the options ``--program`` and ``--python``, and the line that says what
is executed.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.api import environment
from lrbench.cli.output import tell
from lrbench.errors import plain

if TYPE_CHECKING:
    from lrbench.engines.site import Consent
    from lrbench.spec.experiment import Data, Experiment

_OF_THE_SPEC = "-"


def program_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--program`` and ``--python``; the command receives a ``Consent``, or None, as ``consent``."""

    @click.option(
        "--program",
        is_flag=False,
        flag_value=_OF_THE_SPEC,
        metavar="[PATH]",
        help="Consent to execute the program that the spec names, which is in the spec's folder; with PATH, that file.",
    )
    @click.option("--python", metavar="PATH", help="Python that executes the program.  [default: LRBench's own]")
    @functools.wraps(command)
    def called(program: str | None, python: str | None, **others: Any) -> Any:
        if program is None:
            if python is not None:
                raise click.UsageError("--python is for --program")
            return command(consent=None, **others)
        if python is not None and shutil.which(python) is None:
            raise click.BadParameter(f"there is no program {python!r}", param_hint="--python")
        path = None if program == _OF_THE_SPEC else Path(program)
        typed = ("--program", *([] if path is None else [program]), *(["--python", python] if python else []))
        return command(consent=environment.consent(path, python and shutil.which(python), typed), **others)

    return called


def announce_program(experiment: Experiment, data: Data, consent: Consent | None) -> None:
    """Say on standard error which file is executed, with its hash and arguments, and by which interpreter."""
    from lrbench.spec.program import ProgramSource, ProgramWorkload

    if consent is None or not isinstance(experiment.workload, ProgramWorkload) or not isinstance(data, ProgramSource):
        return
    workload = experiment.workload
    digest = data.sources[workload.path.name]
    arguments = "; ".join(filter(None, (getattr(solver, "label", "") for solver in experiment.settings.solver)))
    given = f" with {arguments}" if arguments else ""
    tell(plain(f"executing {workload.path} (SHA-256 {digest[:12]}){given} by {consent.python}"))
