"""``lrbench completion``."""

from __future__ import annotations

import click

from lrbench.cli.completion.shells import SHELLS, script

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
