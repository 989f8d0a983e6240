"""Policies made of policies: warm-up before one, stages one after another, and one scaled by a factor.

With ``count=stage`` a policy counts its own t from 0 when it takes over, and the iterations of its stage are its budget
(what a missing ``l`` stands for). With ``count=run`` it counts from the run's start, with the run's budget: it goes on
as if it had been there all the time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lrbench.errors import PolicyError, placed
from lrbench.policies.family import WARM, Family
from lrbench.policies.formula import Formula, Span
from lrbench.policies.function import Function
from lrbench.policies.parameters import (
    Dimension,
    Factor,
    Nested,
    NestedList,
    Number,
    Rate,
    RisingNumbers,
    Word,
)
from lrbench.policies.stages import Multiplied, Scaled, Stage, Staged, Warmed, climb
from lrbench.policies.values import FloatArray, Values

GOYAL_2017 = 'Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", arXiv:1706.02677'
COUNTS = ("stage", "run")
MOST_BOUNDS = 1000
"""Combinations of the bounds of a product's policies that are checked."""


def _warmed(v: Values) -> Stage:
    return Stage(v.policy, v.l, v.iterations, v.iterations, v.count == "run")


def _warmup(t: FloatArray, v: Values) -> FloatArray:
    stage, warm = _warmed(v), t < v.l
    rates = np.empty_like(t)
    if warm.any():
        target = stage.rates(np.array([v.l], dtype=np.float64))[0]
        rates[warm] = climb(t[warm], v.l, v.k0, target)
    if not warm.all():
        rates[~warm] = stage.rates(t[~warm])
    return rates


def _warmup_rule(v: Values) -> None:
    if v.count == "run":
        v.policy.refuse_to_count_from_run("count")


def _warmup_length(v: Values) -> None:
    if v.l >= v.end:
        raise PolicyError(
            f"l is {v.l}, but must be below the {v.end} iterations of the run or stage",
            remedy="shorten the warm-up, or give more iterations",
        )
    _warmed(v).check_length(v.end)


def _stages(v: Values) -> Iterator[Stage]:
    counts = v.count if isinstance(v.count, tuple) else (v.count,) * len(v.policies)
    edges = itertools.pairwise((0, *v.boundaries, v.iterations))
    for policy, (start, end), count in zip(v.policies, edges, counts, strict=True):
        yield Stage(policy, start, end, v.iterations, count == "run")


def _compose(t: FloatArray, v: Values) -> FloatArray:
    rates = np.empty_like(t)
    index = np.searchsorted(v.boundaries, t, side="right")
    for number, stage in enumerate(_stages(v)):
        here = index == number
        if here.any():
            rates[here] = stage.rates(t[here])
    return rates


def _compose_rule(v: Values) -> None:
    if len(v.boundaries) != len(v.policies) - 1:
        raise PolicyError(
            f"there are {len(v.policies)} policies and {len(v.boundaries)} boundaries, "
            "but there must be one boundary fewer than policies",
        )
    if isinstance(v.count, tuple) and len(v.count) != len(v.policies):
        raise PolicyError(f"count has {len(v.count)} words for {len(v.policies)} policies, but must have one for each")
    for number, stage in enumerate(_stages(v)):
        if stage.counts_from_run:
            stage.policy.refuse_to_count_from_run(f"count of policies[{number}]")


def _compose_length(v: Values) -> None:
    if v.boundaries[-1] >= v.end:
        beyond = next(boundary for boundary in v.boundaries if boundary >= v.end)
        raise PolicyError(
            f"boundary {beyond} lies beyond the {v.end} iterations of the run or stage: what follows would never begin",
            remedy="leave that stage out, or give more iterations",
        )
    for number, stage in enumerate(_stages(v)):
        with placed(f"policies[{number}]"):
            stage.check_length(v.end)


def _warmup_formula(v: Values) -> Formula:
    stage = _warmed(v)
    target = float(stage.rates(np.array([v.l], dtype=np.float64))[0])
    climb = Span(("k0", v.k0), (repr(target), target), "t / l", "(l - t) / l").rate()
    return Formula("policy", phases=(("t < l", climb),), stages=(("policy", stage),))


def _compose_formula(v: Values) -> Formula:
    stages = tuple((f"policy_{number}", stage) for number, stage in enumerate(_stages(v)))
    names = [name for name, _ in stages]
    conditions = [f"t < {boundary}" for boundary in v.boundaries]
    return Formula(names[-1], phases=tuple(zip(conditions, names[:-1], strict=True)), stages=stages)


def _product_length(v: Values) -> None:
    for number, policy in enumerate(v.policies):
        with placed(f"policies[{number}]"):
            policy.check_length(v.iterations, v.end)


