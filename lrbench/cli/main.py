"""``lrbench``: find the command, run it, and turn errors into one line and an exit code."""

from __future__ import annotations

import functools
import importlib
import keyword
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import click

from lrbench._version import __version__
from lrbench.cli import COMPLETE_VARIABLE
from lrbench.errors import NO_MEMORY, LRBenchError, did_you_mean, plain
from lrbench.urls import hide_secrets

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

ORDER = [
    "quickstart",
    "configs",
    "init",
    "run",
    "report",
    "slurm",
    "status",
    "watch",
    "serve",
    "merge",
    "clean",
    "plot",
    "range",
    "tune",
    "compose",
    "verify",
    "branch",
    "extend",
    "recommend",
    "predict",
    "db",
    "policies",
    "export",
    "import",
    "data",
    "caffe",
    "parity",
    "doctor",
    "completion",
]
"""Order of the commands in the help; others follow."""
_FIRST_LINE = re.compile(r'"""``lrbench (?P<name>\w+)``: (?P<summary>.+?)("""|$)')

# A group without a command: the error's text is the help. Click before 8.2 prints it by itself.
NO_ARGUMENTS: tuple[type[click.UsageError], ...] = (
    (click.exceptions.NoArgsIsHelpError,) if hasattr(click.exceptions, "NoArgsIsHelpError") else ()
)


@functools.cache
def commands() -> dict[str, str]:
    """Return the summary of each command by its name: the first line of its module, which is not imported for it."""
    folder, found = os.path.dirname(__file__), {}
    for file in sorted(os.listdir(folder)):
        path = os.path.join(folder, file, *([] if file.endswith(".py") else ["__init__.py"]))
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as module:
                match = _FIRST_LINE.match(module.readline())
            if match:
                found[match["name"]] = match["summary"]
    return {name: found[name] for name in dict.fromkeys([*ORDER, *found])}


class LazyGroup(click.Group):
    """A group whose commands live in ``lrbench.cli.<name>`` and are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in commands():
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name  # Python's own import is not ours to name
        command = getattr(importlib.import_module(f"lrbench.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self,
        ctx: click.Context,
        args: list[str],
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0][:1] not in ("", "-") and args[0] not in commands():
            near = did_you_mean(args[0], commands())
            ctx.fail(f"there is no command {args[0]!r}{f'; {near}' if near else ''}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete[:1] == "-":
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem  # as it takes long to load, like all that is imported so here

        return [CompletionItem(name, help=text) for name, text in commands().items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(commands().items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lrbench")
def lrbench() -> None:
    """Benchmark learning-rate policies of neural-network training.

    \b
    lrbench quickstart                          train LeNet on digits with seven policies, rank them, draw them
    lrbench run configs/quickstart.yaml -j 2    train with every policy of the spec
    lrbench report results/                     rank the policies
    """


def main() -> None:
    """Run the command line and exit: 0 done, 1 some runs failed, 2 usage or spec, 130 interrupted, 141 nobody reads."""
    if COMPLETE_VARIABLE in os.environ:
        from lrbench.cli.completion.shells import answer

        sys.exit(answer(lrbench, os.environ[COMPLETE_VARIABLE]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # how batch systems ask a job to end
    try:
        code = _outcome()
    except KeyboardInterrupt:  # before click listens for it, or once more while the first is being told
        code = _ended("interrupted", 130)
    sys.exit(code)


def _outcome() -> int:
    try:
        code = lrbench.main(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return _ended("interrupted", 130)
    except NO_ARGUMENTS as error:
        return _ended(error.format_message(), 2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "lrbench"
        return _ended(f"error: {hide_secrets(plain(error.format_message()))} (see {path} --help)", 2)
    except LRBenchError as error:
        return _ended(f"error: {error}", error.exit_code)
    except SystemExit:  # how click and rich end when nobody reads what they write
        return _unread()
    except OSError as error:
        place = f"{hide_secrets(plain(str(error.filename)))}: " if error.filename is not None else ""
        problem = plain(error.strerror or str(error))
        return _ended(f"error: {place}{problem}; free some space, or choose another place", 2)
    except MemoryError:
        return _ended(f"error: {NO_MEMORY}", 2)
    except Exception:  # noqa: BLE001 - a fault of LRBench's own is told whole, but for what URLs hold
        import traceback

        return _ended(hide_secrets(traceback.format_exc().rstrip()), 1)


def _ended(text: str, code: int) -> int:
    try:
        click.echo(text, err=True)
    except BrokenPipeError:
        _unread()
    return code


def _unread() -> int:
    """Have what is still to be written go nowhere; 141 is what a shell shows for a program that SIGPIPE ended."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    return 141
