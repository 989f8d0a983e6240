"""The section ``engine`` of a spec: what trains, where, and how exactly."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from lrbench.spec.fields import Count, Settings, Text, misfit
from lrbench.spec.plain_yaml import shown

Precision = Literal["float32", "tf32", "bf16"]


def _count_or_auto(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One rule for both forms, as a message about either alone would hide the other."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError("count_or_auto", "a whole number of at least 1, or auto") from None


class EngineSettings(Settings):
    """What trains, where, and how exactly.

    Attributes:
        name: caffe, torch, or the name of another package's engine.
        driver: of Caffe: ``stepping`` gives it each iteration's rate; ``native`` is ``caffe train`` with Caffe's own
            policy.
        device: where it trains.
        device_ids: the GPUs to use.
        lanes: of PyTorch: runs that share a process and its device; ``auto`` measures how many are best.
        precision: of PyTorch: what products are rounded to; other than by default it decides a run's outcome.
        deterministic: of PyTorch: false allows faster kernels that may give other bits each time; other than by default
            it decides a run's outcome.
    """

    name: Text = Field(default="caffe", examples=["caffe"])
    driver: Literal["stepping", "native"] = "stepping"
    device: Literal["cpu", "gpu"] = "cpu"
    device_ids: Annotated[list[Annotated[int, Field(ge=0, le=1023)]], Field(min_length=1)] = Field(
        default=[0], examples=["[0]"]
    )
    lanes: Annotated[Count | Literal["auto"], WrapValidator(_count_or_auto)] = Field(default=1, examples=["4"])
    precision: Precision = "float32"
    deterministic: bool = Field(default=True, examples=["false"])

    @property
    def numerics(self) -> dict[str, Any]:
        """How exactly it computes, where that is not as it is by default."""
        given = {"precision": self.precision, "deterministic": self.deterministic}
        return {name: value for name, value in given.items() if value != type(self).model_fields[name].default}

    @model_validator(mode="after")
    def _numerics_fit(self) -> EngineSettings:
        if self.name == "caffe" and self.numerics:
            name, value = next(iter(self.numerics.items()))
            raise misfit(
                (name,), f"is {shown(value)}, and Caffe leaves no choice", "leave it out, or set engine.name to torch"
            )
        if self.precision == "tf32" and self.device == "cpu":
            raise misfit(
                ("precision",),
                "is 'tf32', which only a GPU computes in",
                "set engine.device to gpu, or engine.precision to bf16",
            )
        return self
