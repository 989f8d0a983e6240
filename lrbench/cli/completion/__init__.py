"""Completion of command lines in bash, zsh and fish: ``lrbench completion``, the scripts, and what is offered."""

from lrbench.cli.completion.shells import completion as completion
