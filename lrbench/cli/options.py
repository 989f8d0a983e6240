"""Arguments and options that several commands share, each defined once.

A command whose option means something else defines its own. Loads nothing heavy: completion imports this module.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lrbench.api.environment import DATABASE_FILE, database_place
from lrbench.cli.completion.candidates import engines, executors, metrics, results, settings, specs
from lrbench.cli.output import check_writable
from lrbench.report.render import FOR_TERMINALS, formats

if TYPE_CHECKING:
    from lrbench.metrics.objective import AnyTarget
    from lrbench.tuning.database.database import Database

Command = TypeVar("Command", bound=Callable[..., Any])

RESULTS = Path("results")
PATH = click.Path(path_type=Path)


def _check_output(context: click.Context, parameter: click.Parameter, output: Path | None) -> Path | None:
    """Refuse, before any work, a path that cannot be written."""
    if output is not None and not context.resilient_parsing:
        check_writable(output, parameter.opts[0])
    return output


def _check_picture(context: click.Context, parameter: click.Parameter, output: Path | None) -> Path | None:
    """Refuse, before any work, a file that cannot be drawn or written."""
    if output is not None and not context.resilient_parsing:
        from lrbench.drawing.save import check_suffix

        check_suffix(output)
    return _check_output(context, parameter, output)


def _read_target(context: click.Context, _parameter: click.Parameter, target: str | None) -> AnyTarget | None:
    if context.resilient_parsing:
        return None
    from lrbench.metrics.objective import read_target

    return read_target(target, "--target")


spec_argument = click.argument("spec", type=PATH, shell_complete=specs)
paths_argument = click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=PATH, shell_complete=results)


class Jobs(click.IntRange):
    """A number of sessions of at least 1, or ``auto``, which is None."""

    name = "jobs"

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or None for ``auto``."""
        return None if value == AUTO else super().convert(value, param, ctx)


AUTO = "auto"
LOCAL = "local"
_jobs_option = click.option(
    "-j",
    "--jobs",
    type=Jobs(),
    metavar="N",
    default=AUTO,
    show_default=True,
    help="Sessions to train in parallel; each trains one run, or as many as engine.lanes says. auto: as many as the "
    "cores and the memory allow; 1 for a program, and where seconds decide.",
)
_threads_option = click.option(
    "--threads", type=click.IntRange(1), metavar="N", default=1, show_default=True, help="BLAS threads per session."
)
_executor_option = click.option(
    "--executor",
    metavar="NAME[://ADDRESS]",
    default=LOCAL,
    show_default=True,
    shell_complete=executors,
    help="Where the sessions run: local, this machine; ray, the Ray cluster that this machine is part of; or "
    "ray://HOST:PORT, another one, which you trust as much as this machine.",
)


def session_options(command: Command) -> Command:
    """Add ``-j``, ``--threads`` and ``--executor``, as ``jobs``, None for ``auto``, ``threads`` and ``executor``."""
    return _jobs_option(_threads_option(_executor_option(command)))


results_option = click.option(
    "--results",
    type=PATH,
    metavar="DIR",
    default=RESULTS,
    show_default=True,
    help="Results folder, with one subfolder per experiment.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=settings,
    help="Override a setting of the spec, such as workload.iterations=1000. Can be repeated.",
)
sort_option = click.option(
    "--sort",
    "metric",
    metavar="METRIC",
    shell_complete=metrics,
    help="Metric that ranks the policies.  [default: the spec's objective, else final_accuracy]",
)
storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Database of the search's study: a URL, such as postgresql://host/name, or a file.  "
    "[default: a file in the search's folder]",
)
database_option = click.option(
    "--db",
    "location",
    envvar="LRBENCH_DB",
    metavar="URL",
    help="Policy database: the path of an SQLite file, or a PostgreSQL URL.  [default: LRBENCH_DB, else "
    f"{DATABASE_FILE} in LRBENCH_HOME]",
)


def overrides_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--set`` and ``--engine``; the command receives both as ``overrides``, the engine's last."""

    @set_option
    @click.option(
        "--engine",
        metavar="NAME",
        shell_complete=engines,
        help="Engine to train with, such as caffe or torch; short for --set engine.name=NAME.",
    )
    @functools.wraps(command)
    def called(overrides: Sequence[str], engine: str | None, **others: Any) -> Any:
        changes = [f"engine.name={engine}"] if engine else []
        return command(overrides=(*overrides, *changes), **others)

    return called


if TYPE_CHECKING:
    TextChoice = click.Choice[str]
else:
    TextChoice = click.Choice  # not generic before click 8.2


class FormatChoice(TextChoice):
    """The formats of documents; ``table``, as some commands called ``text`` in earlier versions, is understood."""

    def __init__(self) -> None:
        super().__init__(formats())

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name of the format."""
        return super().convert(FOR_TERMINALS if value == "table" else value, param, ctx)


def format_option(*formats: str, help: str = "Output format.") -> Callable[[Command], Command]:
    """Add ``--format`` as ``output_format``: these formats, or else those of documents; the first is the default."""
    choice = click.Choice(formats) if formats else FormatChoice()
    default = choice.choices[0]
    return click.option("--format", "output_format", type=choice, default=default, show_default=True, help=help)


def output_option(
    help: str = "Write to FILE instead of standard output.", **settings: Any
) -> Callable[[Command], Command]:
    """Add ``-o``; a path that cannot be written is refused before any work."""
    return click.option("-o", "--output", type=PATH, metavar="FILE", callback=_check_output, help=help, **settings)


def picture_option(*names: str, help: str, **settings: Any) -> Callable[[Command], Command]:
    """Add an option for a picture to write; a path that cannot be drawn or written is refused before any work."""
    help = f"{help}: a .png, .svg or .pdf file."
    return click.option(*names, type=PATH, metavar="FILE", callback=_check_picture, help=help, **settings)


def target_option(
    help: str = "Target: an accuracy, a fraction such as 0.98, or METRIC=VALUE, such as test_loss=0.12.  "
    "[default: the spec's target]",
) -> Callable[[Command], Command]:
    """Add ``--target``, an accuracy above 0 and at most 1, or a value of another metric."""
    return click.option("--target", metavar="TARGET", callback=_read_target, help=help)


def iterations_option(note: str = "", **settings: Any) -> Callable[[Command], Command]:
    """Add ``--iterations``, the length of the run that a policy is for."""
    help = f"Iterations of the run: the default of l, and the range over which the policy is checked.{note}"
    return click.option("--iterations", type=click.IntRange(min=1), metavar="N", help=help, **settings)


def typed_again(location: str | None) -> tuple[str, ...] | None:
    """Return the option ``--db`` of the next command, as ``database_option``; empty if the environment sets it."""
    from lrbench.report import next_commands

    return () if location == os.environ.get("LRBENCH_DB") else next_commands.database_option(location)


def users_database(location: str | None) -> Database:
    """Open the database of the option, or the user's own; a new one is announced. Raises DatabaseError."""
    from lrbench.tuning.database.database import open_database

    database = open_database(location or database_place())
    if database.created:
        click.echo(f"created {database.shown} with the {len(database)} entries that LRBench ships", err=True)
    return database
