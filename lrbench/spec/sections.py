"""Types of settings, and the sections engine, range and composition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lrbench.limits import MOST_ITERATIONS
from lrbench.spec.settings import Settings, inconsistent, refuse_doubled
from lrbench.spec.yaml_loader import shown

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 2)]
Iterations = Annotated[int, Field(ge=1, le=MOST_ITERATIONS)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]
Precision = Literal["float32", "tf32", "bf16"]
Order = Literal["by seed", "as stored"]
ENGINES_OF_NETS = ("caffe", "torch")
"""LRBench's own engines that train nets."""
MOST_SEEDS = 100_000
FIRST_SEARCH_SEED = 1000
FEWEST_SWEPT = 20
MOST_STAGES = 100


def _written_out(first: int) -> Callable[[Any], Any]:
    """Return the validator that turns a count of seeds into the list from ``first`` on."""

    def listed(value: Any) -> Any:
        if isinstance(value, list):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SEEDS:
            return list(range(first, first + value))
        raise PydanticCustomError("count_or_list", "a list, or a count from 1 to {most}", {"most": f"{MOST_SEEDS:,}"})

    return listed


_SEED_LIST = WithJsonSchema(
    {
        "anyOf": [
            {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, "minItems": 1},
            {"type": "integer", "minimum": 1, "maximum": MOST_SEEDS},
        ]
    }
)
Seeds = Annotated[list[Seed], Field(min_length=1), BeforeValidator(_written_out(0)), _SEED_LIST]
"""A list of seeds, or their count: 3 stands for 0, 1, 2."""
SearchSeeds = Annotated[list[Seed], Field(min_length=1), BeforeValidator(_written_out(FIRST_SEARCH_SEED)), _SEED_LIST]
"""A list of seeds of nets trained while policies are chosen, or their count: 2 stands for 1000, 1001."""


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


class RangeSettings(Settings):
    """Bounds, lengths and seeds with which ``range`` finds a useful range of learning rates.

    Attributes:
        low: lowest rate to try, before a solver's ``lr_scale``; None: by the solver's type.
        high: highest rate to try; None: by the solver's type.
        iterations: length of the sweep; None: a tenth of the run, at least 100 and at most 2000, if the run has as
            many.
        lengths: iterations after which the runs at a fixed rate are compared, multiples of the first; None: 1/20, 1/10
            and 1/5 of the run, at least 25, 50 and 100 if the run has as many.
        rates: number of fixed rates to begin with; more are added near the ends of the range.
        seeds: seeds of the nets trained in the test, a list or a count (2 for 1000, 1001); the spec's ``seeds`` are
            kept for the confirmation.
    """

    low: Positive | None = Field(default=None, examples=["1e-5"])
    high: Positive | None = Field(default=None, examples=["10"])
    iterations: Annotated[int, Field(ge=FEWEST_SWEPT)] | None = Field(default=None, examples=["1000"])
    lengths: Annotated[list[Iterations], Field(min_length=1, max_length=10)] | None = Field(
        default=None, examples=["[500, 1000, 2000]"]
    )
    rates: Annotated[int, Field(ge=3, le=100)] = Field(default=6, examples=["6"])
    seeds: SearchSeeds = Field(default=[1000, 1001, 1002], examples=["[0, 1, 2]"])

    @model_validator(mode="after")
    def _parts_fit(self) -> RangeSettings:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise inconsistent(
                ("high",),
                f"is {self.high:g}, not above the {self.low:g} of range.low",
                "increase it, or decrease range.low",
            )
        refuse_doubled(self.seeds, ("seeds",))
        for index, length in enumerate(self.lengths or ()):
            first, before = self.lengths[0], self.lengths[index - 1]  # type: ignore[index]
            if index and (length <= before or length % first):
                raise inconsistent(
                    ("lengths", index),
                    f"is {length}, which is not an increasing multiple of the first, {first}",
                    f"for example [{first}, {2 * first}, {4 * first}]",
                )
        return self

    def refuse_longer_than(self, iterations: int) -> None:
        """Raise an error for a part that is longer than a run of so many iterations."""
        longest = max(self.lengths or [0])
        for key, asked in (("iterations", self.iterations or 0), ("lengths", longest)):
            if asked > iterations:
                raise inconsistent(
                    ("range", key),
                    f"is {asked}, more than the {iterations} iterations of a run",
                    "shorten it, or raise workload.iterations",
                )


class CompositionSettings(Settings):
    """Stages of ``compose``, what is tried in each, and where a stage ends.

    Attributes:
        stages: number of stages; with ``ends: plateau`` the largest number.
        boundaries: iterations at which all stages but the last end; None: after equal parts of the run.
        ends: ``fixed``: there; ``plateau``: once the best run's monitored value has not improved by ``threshold`` in
            ``patience`` evaluations in a row of the stage.
        stretch: iterations that every candidate of a stage trains before only the best continue; None: up to the
            stage's end, with ``ends: plateau`` half of an equal part of the run.
        candidates: number of continuations tried in each stage.
        beam: number of candidates that continue into the next stage.
        explore: share of a stage's candidates that are drawn afresh, of LR functions other than the best one's; the
            others continue as they are, or have base rates and shapes near those that did well.
        monitor: with ``ends: plateau``, the monitored value: a metric of evaluations, the training loss among them;
            None: the metric of the objective.
        threshold: with ``ends: plateau``, the least improvement that counts.
        patience: with ``ends: plateau``, the number of evaluations without improvement after which a stage ends.
    """

    stages: Annotated[int, Field(ge=1, le=MOST_STAGES)] = Field(default=3, examples=["3"])
    boundaries: Annotated[list[Iterations], Field(min_length=1, max_length=MOST_STAGES)] | None = Field(
        default=None, examples=["[1000, 5000]"]
    )
    ends: Literal["fixed", "plateau"] = "fixed"
    stretch: Iterations | None = Field(default=None, examples=["500"])
    candidates: Annotated[int, Field(ge=2, le=1000)] = Field(default=8, examples=["8"])
    beam: Annotated[int, Field(ge=1, le=100)] = Field(default=1, examples=["1"])
    explore: Annotated[float, Field(ge=0, le=1)] = Field(default=0.25, examples=["0.25"])
    monitor: Word | None = Field(default=None, examples=["test_loss"])
    threshold: NonNegative = Field(default=0.001, examples=["0.001"])
    patience: Count = Field(default=3, examples=["3"])

    @model_validator(mode="after")
    def _parts_fit(self) -> CompositionSettings:
        if self.boundaries is not None:
            self._boundaries_fit(self.boundaries)
        if self.beam >= self.candidates:
            raise inconsistent(
                ("beam",),
                f"is {self.beam}, but a stage has {self.candidates} candidates",
                "decrease beam, or increase candidates",
            )
        return self

    def _boundaries_fit(self, boundaries: list[int]) -> None:
        if self.ends == "plateau":
            raise inconsistent(("boundaries",), "sets where stages end, but ends is plateau", "remove one of them")
        if "stages" in self.model_fields_set and self.stages != len(boundaries) + 1:
            raise inconsistent(
                ("boundaries",), f"makes {len(boundaries) + 1} stages, but stages is {self.stages}", "remove stages"
            )
        for index, (before, end) in enumerate(pairwise(boundaries), start=1):
            if end <= before:
                raise inconsistent(
                    ("boundaries", index),
                    f"is {end}, not above the {before} before it",
                    "list them in increasing order",
                )
