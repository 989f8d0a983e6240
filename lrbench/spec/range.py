"""The section ``range`` of a spec: which rates a range test tries, on which nets and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lrbench.spec.fields import Iterations, Positive, Seed, Settings, inconsistent, refuse_doubled

FEWEST_SWEPT = 20


class RangeSettings(Settings):
    """How ``range`` finds a useful range of learning rates.

    Attributes:
        low: lowest rate to try, before a solver's ``lr_scale``; None: by the solver's type.
        high: highest rate to try; None: by the solver's type.
        iterations: length of the sweep; None: a tenth of the run, at least 100 and at most 2000, if the run has as
            many.
        lengths: iterations after which the runs at a fixed rate are compared, multiples of the first; None: 1/20, 1/10
            and 1/5 of the run, at least 25, 50 and 100 if the run has as many.
        rates: number of fixed rates to begin with; more are added near the ends of the range.
        seeds: seeds of the nets trained in the test; the spec's ``seeds`` are kept for the confirmation.
    """

    low: Positive | None = Field(default=None, examples=["1e-5"])
    high: Positive | None = Field(default=None, examples=["10"])
    iterations: Annotated[int, Field(ge=FEWEST_SWEPT)] | None = Field(default=None, examples=["1000"])
    lengths: Annotated[list[Iterations], Field(min_length=1, max_length=10)] | None = Field(
        default=None, examples=["[500, 1000, 2000]"]
    )
    rates: Annotated[int, Field(ge=3, le=100)] = Field(default=6, examples=["6"])
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field(default=[1000, 1001, 1002], examples=["[0, 1, 2]"])

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
