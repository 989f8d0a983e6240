"""Closed-loop LR functions: they change the rate when a monitored metric has stopped getting better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies.family import Family, Shape, rounded
from lrbench.policies.function import Function
from lrbench.policies.parameters import Factor, NestedList, Rate, Scalar, Word
from lrbench.policies.plateau_detection import WATCHING, PlateauDetector, check_watching, column_of, mode_of
from lrbench.policies.stages import Placed
from lrbench.policies.values import Controller, FloatArray, RatePolicy, Row, Value, Values

WU_LIU_2022 = (
    'Wu and Liu, "Selecting and Composing Learning Rate Policies for Deep Neural Networks", arXiv:2210.12936 '
    "(change LR on plateau)"
)


def _detector(v: Values) -> PlateauDetector:
    return PlateauDetector(v, column_of(v.monitor), 1.0 if mode_of(v) == "max" else -1.0)


class _Plateau(Controller):
    def __init__(self, v: Values) -> None:
        self._v, self._detector, self._rate = v, _detector(v), float(v.k0)

    def rates(self, start: int, end: int) -> FloatArray:
        return np.full(end - start, self._rate)

    def observe(self, row: Row) -> None:
        if self._detector.reached(row):
            self._rate = max(self._rate * self._v.factor, float(self._v.min_rate))


class _Greedy(_Plateau):
    """Raises the rate after ``patience`` better values in a row, lowers it at a plateau."""

    _better = 0

    def observe(self, row: Row) -> None:
        best = self._detector.best
        super().observe(row)
        self._better = 0 if self._detector.best == best or best is None else self._better + 1
        if self._better == self._v.patience:
            self._rate, self._better = min(self._rate / self._v.factor, float(self._v.max_rate)), 0


class _Switch(Controller):
    def __init__(self, v: Values) -> None:
        self._v, self._detector = v, _detector(v)
        self._enter(int(v.begin), 0)

    def _enter(self, number: int, t: int) -> None:
        self._number = number
        controller = self._v.policies[number].start(self._v.iterations)
        self._controller = controller if self._v.count == "run" else Placed(controller, t)

    def rates(self, start: int, end: int) -> FloatArray:
        return self._controller.rates(start, end)

    def observe(self, row: Row) -> None:
        self._controller.observe(row)
        if self._detector.reached(row):
            count = len(self._v.policies)
            if row["iteration"] <= self._v.back * self._v.iterations:
                if self._number:
                    self._enter(self._number - 1, int(row["iteration"]))
            elif self._number + 1 < count or self._v.at_end == "cycle":
                self._enter((self._number + 1) % count, int(row["iteration"]))


def _plateau_rule(v: Values) -> None:
    check_watching(v)
    if v.min_rate > v.k0:
        raise PolicyError(f"min_rate is {v.min_rate}, but must be at most k0, which is {v.k0}")


def _greedy_rule(v: Values) -> None:
    check_watching(v)
    if not v.min_rate <= v.k0 <= v.max_rate:
        raise PolicyError(f"k0 is {v.k0}, but must lie from min_rate, {v.min_rate}, to max_rate, {v.max_rate}")


def _switch_rule(v: Values) -> None:
    check_watching(v)
    if v.begin >= len(v.policies):
        raise PolicyError(f"begin is {v.begin}, but must be below {len(v.policies)}, the number of policies")
    for policy in v.policies:
        if v.count == "run":
            policy.refuse_to_count_from_run("count")


def _every_policy(given: Mapping[str, Value]) -> tuple[RatePolicy, ...]:
    """The policies of a SWITCH, any of which may be the one in force at any t."""
    policies = given["policies"]
    assert isinstance(policies, tuple)
    return policies


FACTOR = Shape("factor", 0.1, 0.6, log=True)
"""The share of the rate that is left after a plateau."""
PATIENCE = Shape("patience", 1, 8, log=True, whole=True)


def _switch_family(rate: float, shape: Mapping[str, float], iterations: int) -> dict[str, Any]:
    """Three rates, each a factor below the one before; with ``back`` the run begins with the second."""
    rates = [rounded(rate * shape["factor"] ** number) for number in range(3)]
    back = {"begin": 1, "back": round(shape["back"], 3)} if "back" in shape else {}
    return {"policies": [{"function": "FIX", "k0": k0} for k0 in rates], "patience": int(shape["patience"]), **back}


CLOSED_LOOP = (
    Function(
        name="PLATEAU",
        parameters=(
            Rate(name="k0", meaning="the rate at t = 0"),
            Factor(name="factor", meaning="what each plateau multiplies the rate by", below=1, default=0.1),
            *WATCHING,
            Rate(name="min_rate", meaning="the rate that it never falls below", default=0),
        ),
        formula="max(k0 factor^i, min_rate), where i counts the plateaus up to t",
        summary="is multiplied by factor whenever the monitored value has stopped getting better",
        source="PyTorch's ReduceLROnPlateau, Keras's callback of the same name",
        example="PLATEAU(k0=0.01, factor=0.1, patience=10, threshold=0.0001, threshold_mode=rel, cooldown=0, "
        "monitor=train_loss, min_rate=0)",
        start=_Plateau,
        rule=_plateau_rule,
        upper_bounds=lambda given: ({"function": "FIX", "k0": given["k0"]},),  # every later rate is lower
        family=Family(
            lambda rate, shape, iterations: {
                "k0": rate,
                "factor": rounded(shape["factor"]),
                "patience": int(shape["patience"]),
            },
            (FACTOR, PATIENCE),
        ),
    ),
    Function(
        name="GREEDY",
        parameters=(
            Rate(name="k0", meaning="the rate at t = 0"),
            Factor(
                name="factor",
                meaning="what a plateau multiplies the rate by, and patience better values in a row divide it by",
                below=1,
                default=0.9,
            ),
            *WATCHING,
            Rate(name="max_rate", meaning="the rate that it never rises above"),
            Rate(name="min_rate", meaning="the rate that it never falls below", default=0),
        ),
        formula="k0 factor^(i - j) within min_rate and max_rate, where i counts the plateaus up to t and j how often "
        "the value got better patience times in a row",
        summary="raises the rate while the monitored value gets better, and lowers it where that has stopped",
        source="Hugging Face transformers, optimization.py (GreedyLR), without its smoothing and resets",
        example="GREEDY(k0=0.01, factor=0.9, patience=5, threshold=0.0001, threshold_mode=rel, cooldown=0, "
        "monitor=train_loss, max_rate=0.1, min_rate=0.0001)",
        start=_Greedy,
        rule=_greedy_rule,
        upper_bounds=lambda given: ({"function": "FIX", "k0": given["max_rate"]},),
        family=Family(
            lambda rate, shape, iterations: {
                "k0": rounded(rate * shape["start"]),
                "factor": rounded(shape["factor"]),
                "patience": int(shape["patience"]),
                "max_rate": rate,
            },
            (Shape("start", 0.1, 1, log=True), Shape("factor", 0.5, 0.95), PATIENCE),
        ),
    ),
    Function(
        name="SWITCH",
        parameters=(
            NestedList(name="policies", meaning="the policies, in the order in which they are tried"),
            *WATCHING,
            Word(
                name="at_end",
                meaning="what follows a plateau of the last policy: nothing, or the first policy",
                choices=("stay", "cycle"),
                default="stay",
            ),
            Word(
                name="count",
                meaning="where a policy counts its t from: its own start, or the run's",
                choices=("stage", "run"),
                default="stage",
            ),
            Scalar(
                name="begin",
                meaning="the number of the policy to begin with, counted from 0. 0 is not written out",
                least=0,
                whole=True,
                default=0,
                unwritten_default=True,
            ),
            Scalar(
                name="back",
                meaning="the share of the run in which a plateau goes back to the policy before, such as one of higher "
                "rates. 0 is not written out",
                least=0,
                below=1,
                default=0,
                unwritten_default=True,
            ),
        ),
        formula="the rate of policy i, where i counts the plateaus up to t, from begin on; those up to t = back T "
        "count down, where T is the run's iterations",
        summary="goes on to the next policy whenever the monitored value has stopped getting better",
        source=WU_LIU_2022,
        example="SWITCH(policies=[TRI(k0=0.01, k1=0.06, l=500), FIX(k0=0.01), FIX(k0=0.001)], patience=5, "
        "threshold=0.001, threshold_mode=abs, cooldown=2, monitor=accuracy, at_end=stay, count=stage)",
        start=_Switch,
        rule=_switch_rule,
        upper_bounds=_every_policy,
        family=(
            Family(_switch_family, (FACTOR, PATIENCE)),
            Family(_switch_family, (FACTOR, PATIENCE, Shape("back", 0.1, 0.5)), variant="BACK"),
        ),
    ),
)
