"""The cyclic LR functions: a shape x a motion x an envelope x a phase, built from four small tables.

eta(t) = |k0 - k1| envelope(t) shape(height(t)) + min(k0, k1), where ``height`` goes between 0 and 1: up and down again
in a cycle (TRI, SIN, COS), or one way and then back at once (SAW, HSIN, HCOS). A cycle is 2l iterations in TRI and SIN
and l in all the others. A wave that goes up and down, starts high and is halved (TRI2_HIGH, SIN2_HIGH, COS2) is halved
where its cycle begins, at the crest, or with ``halve=trough`` in the middle of the cycle, where the height is 0. COS
follows the table of arXiv:1908.06477, where l is the whole cycle, cos(2 pi t / l); some published code uses
cos(pi t / l), whose cycle is 2l.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lrbench.policies.cycles import count_cycles, count_troughs
from lrbench.policies.family import FLOOR, LEFT, Family, Shape, decay_factor, length_of_part, rounded
from lrbench.policies.formula import Formula
from lrbench.policies.function import SGDR_2017, WU_2019, Function
from lrbench.policies.parameters import Dimension, Length, Number, Rate, Word
from lrbench.policies.shapes import cosine, linear, sine
from lrbench.policies.values import FloatArray, Values

SMITH_2017 = 'Smith, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186'


@dataclass(frozen=True)
class Start:
    """g(t) of a wave that starts low, or of one that starts high.

    Attributes:
        text: g(t), for readers.
        expression: g(t) in the grammar of ``lrbench.policies.formula``, where x is the phase in the cycle. What starts
            low is sin^2, not (1 - cos) / 2, which loses its digits near 0.
    """

    text: str
    expression: str


@dataclass(frozen=True)
class Waveform:
    """A cyclic wave: its shape, its motion and its cycle in units of l."""

    name: str
    words: str
    shape: Callable[[FloatArray], FloatArray]
    low: Start
    high: Start
    cycle_in_l: int = 1
    restarts: bool = False
    starts_high: bool = False
    source: str = WU_2019


@dataclass(frozen=True)
class Envelope:
    """A factor of a wave, computed from t, the cycles or troughs that t has passed, and the parameters.

    Attributes:
        before, after: the factor as text, before and after g(t).
        expression: the same in the grammar of ``lrbench.policies.formula``.
        shapes: what a search chooses of such a wave.
    """

    name: str
    words: str
    before: str
    after: str
    factor: Callable[[FloatArray, FloatArray, Values], FloatArray]
    expression: str
    shapes: tuple[Shape, ...]


WAVEFORMS = (
    Waveform(
        "TRI",
        "triangle",
        linear,
        low=Start("(2/pi) abs(arcsin(sin(pi t / 2l)))", "2 * min(x, 1 - x)"),
        high=Start("(2/pi) abs(arcsin(cos(pi t / 2l)))", "abs(1 - 2 * x)"),
        cycle_in_l=2,
    ),
    Waveform(
        "SIN",
        "sine",
        sine,
        low=Start("abs(sin(pi t / 2l))", "sin(pi * x)"),
        high=Start("abs(cos(pi t / 2l))", "abs(cos(pi * x))"),
        cycle_in_l=2,
    ),
    Waveform(
        "COS",
        "cosine",
        cosine,
        low=Start("(1 - cos(2 pi t / l)) / 2", "sin(pi * x) ** 2"),
        high=Start("(1 + cos(2 pi t / l)) / 2", "(1 + cos(2 * pi * x)) / 2"),
        starts_high=True,
    ),
    Waveform(
        "SAW",
        "sawtooth",
        linear,
        low=Start("(t/l - floor(t/l))", "x"),
        high=Start("(1 - t/l + floor(t/l))", "(1 - x)"),
        restarts=True,
        source=SMITH_2017,
    ),
    Waveform(
        "HSIN",
        "half sine with restarts",
        sine,
        low=Start("sin(pi/2 (t/l - floor(t/l)))", "sin(pi * x / 2)"),
        high=Start("cos(pi/2 (t/l - floor(t/l)))", "cos(pi * x / 2)"),
        restarts=True,
        starts_high=True,
        source=SGDR_2017,
    ),
    Waveform(
        "HCOS",
        "half cosine with restarts",
        cosine,
        low=Start("(1 - cos(pi (t/l - floor(t/l)))) / 2", "sin(pi * x / 2) ** 2"),
        high=Start("(1 + cos(pi (t/l - floor(t/l)))) / 2", "(1 + cos(pi * x)) / 2"),
        restarts=True,
        starts_high=True,
        source=SGDR_2017,
    ),
)

CYCLES = Shape("cycles", 1, 8, log=True, whole=True)
ENVELOPES = (
    Envelope("", "", "", "", lambda t, cycle, v: np.ones_like(t), "", (FLOOR, CYCLES)),
    Envelope(
        "2",
        ", halved each cycle",
        "",
        " / 2^floor(t / {cycle})",
        lambda t, cycle, v: np.asarray(0.5**cycle),
        " * 0.5 ** turns(t, {cycle})",
        (FLOOR, Shape("cycles", 2, 5, whole=True)),
    ),
    Envelope(
        "EXP",
        ", times gamma^t",
        "gamma^t ",
        "",
        lambda t, cycle, v: np.asarray(v.gamma**t),
        " * gamma ** t",
        (FLOOR, CYCLES, LEFT),
    ),
)


CREST, TROUGH = "crest", "trough"
HALVE = Word(
    name="halve",
    meaning="where the wave is halved: trough, where the curve is continuous, as in the code of the authors of "
    "arXiv:1908.06477; or crest, where it drops from k1 to half its height. crest is not written out",
    choices=(CREST, TROUGH),
    default=CREST,
    unwritten_default=True,
)


def _rates(wave: Waveform, envelope: Envelope, high: bool, t: FloatArray, v: Values) -> FloatArray:
    length = wave.cycle_in_l * v.l
    cycle, since, span = count_cycles(t, length)
    if getattr(v, "halve", CREST) == TROUGH:
        cycle = count_troughs(t, length)
    # The height between low (0) and high (1), from differences that float64 holds exactly where they are small.
    if wave.restarts:
        height = (span - since if high else since) / span
    else:
        height = np.abs(span - 2 * since) / span if high else 2 * np.minimum(since, span - since) / span
    g = wave.shape(height) * envelope.factor(t, cycle, v)
    return np.asarray(abs(v.k0 - v.k1) * g + min(v.k0, v.k1))


def _formula(wave: Waveform, envelope: Envelope, high: bool, v: Values) -> Formula:
    cycle = "2 * l" if wave.cycle_in_l == 2 else "l"
    shape = (wave.high if high else wave.low).expression
    halved_in_trough = getattr(v, "halve", CREST) == TROUGH
    factor = (" * 0.5 ** troughs(t, {cycle})" if halved_in_trough else envelope.expression).format(cycle=cycle)
    return Formula(f"(high - low) * {shape}{factor} + low", names=(("x", f"phase(t, {cycle})"),))


def _searched(
    cycle_in_l: int, fixed: Mapping[str, str], rate: float, shape: Mapping[str, float], iterations: int
) -> dict[str, Any]:
    """The parameters of a wave by its base rate and shape, with ``fixed`` ones."""
    gamma = {"gamma": decay_factor(shape["left"], iterations)} if "left" in shape else {}
    length = length_of_part(iterations, shape["cycles"] * cycle_in_l)
    return {"k0": rounded(rate * shape["floor"]), "k1": rate, **gamma, "l": length, **fixed}


def _row(wave: Waveform, envelope: Envelope, high: bool) -> Function:
    suffix = "" if high == wave.starts_high else "_HIGH" if high else "_LOW"
    name = wave.name + envelope.name + suffix
    cycle = "2l" if wave.cycle_in_l == 2 else "l"
    g = envelope.before + (wave.high if high else wave.low).text + envelope.after.format(cycle=cycle)
    chooses = envelope.name == "2" and high and not wave.restarts
    trough = f"; with halve=trough / 2^floor(t / {cycle} + 1/2)" if chooses else ""
    gamma = Number(
        name="gamma",
        meaning="what each iteration multiplies the wave by",
        above=0,
        dimension=Dimension.FACTOR_PER_ITERATION,
    )
    span = "half a cycle" if wave.cycle_in_l == 2 else "a whole cycle"
    return Function(
        name=name,
        parameters=(
            Rate(name="k0", meaning="one end of the range of rates"),
            Rate(name="k1", meaning="the other end of the range of rates"),
            *((gamma,) if envelope.name == "EXP" else ()),
            Length(name="l", meaning=f"{span}, in iterations"),
            *((HALVE,) if chooses else ()),
        ),
        formula=f"|k0 - k1| {g} + min(k0, k1){trough}",
        summary=f"{wave.words}{envelope.words}; starts {'high' if high else 'low'}; l is {span}",
        source=wave.source,
        example=f"{name}(k0=0.01, k1=0.06, {'gamma=0.99994, ' if envelope.name == 'EXP' else ''}l=2000"
        f"{', halve=trough' if chooses else ''})",
        rates=partial(_rates, wave, envelope, high),
        counted=("l",),
        expression=partial(_formula, wave, envelope, high),
        family=Family(partial(_searched, wave.cycle_in_l, {"halve": TROUGH} if chooses else {}), envelope.shapes),
    )


def rows() -> Iterator[Function]:
    """Every waveform with every envelope, those with the plain name (the usual phase) first."""
    for usual in (True, False):
        for wave in WAVEFORMS:
            for envelope in ENVELOPES:
                yield _row(wave, envelope, wave.starts_high is usual)
