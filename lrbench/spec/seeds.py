"""Seeds that are added until the policies are told apart: ``seeds: {until: 0.3 points, at_most: 20}``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from lrbench.metrics.metric import Unit
from lrbench.spec.sections import Positive, Seeds
from lrbench.spec.settings import Settings, inconsistent
from lrbench.statistics.sequential import FIRST_LOOK, planned_looks

_POINTS = r"^(\d+(\.\d*)?|\.\d+) points?$"


def _number_or_points(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One rule for both forms, as a message about either alone would hide the other."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError("difference", "a positive number, or one of points") from None


class AddedSeeds(Settings):
    """Seeds 0, 1, 2 and on, added to policies until each difference is significant or known well enough.

    Attributes:
        until: half width of the 95 % interval of a difference at which it is known well enough: ``0.3 points`` of a
            fraction such as the accuracy, a number in the unit of any other metric.
        at_most: largest number of seeds of a policy.
    """

    until: Annotated[Positive | Annotated[str, Field(pattern=_POINTS)], WrapValidator(_number_or_points)] = Field(
        examples=["0.3 points"]
    )
    at_most: Annotated[int, Field(ge=FIRST_LOOK, le=1000)] = Field(examples=["20"])

    @property
    def half_width(self) -> float:
        """``until`` in the unit of the metric, of which a point is a hundredth."""
        return float(self.until.split()[0]) / 100 if isinstance(self.until, str) else self.until

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which the results are looked at."""
        return planned_looks(self.at_most)

    def stored(self) -> dict[str, Any]:
        """Half width and looks, for run.json: reports correct their tests for the number of looks."""
        return {"until": self.half_width, "looks": list(self.looks)}

    def check_unit(self, unit: Unit, metric: str) -> None:
        """Raise an error unless ``until`` has the unit of the metric that policies are ranked by."""
        key, points = ("seeds", "until"), isinstance(self.until, str)
        if points and unit != "fraction":
            raise inconsistent(key, f"is {self.until!r}, but {metric} is not a fraction", "leave points out")
        if not points and unit == "fraction":
            raise inconsistent(
                key, f"is {self.until:g}, but {metric} is compared in points, hundredths", "write, such as, 0.3 points"
            )
        if not self.half_width > 0:
            raise inconsistent(key, "is 0 points", "write, such as, 0.3 points")


SeedsSetting = Annotated[
    Annotated[Seeds, Tag("list")] | Annotated[AddedSeeds, Tag("until")],
    Discriminator(lambda value: "until" if isinstance(value, dict | AddedSeeds) else "list"),
]
