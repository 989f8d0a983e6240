"""Trials of a study: what a search records with each, and what follows from that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

ASKED, OUTCOME, SAMPLER = "asked", "outcome", "sampler"
"""User attributes of a trial: its policy and run, how the run ended, and the settings of its sampler."""


def proposal_of(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return ``function``, ``policy`` and ``run`` of a trial; empty before it has a policy."""
    found: dict[str, Any] = trial.user_attrs.get(ASKED, {})
    return found


def samplers_of(trials: Sequence[optuna.trial.FrozenTrial]) -> list[dict[str, Any] | None]:
    """Return the distinct settings of the trials' samplers; None for trials of versions that recorded none."""
    found: list[dict[str, Any] | None] = []
    for trial in filter(proposal_of, trials):
        settings = trial.user_attrs.get(SAMPLER)
        if settings not in found:
            found.append(settings)
    return found


def iterations_of(trial: optuna.trial.FrozenTrial) -> int:
    """Return the iterations that a trial has trained, by the study; 0 before its run ended."""
    return int(trial.user_attrs.get(OUTCOME, {}).get("iterations", 0))


def runs_of(trials: Sequence[optuna.trial.FrozenTrial]) -> list[optuna.trial.FrozenTrial]:
    """Return the trial that took each run furthest, the later one where two did; in the order of the runs' first."""
    furthest: dict[str, optuna.trial.FrozenTrial] = {}
    for trial in filter(proposal_of, trials):
        before = furthest.get(proposal_of(trial)["run"])
        if before is None or iterations_of(trial) >= iterations_of(before):
            furthest[proposal_of(trial)["run"]] = trial
    return list(furthest.values())


def cost(trials: Sequence[optuna.trial.FrozenTrial]) -> int:
    """Return the training iterations of all runs of a study, each run counted once."""
    return sum(map(iterations_of, runs_of(trials)))
