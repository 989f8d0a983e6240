"""``lrbench completion``: Print the completion script for your shell."""

from lrbench.cli.completion.shells import completion as completion
