"""The accuracy to reach, as it is typed."""

from __future__ import annotations


def check_target(target: float | None) -> None:
    """Refuse what is no accuracy.

    Raises:
        UsageError: it is not above 0 and at most 1.
    """
    from lrbench.metrics.target import check_target as check

    check(target, "--target")
