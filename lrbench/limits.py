"""Limits that specs and policies share, in a module that loads nothing."""

from __future__ import annotations

MOST_ITERATIONS = 100_000_000
"""Iterations of a run at most: the rates of all of them are checked before it starts, which takes seconds a policy."""
DEFAULT_TRIALS = 50
"""Policies of a search without a budget."""
