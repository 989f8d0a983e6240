"""``lrbench completion``: the completion script for each shell, and the answers to its requests."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from lrbench.cli import COMPLETE_VARIABLE

PROGRAM = "lrbench"

_BASH = r"""
%(complete_func)s() {
    local IFS=$'\n' response completion type value

    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete "$1")

    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) compopt -o plusdirs -o filenames ;;
            file) compopt -o default -o filenames ;;
            plain)
                COMPREPLY+=("$value")
                [[ $value == *= ]] && compopt -o nospace
                ;;
        esac
    done

    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Click's completion for bash, with policies in quotes; ``--sort=METRIC``, three words to bash, is one option."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        words = os.environ["COMP_WORDS"].split("\n")
        number = int(os.environ["COMP_CWORD"])
        self._inside_quotes = words[number : number + 1] != [] and words[number][:1] in ("'", '"')
        arguments, typed = super().get_completion_args()
        return [word for word in arguments if word != "="], typed

    def format_completion(self, item: CompletionItem) -> str:
        quoted = item.type != "plain" or self._inside_quotes or item.value.endswith("=")
        return f"{item.type},{item.value if quoted else shlex.quote(item.value)}"


class Fish(FishComplete):
    """Click's completion for fish, which splits only at the first comma, since policies contain commas."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": Fish}
_INSTALLED = {
    "bash": ("~/.local/share/bash-completion/completions/lrbench", 'eval "$(lrbench completion bash)"'),
    "zsh": ("~/.zfunc/_lrbench   (a folder of $fpath, set before compinit)", 'eval "$(lrbench completion zsh)"'),
    "fish": ("~/.config/fish/completions/lrbench.fish", "lrbench completion fish | source"),
}
"""The file that the shell reads by itself, and what to type for the shell at hand."""


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print the completion script for SHELL, which completes commands, options, policies, runs and metrics.

    \b
    lrbench completion bash > ~/.local/share/bash-completion/completions/lrbench
    lrbench completion zsh > ~/.zfunc/_lrbench
    lrbench completion fish > ~/.config/fish/completions/lrbench.fish
    """
    file, now = _INSTALLED[shell]
    head = "#compdef lrbench\n" if shell == "zsh" else ""
    click.echo(f"{head}# For every new shell:  lrbench completion {shell} > {file}")
    click.echo(f"# For this shell alone: {now}")
    click.echo(script(shell).strip())


def script(shell: str) -> str:
    """Return the script with which the shell completes LRBench's command lines."""
    source: Any = ShellComplete.source  # not bash's own, which starts a bash to look at its version
    return str(source(SHELLS[shell](click.Group(PROGRAM), {}, PROGRAM, COMPLETE_VARIABLE)))


def answer(command: click.Command, instruction: str) -> int:
    """Print what completes the words in the environment, for an instruction such as ``bash_complete``; never an error.

    Returns:
        The exit code: 0, or 1 for a shell that is not known, or words that cannot be completed.
    """
    shell, _, what = instruction.partition("_")
    if shell not in SHELLS or what != "complete":
        return 1
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        try:
            found = SHELLS[shell](command, {}, PROGRAM, COMPLETE_VARIABLE).complete()
        except (Exception, SystemExit):  # noqa: BLE001 - nothing must end up in the middle of the user's line
            return 1
    click.echo(found)
    return 0
