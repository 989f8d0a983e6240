"""What a spec may hold: the keys, their types, defaults and rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
# Which of the parameters that not all solvers share each type reads; Caffe aborts on momentum with AdaGrad and RMSProp.
SOLVER_PARAMETERS = {
    "SGD": {"momentum"},
    "Nesterov": {"momentum"},
    "AdaGrad": {"delta"},
    "RMSProp": {"delta", "rms_decay"},
    "AdaDelta": {"momentum", "delta"},
    "Adam": {"momentum", "momentum2", "delta"},
}
PARTICULAR = sorted(set().union(*SOLVER_PARAMETERS.values()))

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 2)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]


class Settings(BaseModel):
    """Strict: no unknown keys, no silent conversion, no change after it was read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataFolders(Settings):
    """A data set of the user's own: LMDB folders, and a mean file if the net wants one."""

    train: str
    test: str
    mean: str | None = None


class WorkloadSettings(Settings):
    """What is trained, on what, for how long."""

    net: str
    dataset: str | DataFolders
    batch_size: Count
    test_batch_size: Count | None = None
    iterations: Count
    test_interval: Count
    display_interval: Count = 100

    @model_validator(mode="after")
    def _intervals_fit(self) -> WorkloadSettings:
        if self.test_interval > self.iterations:
            raise ValueError(f"test_interval is {self.test_interval}, more than the {self.iterations} iterations")
        return self


class SolverSettings(Settings):
    """One solver, with Caffe's parameters and Caffe's defaults.

    ``lr_scale`` multiplies the rates of every policy under this solver, so that one list of policies can serve
    solvers whose useful rates differ.
    """

    type: Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"] = "SGD"
    momentum: Fraction = 0.0
    momentum2: Fraction = 0.999
    delta: Positive = 1e-8
    rms_decay: Fraction = 0.99
    weight_decay: NonNegative = 0.0
    regularization_type: Literal["L1", "L2"] = "L2"
    clip_gradients: Positive | None = None
    iter_size: Count = 1
    lr_scale: Positive = 1.0

    @model_validator(mode="after")
    def _parameters_fit(self) -> SolverSettings:
        for name in PARTICULAR:
            if name in self.model_fields_set and name not in SOLVER_PARAMETERS[self.type]:
                raise ValueError(f"{self.type} takes no {name}; give a list of mappings, one a solver")
        return self

    def resolved(self) -> dict[str, Any]:
        """The parameters that this type reads, with their values."""
        unread = set(PARTICULAR) - SOLVER_PARAMETERS[self.type]
        return {name: value for name, value in self.model_dump().items() if name not in unread and value is not None}


class EngineSettings(Settings):
    """What trains, and where."""

    name: str = "caffe"
    driver: Literal["stepping", "native"] = "stepping"
    device: Literal["cpu", "gpu"] = "cpu"
    device_ids: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]


class StoppingSettings(Settings):
    """When a run ends before its iterations are done; nothing here means never."""

    at_target: bool = False
    patience: Count | None = None
    max_train_seconds: Positive | None = None


class RobustnessSettings(Settings):
    """The factors with which each policy is also run."""

    scales: Annotated[list[Positive], Field(min_length=1)]


class ExperimentSettings(Settings):
    """A whole spec, lists of solvers written out and policies not yet read."""

    name: Word
    workload: WorkloadSettings
    solver: Annotated[list[SolverSettings], Field(min_length=1)]
    engine: EngineSettings = EngineSettings()
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Field(min_length=1)] = [0]
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    policies: Annotated[list[str | dict[str, Any]], Field(min_length=1)]
    stopping: StoppingSettings = StoppingSettings()
    robustness: RobustnessSettings | None = None

    @model_validator(mode="after")
    def _target_where_needed(self) -> ExperimentSettings:
        if self.stopping.at_target and self.target_accuracy is None:
            raise ValueError("stopping.at_target needs target_accuracy")
        scales = self.robustness.scales if self.robustness else []
        for what, values in (("seeds", self.seeds), ("robustness.scales", scales)):
            if len(set(values)) != len(values):
                raise ValueError(f"{what} has a value twice: {values}")
        return self
