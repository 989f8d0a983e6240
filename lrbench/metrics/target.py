"""The accuracy to reach, as a user gives it, and the evaluations that can reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from lrbench.errors import UsageError

Row = TypeVar("Row", bound=Mapping[str, Any])


def of_trained_net(evaluations: Sequence[Row]) -> list[Row]:
    """The evaluations that a policy is judged by: all but one at iteration 0.

    A test pass at iteration 0 is of the initial weights. It says nothing of the policy, so it is no result to rank by,
    and no target is reached there.
    """
    return [row for row in evaluations if row["iteration"] > 0]


def check_target(target: float | None, called: str) -> None:
    """Refuse what is no accuracy.

    Args:
        called: what the user calls it, such as ``--target``.

    Raises:
        UsageError: it is not above 0 and at most 1.
    """
    if target is not None and not 0 < target <= 1:
        raise UsageError(
            f"{called} is {target:g}, but an accuracy is above 0 and at most 1",
            remedy="give a fraction, such as 0.98 for 98 %",
        )
