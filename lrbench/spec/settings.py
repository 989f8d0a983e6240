"""The base of every part of a spec, and the errors of values that do not go together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from pydantic import (
    BaseModel,
    ConfigDict,
)
from pydantic_core import PydanticCustomError

from lrbench.spec.yaml_loader import Key, shown


def inconsistent(key: Key, problem: str, remedy: str) -> PydanticCustomError:
    """Build the error for a value that is valid by itself but conflicts with others.

    Args:
        key: its path within the model that checks it.
        problem: the predicate of the message, whose subject is the key.
    """
    return PydanticCustomError(
        "inconsistent", "{problem}; {remedy}", {"key": key, "problem": problem, "remedy": remedy}
    )


def refuse_doubled(values: Sequence[Hashable], key: Key) -> None:
    """Raise an error for the first value that the list at ``key`` has twice."""
    first = first_doubled(values)
    if first is not None:
        raise inconsistent((*key, first), f"is {shown(values[first])}, which is already in the list", "remove one")


def first_doubled(values: Sequence[Hashable]) -> int | None:
    """The index of the first value that equals one before it."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            return index
        seen.add(value)
    return None


class Settings(BaseModel):
    """Strict: no unknown keys, no silent conversion, no change after it was read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