def _product_bounds(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The products of the policies' bounds: any of them may be in force at once."""
    each = [policy.upper_bounds for policy in given["policies"]]
    if math.prod(map(len, each)) > MOST_BOUNDS:
        raise PolicyError(
            f"the policies that react to evaluations have more than {MOST_BOUNDS} rates together, too many to check",
            where="PRODUCT",
            remedy="multiply fewer of them",
        )
    bounds = itertools.product(*each)
    return [{"function": "PRODUCT", "policies": list(policies)} for policies in bounds]


def _product_formula(v: Values) -> Formula:
    stages = tuple((f"policy_{number}", Stage.whole(policy, v.iterations)) for number, policy in enumerate(v.policies))
    return Formula(" * ".join(name for name, _ in stages), stages=stages)


def _warmed_family(decay: str, variant: str = "") -> Family:
    """The family of a decay after a warm-up."""

    def parameters(rate: float, shape: Mapping[str, float], iterations: int) -> dict[str, Any]:
        warmup = max(1, round(shape["warm"] * iterations))
        return {"policy": {"function": decay, "k0": rate}, "l": warmup}

    return Family(parameters, (WARM,), variant)


COMPOSITIONS = (
    Function(
        name="WARMUP",
        parameters=(
            Nested(name="policy", meaning="the policy that takes over at t = l"),
            Number(name="l", meaning="iterations of the warm-up", least=1, whole=True, dimension=Dimension.ITERATIONS),
            Rate(name="k0", meaning="the rate at t = 0", default=0),
            Word(name="count", meaning="where the policy counts its t from", choices=COUNTS, default="stage"),
        ),
        formula="k0 + (r - k0) t / l while t < l, where r is the policy's rate at t = l; then the policy",
        summary="climbs (or falls) in a straight line to where the policy takes over",
        source=GOYAL_2017,
        example="WARMUP(policy=COS(k0=0, k1=0.1, l=9500), l=500, k0=0, count=stage)",
        rates=_warmup,
        start=lambda v: Warmed(v.k0, _warmed(v)),
        rule=_warmup_rule,
        check_length=_warmup_length,
        expression=_warmup_formula,
        family=(_warmed_family("COSDECAY"), _warmed_family("LINEAR", variant="LINEAR")),
    ),
    Function(
        name="COMPOSE",
        parameters=(
            NestedList(name="policies", meaning="the policy of each stage"),
            RisingNumbers(
                name="boundaries",
                meaning="the t at which each stage but the first begins",
                whole=True,
                dimension=Dimension.ITERATIONS,
            ),
            Word(name="count", meaning="where a stage counts its t from", choices=COUNTS, each=True, default="stage"),
        ),
        formula="policy i from boundary i - 1 up to boundary i",
        summary="one policy after another",
        source="Wu et al., composite policies, arXiv:1908.06477",
        example="COMPOSE(policies=[TRI(k0=0.01, k1=0.06, l=2000), FIX(k0=0.001)], boundaries=[8000], count=stage)",
        rates=_compose,
        start=lambda v: Staged(list(_stages(v))),
        rule=_compose_rule,
        check_length=_compose_length,
        expression=_compose_formula,
    ),
    Function(
        name="SCALE",
        parameters=(
            Factor(name="factor", meaning="what the policy's rates are multiplied by"),
            Nested(name="policy", meaning="the policy"),
        ),
        formula="factor times the policy's rate",
        summary="a policy with all of its rates multiplied by a factor",
        source="LRBench",
        example="SCALE(factor=0.5, policy=FIX(k0=0.01))",
        rates=lambda t, v: np.asarray(v.factor * v.policy.rates(t, v.iterations)),
        start=lambda v: Scaled(v.factor, v.policy.start(v.iterations)),
        check_length=lambda v: v.policy.check_length(v.iterations),
        expression=lambda v: Formula("factor * policy", stages=(("policy", Stage.whole(v.policy, v.iterations)),)),
    ),
    Function(
        name="PRODUCT",
        parameters=(NestedList(name="policies", meaning="the policies, each over the whole run"),),
        formula="the product of the policies' rates",
        summary="policies multiplied with each other, such as a schedule and factors of it that begin at 1",
        source="PyTorch, torch/optim/lr_scheduler.py (ChainedScheduler)",
        example="PRODUCT(policies=[LINEAR(k0=0.1, k1=0, l=10000), STEP(k0=1, gamma=0.5, l=2500)])",
        rates=lambda t, v: math.prod(policy.rates(t, v.iterations) for policy in v.policies),
        start=lambda v: Multiplied([policy.start(v.iterations) for policy in v.policies]),
        upper_bounds=_product_bounds,
        check_length=_product_length,
        expression=_product_formula,
    ),
)
