"""What the environment says about engines on this machine, for the commands."""

from lrbench.library.surroundings import site

__all__ = ["site"]
