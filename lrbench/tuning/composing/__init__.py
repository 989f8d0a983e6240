"""Composing: a policy made of several, each chosen among continuations of the best run so far, stage by stage."""

from lrbench.tuning.composing.building import compose, compose_and_confirm
from lrbench.tuning.composing.selection import ComposeResult

__all__ = ["ComposeResult", "compose", "compose_and_confirm"]
