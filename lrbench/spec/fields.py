"""What the sections of a spec are made of: kinds of values, and what is said of values that do not go together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from lrbench.limits import MOST_ITERATIONS
from lrbench.spec.plain_yaml import Key, shown

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 2)]
Iterations = Annotated[int, Field(ge=1, le=MOST_ITERATIONS)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]


def misfit(key: Key, problem: str, remedy: str) -> PydanticCustomError:
    """An error of a value that is possible by itself and does not go with others.

    Args:
        key: its path within the model that checks it.
        problem: what a message says behind the key's name.
    """
    return PydanticCustomError("misfit", "{problem}; {remedy}", {"key": key, "problem": problem, "remedy": remedy})


def refuse_doubled(values: Sequence[Hashable], key: Key) -> None:
    """Raise the misfit of the first value that the list at ``key`` has twice."""
    first = first_doubled(values)
    if first is not None:
        raise misfit((*key, first), f"is {shown(values[first])}, which the list has already", "keep one")


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
