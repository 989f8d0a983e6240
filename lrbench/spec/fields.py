"""Types of values in the sections of a spec, and the errors for values that conflict."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from lrbench.limits import MOST_ITERATIONS
from lrbench.spec.yaml_loader import Key, shown

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 2)]
Iterations = Annotated[int, Field(ge=1, le=MOST_ITERATIONS)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]


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
