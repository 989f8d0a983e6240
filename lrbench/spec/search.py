"""The section ``search`` of a spec: how policies are searched for, and by what they are judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lrbench.spec.engine import EngineSettings
from lrbench.spec.fields import Count, Positive, Seed, Settings, Text, inconsistent

CAFFE_DEFAULT = "INV(k0=0.01, gamma=0.0001, p=0.75)"


class SearchSettings(Settings):
    """How ``tune`` searches, and by what it and the other tuning commands judge policies.

    Attributes:
        validation: training images held out to judge policies on; 0 judges them on the test set, as the papers did, and
            is marked; None: as many as there are test images, at most a sixth of the training images.
        rates: lowest and highest base rate; None: a range test finds them.
        functions: LR functions to search, each with its own shape parameters; None: the thirteen of the papers.
        space: in place of ``functions`` and ``rates``: policies whose parameters are values, lists of values, or ranges
            ``{low, high, log}``.
        trials: number of policies to try, pruned ones included; None: 50, or as many as the ``iterations`` allow.
        iterations: budget of training iterations for the whole search; None: what the trials take.
        sampler: how the parameters of the next policy are drawn.
        points: number of values of each range that the sampler ``grid`` tries.
        pruner: what stops policies early that are worse than the rest.
        objective: best accuracy, iterations to ``target_accuracy``, or both (a Pareto front).
        allocation: ``adaptive`` tries promising LR functions more often, ``equal`` gives each the same share.
        sampler_seed: seed of the sampler.
        search_seed: seed of the nets trained in the search; the spec's ``seeds`` are kept for the confirmation.
        finalists: number of the best policies that are trained with further seeds before one is selected.
        final_seeds: number of further seeds; 0 selects by the search alone.
        engine: engine of the search, such as a faster one than that of the final runs; None: the spec's.
        confirm: number of the best policies that are confirmed with the spec's seeds on the test set.
        baselines: policies that are confirmed next to them.
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
            raise inconsistent(
                ("rates",),
                f"is [{self.rates[0]:g}, {self.rates[1]:g}]",
                "list the lowest rate first, as in [0.001, 0.1]",
            )
        if self.space is not None and (self.functions is not None or self.rates is not None):
            raise inconsistent(
                ("space",), "excludes functions and rates", "remove space, or remove functions and rates"
            )
        return self
