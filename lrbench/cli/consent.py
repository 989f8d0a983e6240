"""Consent to execute the user's own program: the options ``--program`` and ``--python``, and the line that says what
is executed.
"""

from __future__ import annotations

import functools
import shlex
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
    from lrbench.spec.program import ProgramSource, ProgramWorkload

_OF_THE_SPEC = "-"


def _check_python(context: click.Context, _parameter: click.Parameter, python: str | None) -> str | None:
    if python is not None and not context.resilient_parsing and shutil.which(python) is None:
        raise click.BadParameter(f"there is no program {python!r}")
    return python


python_option = click.option(
    "--python",
    metavar="PATH",
    callback=_check_python,
    help="Python that executes the program.  [default: LRBench's own]",
)


def program_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--program``, ``--python`` and ``--launcher``; the command receives a ``Consent`` or None as ``consent``."""

    @click.option(
        "--program",
        is_flag=False,
        flag_value=_OF_THE_SPEC,
        metavar="[PATH]",
        help="Consent to execute the program that the spec names, which is in the spec's folder; with PATH, that file.",
    )
    @python_option
    @click.option(
        "--launcher",
        callback=_launcher,
        metavar="COMMAND",
        help="Start the program as several processes: torchrun with its options, 'torchrun --nproc-per-node 2'.",
    )
    @functools.wraps(command)
    def called(program: str | None, python: str | None, launcher: tuple[str, ...], **others: Any) -> Any:
        if program is None:
            for given, option in ((python, "--python"), (launcher, "--launcher")):
                if given:
                    raise click.UsageError(f"{option} is for --program")
            return command(consent=None, **others)
        path = None if program == _OF_THE_SPEC else Path(program)
        typed = ("--program", *([] if path is None else [program]), *(["--python", python] if python else []))
        typed += ("--launcher", shlex.join(launcher)) if launcher else ()
        found = environment.consent(path, python and shutil.which(python), launcher, typed)
        return command(consent=found, **others)

    return called


def _launcher(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(value or ""))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if words and words[0] != "torchrun":
        raise click.BadParameter(f"is {words[0]!r}, but must be torchrun with its options")
    return words


def announce_program(experiment: Experiment, data: Data, consent: Consent | None) -> None:
    """Say on standard error which file is executed, with its hash and arguments, and by which interpreter."""
    from lrbench.spec.program import ProgramSource, ProgramWorkload

    if consent is None or not isinstance(experiment.workload, ProgramWorkload) or not isinstance(data, ProgramSource):
        return
    arguments = "; ".join(filter(None, (getattr(solver, "label", "") for solver in experiment.settings.solver)))
    announce(experiment.workload, data, consent, f" with {arguments}" if arguments else "")


def announce(workload: ProgramWorkload, data: ProgramSource, consent: Consent, given: str = "") -> None:
    """Say on standard error which file is executed, with its hash, and by which interpreter and launcher."""
    digest = data.sources[workload.path.relative_to(workload.module_folder).as_posix()]
    launcher = f" and {' '.join(consent.launcher)}" if consent.launcher else ""
    tell(plain(f"executing {workload.path} (SHA-256 {digest[:12]}){given} by {consent.python}{launcher}"))
