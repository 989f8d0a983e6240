"""LR functions that stay or fall: Caffe's own seven, and decay to a floor.

``PAPER_NONCYCLIC`` are the non-cyclic ones of the thirteen, where eta(t) = |k0 - k1| g(t) + min(k0, k1) with k1 = k0
for FIX and k1 = 0 for the others, so that eta(t) = k0 g(t).
"""

from __future__ import annotations

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies.cycles import count_cycles
from lrbench.policies.function import SGDR_2017, WU_2019, Function
from lrbench.policies.parameters import Default, Number, RisingNumbers
from lrbench.policies.shapes import blend, cosine, left, passed
from lrbench.policies.values import FloatArray, Values

CAFFE = "Caffe, src/caffe/solvers/sgd_solver.cpp"
PYTORCH = "PyTorch, torch/optim/lr_scheduler.py"

K0 = Number(name="k0", meaning="the rate at t = 0", least=0)
FLOOR = Number(name="k1", meaning="the rate from t = l on", least=0, default=0)
RUN_LENGTH = Number(name="l", meaning="iterations to the end of the decay", above=0, default=Default.RUN)
STEP_FACTOR = Number(name="gamma", meaning="what each step multiplies the rate by", above=0)
DECAY_FACTOR = Number(name="gamma", meaning="what each iteration multiplies the rate by", above=0)


def _step(t: FloatArray, v: Values) -> FloatArray:
    return np.asarray(v.k0 * v.gamma ** count_cycles(t, v.l)[0])


def _nstep(t: FloatArray, v: Values) -> FloatArray:
    steps = np.searchsorted(np.array(v.l, dtype=np.float64), t, side="right")
    return np.asarray(v.k0 * v.gamma ** steps.astype(np.float64))


def _poly(t: FloatArray, v: Values) -> FloatArray:
    return np.asarray(v.k0 * ((v.l - t) / v.l) ** v.p)


def _poly_length(v: Values) -> None:
    # An even power makes the formula positive again past its end: the rate would rise without bound, in silence.
    if v.end - 1 > v.l:
        raise PolicyError(
            f"l is {v.l}, but the run goes on to t = {v.end - 1} and (1 - t/l)^p decays only up to t = l",
            remedy="leave l out, which makes it the run's iterations, or use POLYDECAY, which stays at its floor",
        )


def _rex_length(v: Values) -> None:
    # From t = 2l on the formula is positive again, and above k0.
    if v.end - 1 > v.l:
        raise PolicyError(
            f"l is {v.l}, but the run goes on to t = {v.end - 1} and the rate is 0 at t = l",
            remedy="leave l out, which makes it the run's iterations",
        )


def _linear(t: FloatArray, v: Values) -> FloatArray:
    return blend(v.k0, v.k1, left(t, 0, v.l), passed(t, 0, v.l))


def _polydecay(t: FloatArray, v: Values) -> FloatArray:
    # 1 - (1 - x)^p, again without the cancellation near x = 0.
    elapsed = -np.expm1(v.p * np.log1p(-passed(t, 0, v.l)))
    return blend(v.k0, v.k1, left(t, 0, v.l) ** v.p, elapsed)


def _cosdecay(t: FloatArray, v: Values) -> FloatArray:
    return blend(v.k0, v.k1, cosine(left(t, 0, v.l)), cosine(passed(t, 0, v.l)))


def _rex(t: FloatArray, v: Values) -> FloatArray:
    remaining = (v.l - t) / v.l
    return np.asarray(v.k0 * remaining / (0.5 + 0.5 * remaining))


