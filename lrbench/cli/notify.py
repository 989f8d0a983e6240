"""``--notify``: a command of the user's that is executed when a command that trains ends."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from lrbench.cli.output import tell
from lrbench.errors import LRBenchError

SECONDS = 60.0
"""Time limit of the command."""
_ENDS = {0: "done", 1: "a run failed", 130: "interrupted"}


def notify_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--notify`` to a command that returns an exit code or raises LRBenchError.

    The command has one line on standard input, and it and the exit code as LRBENCH_MESSAGE and LRBENCH_EXIT_CODE. How
    it ends changes nothing.
    """

    @click.option(
        "--notify",
        metavar="COMMAND",
        callback=_words,
        help="Command to execute when this one ends, with a line on standard input that says how, such as "
        "'mail -s lrbench me@example.org'.",
    )
    @functools.wraps(command)
    def called(notify: tuple[str, ...], **others: Any) -> Any:
        if not notify:
            return command(**others)
        began, code, end = time.monotonic(), 1, "an error in LRBench"
        try:
            returned = command(**others)
            code = returned or 0
            end = _ENDS.get(code, f"exit code {code}")
        except LRBenchError as error:
            code, end = error.exit_code, str(error)
            raise
        except (KeyboardInterrupt, click.Abort):
            code, end = 130, _ENDS[130]
            raise
        finally:
            _notify(notify, _message(others, end, time.monotonic() - began), code)
        return returned

    return called


def _message(options: dict[str, Any], end: str, seconds: float) -> str:
    """One line, such as ``lrbench tune spec.yaml: done after 3 h 05 min``."""
    from lrbench.report.active_runs import duration

    spec = options.get("spec") or getattr(options.get("options"), "spec", None)
    name = click.get_current_context().info_name
    return f"lrbench {name}{'' if spec is None else f' {spec}'}: {end} after {duration(seconds)}"


def _words(context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return the words of the command; no shell reads it."""
    try:
        words = tuple(shlex.split(text or ""))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if words and not context.resilient_parsing and shutil.which(words[0]) is None:
        raise click.BadParameter(f"there is no program {words[0]!r}")
    return words


def _notify(command: Sequence[str], message: str, code: int) -> None:
    told = {"LRBENCH_MESSAGE": message, "LRBENCH_EXIT_CODE": str(code)}
    try:
        ended = subprocess.run(
            command,
            input=f"{message}\n".encode(),
            stdout=2,
            timeout=SECONDS,
            env={**os.environ, **told},
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        tell(f"--notify: the command took longer than {SECONDS:g} s and was ended")
    except OSError as error:
        tell(f"--notify: the command cannot be executed: {error.strerror or error}")
    else:
        if ended:
            tell(f"--notify: the command ended with exit code {ended}")
