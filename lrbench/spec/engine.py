"""The section ``engine`` of a spec: what trains, where, and how exactly."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from lrbench.spec.fields import Count, Settings, Text, inconsistent
from lrbench.spec.yaml_loader import shown

Precision = Literal["float32", "tf32", "bf16"]


def _count_or_auto(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One rule for both forms, as a message about either alone would hide the other."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError("count_or_auto", "a whole number of at least 1, or auto") from None


class EngineSettings(Settings):
    """Engine, device and numerical precision.

    Attributes:
        name: caffe, torch, or the name of another package's engine.
        driver: Caffe only: ``stepping`` sets the learning rate at each iteration; ``native`` runs ``caffe train`` with
            Caffe's own policy.
        device: device to train on.
        device_ids: GPUs to use.
        lanes: PyTorch only: runs that share a process and its device; ``auto`` measures which number is best.
        precision: PyTorch only: precision of matrix products; another than the default changes a run's results and its
            id.
        deterministic: PyTorch only: false allows faster kernels that may give different bits each time; this changes a
            run's results and its id.
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
        """Numerical settings that differ from their defaults."""
        given = {"precision": self.precision, "deterministic": self.deterministic}
        return {name: value for name, value in given.items() if value != type(self).model_fields[name].default}

    @model_validator(mode="after")
    def _numerics_fit(self) -> EngineSettings:
        if self.name == "caffe" and self.numerics:
            name, value = next(iter(self.numerics.items()))
            raise inconsistent(
                (name,), f"is {shown(value)}, which Caffe does not support", "remove it, or set engine.name to torch"
            )
        if self.precision == "tf32" and self.device == "cpu":
            raise inconsistent(
                ("precision",),
                "is 'tf32', which requires a GPU",
                "set engine.device to gpu, or engine.precision to bf16",
            )
        return self
