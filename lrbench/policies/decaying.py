"""LR functions that stay or fall: Caffe's own seven, and decay to a floor.

``PAPER_NONCYCLIC`` are the non-cyclic ones of the thirteen, where eta(t) = |k0 - k1| g(t) + min(k0, k1) with k1 = k0
for FIX and k1 = 0 for the others, so that eta(t) = k0 g(t).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies.cycles import count_cycles
from lrbench.policies.family import POWER, Family, Shape, decay_factor, length_of_part, rounded
from lrbench.policies.formula import Formula, Span
from lrbench.policies.function import SGDR_2017, WU_2019, CaffeForm, Function
from lrbench.policies.parameters import Default, Dimension, Factor, Length, Number, Rate, RisingNumbers, Scalar
from lrbench.policies.shapes import blend, cosine, left, passed
from lrbench.policies.values import FloatArray, Values

CAFFE = "Caffe, src/caffe/solvers/sgd_solver.cpp"
PYTORCH = "PyTorch, torch/optim/lr_scheduler.py"

K0 = Rate(name="k0", meaning="the rate at t = 0")
FLOOR = Rate(name="k1", meaning="the rate from t = l on", default=0)
RUN_LENGTH = Length(name="l", meaning="iterations to the end of the decay", default=Default.RUN)
POWER_OF_DECAY = Scalar(name="p", meaning="the power", least=0)
STEP_FACTOR = Factor(name="gamma", meaning="what each step multiplies the rate by")
DECAY_FACTOR = Number(
    name="gamma",
    meaning="what each iteration multiplies the rate by",
    above=0,
    dimension=Dimension.FACTOR_PER_ITERATION,
)
BASE_RATE = Family(lambda rate, shape, iterations: {"k0": rate})
"""The family of a function whose only rate is k0."""


def _nstep(t: FloatArray, v: Values) -> FloatArray:
    steps = np.searchsorted(np.array(v.l, dtype=np.float64), t, side="right")
    return np.asarray(v.k0 * v.gamma ** steps.astype(np.float64))


def _up_to_l(what_ends: str, alternative: str = "") -> Callable[[Values], None]:
    """The check of a function that a run must not follow beyond t = l."""

    def check(v: Values) -> None:
        if v.end - 1 > v.l:
            raise PolicyError(
                f"l is {v.l}, but the run goes on to t = {v.end - 1} and {what_ends}",
                remedy=f"leave l out, which makes it the run's iterations{alternative}",
            )

    return check


def _polydecay(t: FloatArray, v: Values) -> FloatArray:
    # 1 - (1 - x)^p, again without the cancellation near x = 0.
    elapsed = -np.expm1(v.p * np.log1p(-passed(t, 0, v.l)))
    return blend(v.k0, v.k1, left(t, 0, v.l) ** v.p, elapsed)


def _rex(t: FloatArray, v: Values) -> FloatArray:
    remaining = (v.l - t) / v.l
    return np.asarray(v.k0 * remaining / (0.5 + 0.5 * remaining))


def _decay(shape: str) -> Callable[[Values], Formula]:
    """The expression of a decay from k0 to k1, of which ``shape`` is the share that is left, by the time x left."""
    return lambda v: Formula(Span(("k0", v.k0), ("k1", v.k1), "min(t / l, 1)", "max(l - t, 0) / l").rate(shape))


def _polydecay_formula(v: Values) -> Formula:
    if v.k1 <= v.k0:
        return Formula("k1 + (k0 - k1) * (max(l - t, 0) / l) ** p")
    # (1 - t/l)^p - 1 without the cancellation near t = 0, where a large p would amplify its rounding.
    return Formula("k1", (("t < l", "k0 + (k0 - k1) * expm1(p * log1p(-t / l))"),))


def _step_family(rate: float, shape: Mapping[str, float], iterations: int) -> dict[str, Any]:
    return {"k0": rate, "gamma": rounded(shape["gamma"]), "l": length_of_part(iterations, shape["drops"] + 1)}


def _nstep_family(rate: float, shape: Mapping[str, float], iterations: int) -> dict[str, Any]:
    first, drops = shape["first"], int(shape["drops"])
    parts = [first + (1 - first) * drop / drops for drop in range(drops)]
    steps = sorted({max(1, round(part * iterations)) for part in parts})
    return {"k0": rate, "gamma": rounded(shape["gamma"]), "l": steps}


def _power_family(rate: float, shape: Mapping[str, float], iterations: int) -> dict[str, Any]:
    power = round(shape["b"], 2)
    return {"k0": rate, "a": rounded(rate * (shape["flat"] * iterations + 1) ** -power), "b": power}


def _inv_family(rate: float, shape: Mapping[str, float], iterations: int) -> dict[str, Any]:
    power = round(shape["p"], 2)
    return {"k0": rate, "gamma": rounded((shape["left"] ** (-1 / power) - 1) / iterations), "p": power}


PAPER_NONCYCLIC = (
    Function(
        name="FIX",
        parameters=(Rate(name="k0", meaning="the rate"),),
        formula="k0",
        summary="stays at k0",
        source=WU_2019,
        example="FIX(k0=0.01)",
        rates=lambda t, v: np.full_like(t, v.k0),
        expression="k0",
        caffe=CaffeForm("fixed", {"k0": "base_lr"}),
        family=BASE_RATE,
    ),
    Function(
        name="STEP",
        parameters=(K0, STEP_FACTOR, Length(name="l", meaning="iterations between two steps")),
        formula="k0 gamma^floor(t / l)",
        summary="is multiplied by gamma every l iterations",
        source=WU_2019,
        example="STEP(k0=0.01, gamma=0.85, l=5000)",
        rates=lambda t, v: np.asarray(v.k0 * v.gamma ** count_cycles(t, v.l)[0]),
        counted=("l",),
        expression="k0 * gamma ** turns(t, l)",
        caffe=CaffeForm("step", {"k0": "base_lr", "gamma": "gamma", "l": "stepsize"}),
        family=Family(_step_family, (Shape("drops", 1, 6, whole=True), Shape("gamma", 0.1, 0.8, log=True))),
    ),
    Function(
        name="NSTEP",
        parameters=(
            K0,
            STEP_FACTOR,
            RisingNumbers(name="l", meaning="the t at which the rate steps", dimension=Dimension.ITERATIONS),
        ),
        formula="k0 gamma^i, where i counts the boundaries l_0 < l_1 < ... that are <= t",
        summary="is multiplied by gamma at each boundary of the list l",
        source=WU_2019,
        example="NSTEP(k0=0.01, gamma=0.9, l=[5000, 7000, 8000, 9000])",
        rates=_nstep,
        # t is whole: it has passed a boundary where it has reached the next whole number.
        expression=lambda v: Formula(f"k0 * gamma ** reached(t, {[math.ceil(boundary) for boundary in v.l]})"),
        caffe=CaffeForm("multistep", {"k0": "base_lr", "gamma": "gamma", "l": "stepvalue"}),
        family=Family(
            _nstep_family,
            (Shape("first", 0.3, 0.8), Shape("drops", 1, 3, whole=True), Shape("gamma", 0.1, 0.5, log=True)),
        ),
    ),
    Function(
        name="EXP",
        parameters=(K0, DECAY_FACTOR),
        formula="k0 gamma^t",
        summary="is multiplied by gamma every iteration",
        source=WU_2019,
        example="EXP(k0=0.01, gamma=0.9999)",
        rates=lambda t, v: np.asarray(v.k0 * v.gamma**t),
        expression="k0 * gamma ** t",
        caffe=CaffeForm("exp", {"k0": "base_lr", "gamma": "gamma"}),
        family=Family(
            lambda rate, shape, iterations: {"k0": rate, "gamma": decay_factor(shape["left"], iterations)},
            (Shape("left", 0.001, 0.8, log=True),),
        ),
    ),
    Function(
        name="INV",
        parameters=(
            K0,
            Number(
                name="gamma", meaning="how fast it falls, per iteration", least=0, dimension=Dimension.PER_ITERATION
            ),
            POWER_OF_DECAY,
        ),
        formula="k0 / (1 + gamma t)^p",
        summary="falls with the inverse of a power of t",
        source=WU_2019,
        example="INV(k0=0.01, gamma=0.0001, p=0.75)",
        rates=lambda t, v: np.asarray(v.k0 * (1 + v.gamma * t) ** -v.p),
        expression="k0 * (1.0 + gamma * t) ** -p",
        caffe=CaffeForm("inv", {"k0": "base_lr", "gamma": "gamma", "p": "power"}),
        family=Family(_inv_family, (Shape("left", 0.02, 0.8, log=True), Shape("p", 0.5, 1))),
    ),
    Function(
        name="POLY",
        parameters=(K0, POWER_OF_DECAY, RUN_LENGTH),
        formula="k0 (1 - t / l)^p",
        summary="falls as a polynomial that reaches 0 at t = l; l is the run's iterations unless given",
        source=WU_2019,
        example="POLY(k0=0.01, p=1.2)",
        rates=lambda t, v: np.asarray(v.k0 * ((v.l - t) / v.l) ** v.p),
        # An even power makes the formula positive again past its end: the rate would rise without bound, in silence.
        check_length=_up_to_l("(1 - t/l)^p decays only up to t = l", ", or use POLYDECAY, which stays at its floor"),
        expression="k0 * (max(l - t, 0) / l) ** p",
        caffe=CaffeForm("poly", {"k0": "base_lr", "p": "power", "l": "max_iter"}),
        family=Family(lambda rate, shape, iterations: {"k0": rate, "p": round(shape["p"], 2)}, (POWER,)),
    ),
)

SIG = Function(
    name="SIG",
    parameters=(
        Rate(name="k0", meaning="the rate that it rises to, or falls from"),
        Number(
            name="gamma", meaning="steepness, per iteration; below 0 the rate falls", dimension=Dimension.PER_ITERATION
        ),
        Length(name="l", meaning="the t at which the rate is k0 / 2"),
    ),
    formula="k0 / (1 + exp(-gamma (t - l)))",
    summary="rises along a sigmoid, or falls along it where gamma is below 0",
    source=CAFFE,
    example="SIG(k0=0.01, gamma=-0.001, l=5000)",
    rates=lambda t, v: np.asarray(v.k0 / (1 + np.exp(-v.gamma * (t - v.l)))),
    expression="k0 / (1 + exp(min(gamma * (l - t), 700)))",  # e^710 is more than a float holds
    caffe=CaffeForm("sigmoid", {"k0": "base_lr", "gamma": "gamma", "l": "stepsize"}),
    family=Family(
        lambda rate, shape, iterations: {
            "k0": rate,
            "gamma": -rounded(shape["steepness"] / iterations),
            "l": max(1, round(shape["middle"] * iterations)),
        },
        (Shape("middle", 0.4, 0.9), Shape("steepness", 10, 50, log=True)),
    ),
)

POWER_LAW = Function(
    name="POWER",
    parameters=(
        Rate(name="k0", meaning="the highest rate"),
        Number(name="a", meaning="the power law's rate at t = 0", above=0),
        Scalar(name="b", meaning="the power law's exponent", below=0),
    ),
    formula="min(k0, a (t + 1)^b)",
    summary="stays at k0 until a power law of the iterations done falls below it, whatever the run's length",
    source='Shen et al., "Power Scheduler: A Batch Size and Token Number Agnostic Learning Rate Scheduler", '
    "arXiv:2408.13359",
    example="POWER(k0=0.02, a=1, b=-0.51)",
    rates=lambda t, v: np.minimum(v.k0, v.a * (t + 1) ** v.b),
    expression="min(k0, a * (t + 1.0) ** b)",
    family=Family(_power_family, (Shape("flat", 0.01, 0.5, log=True), Shape("b", -1, -0.3))),
)

DECAYS = (
    Function(
        name="LINEAR",
        parameters=(K0, FLOOR, RUN_LENGTH),
        formula="k1 + (k0 - k1) (1 - t / l), and k1 from t = l on",
        summary="goes in a straight line from k0 to the floor k1, then stays there",
        source=PYTORCH + " (LinearLR)",
        example="LINEAR(k0=0.1, k1=0, l=10000)",
        rates=lambda t, v: blend(v.k0, v.k1, left(t, 0, v.l), passed(t, 0, v.l)),
        expression=_decay("{x}"),
        caffe=CaffeForm("poly", {"k0": "base_lr", "l": "max_iter"}, constants={"power": 1}, only={"k1": 0}),
        family=BASE_RATE,
    ),
    Function(
        name="POLYDECAY",
        parameters=(K0, FLOOR, Scalar(name="p", meaning="the power", above=0), RUN_LENGTH),
        formula="k1 + (k0 - k1) (1 - t / l)^p, and k1 from t = l on",
        summary="goes along a polynomial from k0 to the floor k1, then stays there",
        source=PYTORCH + " (PolynomialLR)",
        example="POLYDECAY(k0=0.1, k1=0.001, p=2, l=10000)",
        rates=_polydecay,
        expression=_polydecay_formula,
        caffe=CaffeForm("poly", {"k0": "base_lr", "p": "power", "l": "max_iter"}, only={"k1": 0}),
        family=Family(
            lambda rate, shape, iterations: {
                "k0": rate,
                "k1": rounded(rate * shape["floor"]),
                "p": round(shape["p"], 2),
            },
            (Shape("floor", 0.001, 0.2, log=True), POWER),
        ),
    ),
    Function(
        name="COSDECAY",
        parameters=(K0, FLOOR, RUN_LENGTH),
        formula="k1 + (k0 - k1) (1 + cos(pi t / l)) / 2, and k1 from t = l on",
        summary="goes along half a cosine from k0 to the floor k1, then stays there",
        source=SGDR_2017,
        example="COSDECAY(k0=0.1, k1=0, l=10000)",
        rates=lambda t, v: blend(v.k0, v.k1, cosine(left(t, 0, v.l)), cosine(passed(t, 0, v.l))),
        expression=_decay("sin(pi / 2 * {x}) ** 2"),
        family=BASE_RATE,
    ),
    Function(
        name="REX",
        parameters=(K0, RUN_LENGTH),
        formula="k0 (1 - t / l) / (1/2 + (1 - t / l) / 2)",
        summary="falls slowly at first and fast at the end, to 0 at t = l",
        source='Chen et al., "REX: Revisiting Budgeted Training with an Improved Schedule", arXiv:2107.04197',
        example="REX(k0=0.1, l=10000)",
        rates=_rex,
        check_length=_up_to_l("the rate is 0 at t = l"),  # from t = 2l on the formula is positive again, and above k0
        expression=lambda v: Formula("k0 * x / (0.5 + 0.5 * x)", names=(("x", "max(l - t, 0) / l"),)),
        family=BASE_RATE,
    ),
    Function(
        name="INVSQRT",
        parameters=(
            K0,
            Length(name="l", meaning="the t from which on the rate falls"),
        ),
        formula="k0 sqrt(l / max(t, l))",
        summary="stays at k0 up to t = l, then falls with the inverse square root of t",
        source='Vaswani et al., "Attention Is All You Need", arXiv:1706.03762',
        example="INVSQRT(k0=0.01, l=1000)",
        rates=lambda t, v: np.asarray(v.k0 * np.sqrt(v.l / np.maximum(t, v.l))),
        expression="k0 * sqrt(l / max(t, l))",
        family=Family(
            lambda rate, shape, iterations: {"k0": rate, "l": max(1, round(shape["flat"] * iterations))},
            (Shape("flat", 0.01, 0.5, log=True),),
        ),
    ),
)
