"""The section search."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lrbench.spec.sections import FIRST_SEARCH_SEED, Count, EngineSettings, Positive, Seed, Text
from lrbench.spec.settings import Settings, inconsistent


class SearchSettings(Settings):
    """Search of ``tune``, and the evaluation of policies in it and in the other tuning commands.

    Attributes:
        validation: training images held out to judge policies on; 0 judges them on the test set, as the papers did, and
            is marked; None: as many as there are test images, at most a sixth of the training images.
        rates: lowest and highest base rate; None: a range test finds them.
        functions: LR functions to search, each with its own shape parameters, and sets of them: ``modern``, ``paper13``
            and ``all``; None: ``modern`` and the cyclic functions of ``paper13``; ``modern`` alone where the budget has
            not two policies for each.
        space: in place of ``functions`` and ``rates``: policies whose parameters are values, lists of values, or ranges
            ``{low, high, log}``.
        trials: number of policies to try, pruned ones included; None: 50, or as many as the ``iterations`` allow.
        iterations: budget of training iterations for the whole search; None: what the trials take.
        sampler: how the parameters of the next policy are drawn.
        points: number of values of each range that the sampler ``grid`` tries.
        pruner: what stops policies early that are worse than the rest; None: ``median``, but ``none`` with predictions,
            and where ``by`` is ``value`` and the final evaluation counts: a schedule that anneals late is behind until
            then.
        predictions: whether two of three policies are those whose final test loss, or error rate where the accuracy is
            the objective, is predicted to be the least, once six are trained; None: where that loss or the accuracy is
            the objective, ``by`` is ``value`` and the sampler ``tpe``.
        by: best value of the objective's metric, iterations to the target, or both (a Pareto front).
        objective: former name of ``by``, with ``accuracy`` for ``value``; None: not given.
        allocation: ``equal`` gives each LR function the same share of the policies, ``adaptive`` tries promising ones
            more often.
        sampler_seed: seed of the sampler.
        ahead: number of policies that may be proposed before the first of them has ended. With it the proposals and the
            pruning depend on the seeds alone, not on how fast runs are and on how many go on at a time; places wait
            where a run takes longer than the others. None: a policy is proposed whenever there is a place for it.
        search_seed: seed of the nets trained in the search; the spec's ``seeds`` are kept for the confirmation.
        finalists: number of the best policies that are trained with a further seed before one is selected; the better
            half of them, at least three, is trained with the next. None: one for each four policies trained to their
            end, at least 3 and at most 10.
        final_seeds: number of further seeds; 0 selects by the search alone.
        engine: engine of the search, such as a faster one than that of the final runs; None: the spec's.
        confirm: number of the best policies that are confirmed with the spec's seeds on the test set.
        baselines: policies that are confirmed next to them; None: those that a careful user would take, by the net and
            the optimizer.
    """

    validation: Annotated[int, Field(ge=0)] | None = Field(default=None, examples=["5000"])
    rates: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = Field(
        default=None, examples=["[0.001, 0.1]"]
    )
    functions: Annotated[list[Text], Field(min_length=1)] | None = Field(default=None, examples=["[modern, SINEXP]"])
    space: Annotated[list[Any], Field(min_length=1)] | None = Field(
        default=None, examples=["[{function: FIX, k0: {low: 0.001, high: 0.1, log: true}}]"]
    )
    trials: Count | None = Field(default=None, examples=["50"])
    iterations: Count | None = Field(default=None, examples=["200000"])
    sampler: Literal["tpe", "random", "quasi-random", "grid"] = "tpe"
    points: Annotated[int, Field(ge=1, le=1000)] = Field(default=4, examples=["4"])
    pruner: Literal["median", "hyperband", "none"] | None = Field(default=None, examples=["median"])
    predictions: bool | None = Field(default=None, examples=["true"])
    by: Literal["value", "iterations", "both"] = "value"
    objective: Literal["accuracy", "iterations", "both"] | None = Field(default=None, examples=["iterations"])
    allocation: Literal["equal", "adaptive"] = "equal"
    sampler_seed: Seed = 0
    ahead: Annotated[int, Field(ge=1, le=10_000)] | None = Field(default=None, examples=["8"])
    search_seed: Seed = FIRST_SEARCH_SEED
    finalists: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, examples=["8"])
    final_seeds: Annotated[int, Field(ge=0, le=100)] = Field(default=2, examples=["2"])
    engine: EngineSettings | None = None
    confirm: Annotated[int, Field(ge=0, le=1000)] = Field(default=1, examples=["1"])
    baselines: list[Text] | None = Field(default=None, examples=["['INV(k0=0.01, gamma=0.0001, p=0.75)']"])

    @model_validator(mode="before")
    @classmethod
    def _read_former_name(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("objective") is None:
            return given
        if given.get("by") is not None:
            raise inconsistent(("by",), "excludes objective, its former name", "remove objective")
        former = {"accuracy": "value", "iterations": "iterations", "both": "both"}.get(given["objective"])
        return given if former is None else {**given, "by": former}

    @model_validator(mode="after")
    def _parts_fit(self) -> SearchSettings:
        if self.rates is not None and self.rates[0] >= self.rates[1]:
            raise inconsistent(
                ("rates",),
                f"is [{self.rates[0]:g}, {self.rates[1]:g}]",
                "list the lowest rate first, as in [0.001, 0.1]",
            )
        if self.predictions and self.sampler in ("quasi-random", "grid"):
            raise inconsistent(
                ("predictions",), f"excludes the sampler {self.sampler}", "remove it, or set sampler: tpe or random"
            )
        if self.space is not None and (self.functions is not None or self.rates is not None):
            raise inconsistent(
                ("space",), "excludes functions and rates", "remove space, or remove functions and rates"
            )
        return self