PAPER_NONCYCLIC = (
    Function(
        name="FIX",
        parameters=(Number(name="k0", meaning="the rate", least=0),),
        formula="k0",
        summary="stays at k0",
        source=WU_2019,
        example="FIX(k0=0.01)",
        rates=lambda t, v: np.full_like(t, v.k0),
    ),
    Function(
        name="STEP",
        parameters=(K0, STEP_FACTOR, Number(name="l", meaning="iterations between two steps", above=0)),
        formula="k0 gamma^floor(t / l)",
        summary="is multiplied by gamma every l iterations",
        source=WU_2019,
        example="STEP(k0=0.01, gamma=0.85, l=5000)",
        rates=_step,
        counted=("l",),
    ),
    Function(
        name="NSTEP",
        parameters=(K0, STEP_FACTOR, RisingNumbers(name="l", meaning="the t at which the rate steps")),
        formula="k0 gamma^i, where i counts the boundaries l_0 < l_1 < ... that are <= t",
        summary="is multiplied by gamma at each boundary of the list l",
        source=WU_2019,
        example="NSTEP(k0=0.01, gamma=0.9, l=[5000, 7000, 8000, 9000])",
        rates=_nstep,
    ),
    Function(
        name="EXP",
        parameters=(K0, DECAY_FACTOR),
        formula="k0 gamma^t",
        summary="is multiplied by gamma every iteration",
        source=WU_2019,
        example="EXP(k0=0.01, gamma=0.9999)",
        rates=lambda t, v: np.asarray(v.k0 * v.gamma**t),
    ),
    Function(
        name="INV",
        parameters=(
            K0,
            Number(name="gamma", meaning="how fast it falls, per iteration", least=0),
            Number(name="p", meaning="the power", least=0),
        ),
        formula="k0 / (1 + gamma t)^p",
        summary="falls with the inverse of a power of t",
        source=WU_2019,
        example="INV(k0=0.01, gamma=0.0001, p=0.75)",
        rates=lambda t, v: np.asarray(v.k0 * (1 + v.gamma * t) ** -v.p),
    ),
    Function(
        name="POLY",
        parameters=(K0, Number(name="p", meaning="the power", least=0), RUN_LENGTH),
        formula="k0 (1 - t / l)^p",
        summary="falls as a polynomial that reaches 0 at t = l; l is the run's iterations unless given",
        source=WU_2019,
        example="POLY(k0=0.01, p=1.2)",
        rates=_poly,
        check_length=_poly_length,
    ),
)

SIG = Function(
    name="SIG",
    parameters=(
        Number(name="k0", meaning="the rate that it rises to, or falls from", least=0),
        Number(name="gamma", meaning="steepness, per iteration; below 0 the rate falls"),
        Number(name="l", meaning="the t at which the rate is k0 / 2", above=0),
    ),
    formula="k0 / (1 + exp(-gamma (t - l)))",
    summary="rises along a sigmoid, or falls along it where gamma is below 0",
    source=CAFFE,
    example="SIG(k0=0.01, gamma=-0.001, l=5000)",
    rates=lambda t, v: np.asarray(v.k0 / (1 + np.exp(-v.gamma * (t - v.l)))),
)

DECAYS = (
    Function(
        name="LINEAR",
        parameters=(K0, FLOOR, RUN_LENGTH),
        formula="k1 + (k0 - k1) (1 - t / l), and k1 from t = l on",
        summary="goes in a straight line from k0 to the floor k1, then stays there",
        source=PYTORCH + " (LinearLR)",
        example="LINEAR(k0=0.1, k1=0, l=10000)",
        rates=_linear,
    ),
    Function(
        name="POLYDECAY",
        parameters=(K0, FLOOR, Number(name="p", meaning="the power", above=0), RUN_LENGTH),
        formula="k1 + (k0 - k1) (1 - t / l)^p, and k1 from t = l on",
        summary="goes along a polynomial from k0 to the floor k1, then stays there",
        source=PYTORCH + " (PolynomialLR)",
        example="POLYDECAY(k0=0.1, k1=0.001, p=2, l=10000)",
        rates=_polydecay,
    ),
    Function(
        name="COSDECAY",
        parameters=(K0, FLOOR, RUN_LENGTH),
        formula="k1 + (k0 - k1) (1 + cos(pi t / l)) / 2, and k1 from t = l on",
        summary="goes along half a cosine from k0 to the floor k1, then stays there",
        source=SGDR_2017,
        example="COSDECAY(k0=0.1, k1=0, l=10000)",
        rates=_cosdecay,
    ),
    Function(
        name="REX",
        parameters=(K0, RUN_LENGTH),
        formula="k0 (1 - t / l) / (1/2 + (1 - t / l) / 2)",
        summary="falls slowly at first and fast at the end, to 0 at t = l",
        source='Chen et al., "REX: Revisiting Budgeted Training with an Improved Schedule", arXiv:2107.04197',
        example="REX(k0=0.1, l=10000)",
        rates=_rex,
        check_length=_rex_length,
    ),
    Function(
        name="INVSQRT",
        parameters=(K0, Number(name="l", meaning="the t from which on the rate falls", above=0)),
        formula="k0 sqrt(l / max(t, l))",
        summary="stays at k0 up to t = l, then falls with the inverse square root of t",
        source='Vaswani et al., "Attention Is All You Need", arXiv:1706.03762',
        example="INVSQRT(k0=0.01, l=1000)",
        rates=lambda t, v: np.asarray(v.k0 * np.sqrt(v.l / np.maximum(t, v.l))),
    ),
)
