"""The section ``composition`` of a spec: how ``compose`` builds a policy out of several, stage by stage."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lrbench.spec.fields import Count, Iterations, NonNegative, Settings, misfit

MOST_STAGES = 100


class CompositionSettings(Settings):
    """How many stages, what is tried in each, and where a stage ends.

    Attributes:
        stages: how many; with ``ends: plateau`` the most there may be.
        boundaries: the iterations at which all stages but the last end; None: after equal parts of the run.
        ends: ``fixed``: there; ``plateau``: where the best run's monitored value has not got better by ``threshold``
            in ``patience`` evaluations in a row, from the stage's start on.
        stretch: iterations that every candidate of a stage trains before the best of them goes on alone; None: up to
            the stage's end, with ``ends: plateau`` half of an equal part of the run.
        candidates: continuations tried in each stage.
        beam: how many of them go on, to be continued in the next stage.
        explore: share of a stage's candidates that are drawn afresh, of LR functions other than the best one's; the
            others go on as they are, or have base rates and shapes near those that did well.
        monitor: with ``ends: plateau``, the value that is watched.
        threshold: with ``ends: plateau``, by how much it has to get better.
        patience: with ``ends: plateau``, after how many evaluations without that a stage ends.
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
    monitor: Literal["accuracy", "test_loss", "train_loss"] = "accuracy"
    threshold: NonNegative = Field(default=0.001, examples=["0.001"])
    patience: Count = Field(default=3, examples=["3"])

    @model_validator(mode="after")
    def _parts_fit(self) -> CompositionSettings:
        if self.boundaries is not None:
            self._boundaries_fit(self.boundaries)
        if self.beam >= self.candidates:
            raise misfit(
                ("beam",),
                f"is {self.beam}, but a stage has {self.candidates} candidates",
                "let fewer go on, or try more",
            )
        return self

    def _boundaries_fit(self, boundaries: list[int]) -> None:
        if self.ends == "plateau":
            raise misfit(("boundaries",), "says where stages end, but ends is plateau", "leave one of them out")
        if "stages" in self.model_fields_set and self.stages != len(boundaries) + 1:
            raise misfit(
                ("boundaries",), f"makes {len(boundaries) + 1} stages, but stages is {self.stages}", "leave stages out"
            )
        for index, (before, end) in enumerate(pairwise(boundaries), start=1):
            if end <= before:
                raise misfit(
                    ("boundaries", index),
                    f"is {end}, not above the {before} before it",
                    "write them as they come in the run",
                )
