"""Settings of snapshots: when the state of a run is saved, and how many saved states are kept."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from lrbench.spec.sections import Count
from lrbench.spec.settings import Settings, inconsistent, refuse_doubled

_TIME = re.compile(r"(\d+(?:\.\d+)?) (second|minute|hour)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}


def _explained(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One rule for all forms, as a message about one of them would hide the others."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError(
            "snapshots_every", "evaluation, a number of iterations, a list of iterations, or a time such as 10 minutes"
        ) from None


def _count_or_all(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError("count_or_all", "a whole number of at least 1, or all") from None


Time = Annotated[str, Field(pattern=f"^{_TIME.pattern}$")]
Every = Literal["evaluation"] | Count | Annotated[list[Count], Field(min_length=1)] | Time


class SnapshotSettings(Settings):
    """Snapshots of a run's state, from which an interrupted run resumes; no part of a run's identity.

    A snapshot is made after an evaluation. Where a run ends or is paused there is always one.

    Attributes:
        every: ``evaluation``; a number of iterations; a list of iterations; or a time, such as ``10 minutes``, after
            which the next evaluation has a snapshot.
        keep: number of snapshots to keep, the newest ones; ``all`` keeps every one.
    """

    every: Annotated[Every, WrapValidator(_explained)] = Field(default="evaluation", examples=["10 minutes"])
    keep: Annotated[Count | Literal["all"], WrapValidator(_count_or_all)] = Field(default=2, examples=["all"])

    def is_due(self, iteration: int, seconds: float) -> bool:
        """Whether the evaluation at an iteration has a snapshot, ``seconds`` after the one before."""
        if isinstance(self.every, list):
            return iteration in self.every
        if isinstance(self.every, int):
            return iteration % self.every == 0
        time = _TIME.fullmatch(self.every)
        return time is None or seconds >= float(time[1]) * _SECONDS[time[2]]

    def check_fits(self, interval: int, iterations: int) -> None:
        """Raise an error for iterations without an evaluation, of a run with an evaluation each ``interval``."""
        at = self.every if isinstance(self.every, list) else [self.every] if isinstance(self.every, int) else []
        refuse_doubled(at, ("snapshots", "every"))
        for iteration in at:
            if iteration > iterations:
                raise inconsistent(
                    ("snapshots", "every"), f"is {iteration}, more than the {iterations} iterations", "lower it"
                )
            if iteration % interval and iteration != iterations:
                raise inconsistent(
                    ("snapshots", "every"),
                    f"is {iteration}, but snapshots are made at evaluations, every {interval} iterations",
                    f"choose a multiple of {interval}",
                )
