"""The accuracy to reach, as a user gives it."""

from __future__ import annotations

from lrbench.errors import UsageError


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
