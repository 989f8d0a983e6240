"""``lrbench``: finds the command, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys

import click

from lrbench import __version__
from lrbench.errors import LRBenchError

COMMANDS = {
    "run": "Run an experiment from a YAML spec.",
    "report": "Rank the policies of finished and running runs.",
    "policies": "List, evaluate and plot learning-rate policies.",
    "data": "Find or download, check and prepare data sets.",
    "caffe": "Install Caffe beside this system.",
    "parity": "Hold an engine to real Caffe: losses, weights, verdict.",
    "doctor": "Say what is there, what is missing and what to type.",
}


class LazyGroup(click.Group):
    """A group whose commands live in ``lrbench.cli.<name>`` and are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"lrbench.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lrbench")
def lrbench() -> None:
    """Benchmark learning-rate policies of neural-network training.

    \b
    lrbench run configs/quickstart.yaml -j 2    train under every policy of the spec
    lrbench report results/                     rank them
    """


def main() -> None:
    """Run the command line and exit: 0 done, 1 some runs failed, 2 usage or spec, 130 interrupted."""
    try:
        code = lrbench.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = 130
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "lrbench"
        click.echo(f"error: {' '.join(error.format_message().split())} (see {path} --help)", err=True)
        code = 2
    except LRBenchError as error:
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code if isinstance(code, int) else 0)
