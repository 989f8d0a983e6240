"""Policies for a user's own training: snippets that depend on the target framework alone, solver fields, rates.

Each target is a function of a policy and the run's iterations (None: not known) that returns the text to be written.
"""

from __future__ import annotations

from collections.abc import Callable

from lrbench.exporting.caffe import caffe_notes, caffe_text
from lrbench.exporting.snippets import keras_text, optax_text, plateau_text, torch_text
from lrbench.exporting.whole_run import check, check_float32, csv_text
from lrbench.policies import Policy

TARGETS: dict[str, Callable[[Policy, int | None], str]] = {
    "torch": torch_text,
    "keras": keras_text,
    "optax": optax_text,
    "caffe": caffe_text,
    "csv": csv_text,
}
"""The functions that write a policy for each target."""


def export_policy(policy: Policy, target: str, iterations: int | None = None) -> str:
    """The text that gives a user's own training this policy's rates.

    Args:
        policy: the policy; of the closed-loop ones PLATEAU alone, and to PyTorch and Keras.
        target: a name of ``TARGETS``.
        iterations: the run's iterations; needed where the policy leaves an ``l`` to them, and for csv.

    Raises:
        PolicyError: the policy is impossible in a run of that length, needs the iterations and they are not given,
            cannot be said in the target, or has numbers that overflow in float32 (csv takes all).
    """
    check(policy, iterations)
    if target != "csv":
        check_float32(policy, iterations)
    if policy.closed_loop:
        return plateau_text(policy, target)
    return TARGETS[target](policy, iterations)


def export_notes(policy: Policy, target: str, iterations: int | None = None) -> tuple[str, ...]:
    """Notes for the user on the text that ``export_policy`` returns for the same arguments.

    Raises:
        PolicyError: as ``export_policy``.
    """
    return caffe_notes(policy, iterations) if target == "caffe" else ()


__all__ = ["TARGETS", "export_notes", "export_policy"]
