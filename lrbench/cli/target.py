"""The accuracy to reach, as it is typed."""

from __future__ import annotations


def check_target(target: float | None) -> None:
    """Refuse what is no accuracy.

    Raises:
        UsageError: it is not above 0 and at most 1.
    """
    from lrbench.errors import UsageError

    if target is not None and not 0 < target <= 1:
        raise UsageError(f"--target is {target:g}, but an accuracy is above 0 and at most 1",
                         remedy="give a fraction, such as 0.98 for 98 %")
