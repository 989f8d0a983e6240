"""The section ``composition`` of a spec: how ``compose`` builds a policy out of several, stage by stage."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lrbench.spec.fields import Count, Iterations, NonNegative, Settings, inconsistent

MOST_STAGES = 100


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
        monitor: with ``ends: plateau``, the monitored value.
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
    monitor: Literal["accuracy", "test_loss", "train_loss"] = "accuracy"
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
