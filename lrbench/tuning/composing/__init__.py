"""Composition of a policy of several, each chosen stage by stage among continuations of the best run so far."""

from lrbench.tuning.composing.building import compose, compose_and_confirm
from lrbench.tuning.composing.selection import ComposeResult

__all__ = ["ComposeResult", "compose", "compose_and_confirm"]
