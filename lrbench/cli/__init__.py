"""The command line: the only place that prints, exits or reads the environment."""

COMPLETE_VARIABLE = "_LRBENCH_COMPLETE"
"""The environment variable in which a shell asks for completions, such as ``bash_complete``."""
