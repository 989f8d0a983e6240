"""The section ``search`` of a spec: how policies are searched for, and by what they are judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lrbench.spec.engine import EngineSettings
from lrbench.spec.fields import Count, Positive, Seed, Settings, Text, misfit

CAFFE_DEFAULT = "INV(k0=0.01, gamma=0.0001, p=0.75)"


class SearchSettings(Settings):
    """How ``tune`` searches, and what it and the other choosing commands judge policies on.

    Attributes:
        validation: training images held out to choose on; 0 chooses on the test set, as the papers did, and is marked;
            None: as many as there are test images, at most a sixth of the training images.
        rates: least and largest base rate; None: a range test finds them.
        functions: LR functions to search, each with its own shape parameters; None: the thirteen of the papers.
        space: instead, policies whose parameters are values, lists of values, or ranges ``{low, high, log}``.
        trials: policies to try, pruned ones counted; None: 50, or as many as the ``iterations`` allow.
        iterations: training iterations to spend on the search altogether; None: what the trials take.
        sampler: how the values of the next policy are drawn.
        points: values of each range that the sampler ``grid`` tries.
        pruner: what gives up early on policies that are worse than the rest.
        objective: the best accuracy, the iterations to ``target_accuracy``, or both (a Pareto front).
        allocation: ``adaptive`` tries promising LR functions more often, ``equal`` gives each the same share.
        sampler_seed: of the search's own random numbers.
        search_seed: of the nets trained in the search; the spec's ``seeds`` are kept for confirming.
        finalists: how many of the best policies are trained with further seeds before one is chosen.
        final_seeds: how many further seeds; 0: choose by the search alone.
        engine: what the search trains with, such as a faster one than that of the final runs; None: the spec's.
        confirm: how many of the best policies are confirmed over the spec's seeds, by the test set.
        baselines: policies confirmed beside them.
    """

    validation: Annotated[int, Field(ge=0)] | None = Field(default=None, examples=["5000"])
    rates: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = Field(
        default=None, examples=["[0.001, 0.1]"]
    )
    functions: Annotated[list[Text], Field(min_length=1)] | None = Field(default=None, examples=["[FIX, SINEXP]"])
    space: Annotated[list[Any], Field(min_length=1)] | None = Field(
        default=None, examples=["[{function: FIX, k0: {low: 0.001, high: 0.1, log: true}}]"]
    )
    trials: Count | None = Field(default=None, examples=["50"])
    iterations: Count | None = Field(default=None, examples=["200000"])
    sampler: Literal["tpe", "random", "quasi-random", "grid"] = "tpe"
    points: Annotated[int, Field(ge=1, le=1000)] = Field(default=4, examples=["4"])
    pruner: Literal["median", "hyperband", "none"] = "median"
    objective: Literal["accuracy", "iterations", "both"] = "accuracy"
    allocation: Literal["adaptive", "equal"] = "adaptive"
    sampler_seed: Seed = 0
    search_seed: Seed = 1000
    finalists: Annotated[int, Field(ge=1, le=1000)] = Field(default=3, examples=["3"])
    final_seeds: Annotated[int, Field(ge=0, le=100)] = Field(default=2, examples=["2"])
    engine: EngineSettings | None = None
    confirm: Annotated[int, Field(ge=0, le=1000)] = Field(default=1, examples=["1"])
    baselines: list[Text] = Field(default=[CAFFE_DEFAULT], examples=[f"['{CAFFE_DEFAULT}']"])

    @model_validator(mode="after")
    def _parts_fit(self) -> SearchSettings:
        if self.rates is not None and self.rates[0] >= self.rates[1]:
            raise misfit(
                ("rates",),
                f"goes from {self.rates[0]:g} to {self.rates[1]:g}",
                "write the least rate first, as in [0.001, 0.1]",
            )
        if self.space is not None and (self.functions is not None or self.rates is not None):
            raise misfit(
                ("space",), "says all that functions and rates would say", "leave space out, or functions and rates"
            )
        return self
