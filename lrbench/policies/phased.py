"""LR functions of several phases: warm restarts, one cycle, and warmup-stable-decay."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lrbench.errors import PolicyError
from lrbench.policies.cycles import count_cycles, restarts
from lrbench.policies.family import FLOOR, WARM, Choice, Family, Shape, length_of_part, rounded
from lrbench.policies.formula import Formula, Span
from lrbench.policies.function import SGDR_2017, Function
from lrbench.policies.parameters import Default, Dimension, Factor, Length, Number, Rate, Scalar, Shares, Word
from lrbench.policies.shapes import blend, cosine, left, linear, passed, square_root
from lrbench.policies.values import FloatArray, Values, canonical_number

SMITH_TOPIN_2017 = (
    'Smith and Topin, "Super-Convergence: Very Fast Training Using Large Learning Rates", arXiv:1708.07120; '
    "phases as in PyTorch's OneCycleLR"
)
HU_2024 = (
    'Hu et al., "MiniCPM", arXiv:2404.06395; the shapes of its decay: Hägele et al., "Scaling Laws and Compute-Optimal '
    'Training Beyond Fixed Training Durations", arXiv:2405.18392'
)
SHAPES = {"linear": linear, "cos": cosine, "sqrt": square_root}
EXPRESSIONS = {"linear": "{x}", "cos": "sin(pi / 2 * {x}) ** 2", "sqrt": "{x} / (1 + sqrt(1 - {x}))"}
"""The shapes as expressions of x, which goes from 1 to 0."""
MOST_RESTARTS = 1000
"""Restarts of SGDR that an export writes out."""


def _sgdr(t: FloatArray, v: Values) -> FloatArray:
    if v.mult == 1:
        cycle, since, span = count_cycles(t, v.l)
        remaining = (span - since) / span
    else:
        starts = restarts(v.l, v.mult, float(t.max(initial=0.0)))
        begun = np.searchsorted(starts[:-1], t, side="right") - 1
        remaining = (starts[begun + 1] - t) / (starts[begun + 1] - starts[begun])
        cycle = begun.astype(np.float64)
    height = abs(v.k0 - v.k1) * np.float64(v.fall) ** cycle
    return np.asarray(height * cosine(remaining) + min(v.k0, v.k1))


def _onecycle_rule(v: Values) -> None:
    if v.rise * v.l <= 1:
        raise PolicyError(
            f"rise * l is {v.rise * v.l:g}, but must be above 1: the rate climbs from t = 0 to t = rise * l - 1",
            remedy="give more iterations or a longer rise",
        )


def _onecycle(t: FloatArray, v: Values) -> FloatArray:
    peak, end, shape = v.rise * v.l - 1, v.l - 1, SHAPES[v.anneal]
    up = blend(v.k0, v.k1, shape(left(t, 0, peak)), shape(passed(t, 0, peak)))
    down = blend(v.k1, v.k2, shape(left(t, peak, end)), shape(passed(t, peak, end)))
    return np.where(t <= peak, up, down)


def _wsd_rule(v: Values) -> None:
    if v.warmup + v.decay > v.l:
        raise PolicyError(
            f"warmup + decay is {v.warmup + v.decay}, but must be at most l, which is {v.l}",
            remedy="shorten them, or give more iterations",
        )


def _wsd(t: FloatArray, v: Values) -> FloatArray:
    remaining = SHAPES[v.anneal](left(t, v.l - v.decay, v.l))
    stable_and_down = blend(v.k0, v.k1, remaining, 1 - remaining)
    return np.where(t < v.warmup, v.k0 * t / v.warmup, stable_and_down) if v.warmup else stable_and_down


def _sgdr_formula(v: Values) -> Formula:
    wave = "(high - low) * (1 + cos(pi * x)) / 2 + low"
    falling = "(high - low) * fall ** cycle * (1 + cos(pi * x)) / 2 + low"
    if v.mult == 1 and v.fall == 1:
        return Formula(wave, names=(("x", "phase(t, l)"),))
    if v.mult == 1:
        return Formula(falling, names=(("cycle", "turns(t, l)"), ("x", "phase(t, l)")))
    begun = _restarts(v)
    if not begun:
        return Formula(wave, names=(("x", "min(t / l, 1)"),))
    return Formula(
        wave if v.fall == 1 else falling,
        names=(
            ("cycle", f"reached(t, {begun})"),
            ("start", "l * (mult ** cycle - 1) / (mult - 1)"),
            ("x", "min((t - start) / (l * mult ** cycle), 1)"),
        ),
    )


def _restarts(v: Values) -> list[int]:
    """The first whole t of each cycle that begins after t = 0 and before the end."""
    begun = [math.ceil(start) for start in restarts(v.l, v.mult, v.iterations)[1:] if start < v.iterations]
    if len(begun) > MOST_RESTARTS:
        raise PolicyError(
            f"it has more than {MOST_RESTARTS} restarts, which cannot be written out",
            remedy="take mult=1, or export its rates, to csv",
        )
    return begun


def _onecycle_formula(v: Values) -> Formula:
    peak, end = canonical_number(v.rise * v.l - 1), v.l - 1
    fall = canonical_number(end - peak)
    up = Span(("k0", v.k0), ("k1", v.k1), f"t / {peak!r}", f"({peak!r} - t) / {peak!r}")
    down = Span(("k1", v.k1), ("k2", v.k2), f"min((t - {peak!r}) / {fall!r}, 1)", f"max({end!r} - t, 0) / {fall!r}")
    shape = EXPRESSIONS[v.anneal]
    return Formula(down.rate(shape), ((f"t <= {peak!r}", up.rate(shape)),))


def _wsd_formula(v: Values) -> Formula:
    share = EXPRESSIONS[v.anneal].format(x="x")
    rate = f"k1 + (k0 - k1) * {share}" if v.k1 <= v.k0 else f"k0 * ({share}) + k1 * (1 - {share})"
    climb = (("t < warmup", "k0 * t / warmup"),) if v.warmup else ()
    return Formula(rate, climb, (("x", f"max(min(({v.l!r} - t) / decay, 1), 0)"),))


def _segments(v: Values) -> Iterator[tuple[float, float, float, float]]:
    """Start and end of each segment of a SPLINE, and the rates there."""
    count = len(v.points) - 1
    for number, (first, last) in enumerate(itertools.pairwise(v.points)):
        yield v.l * number / count, v.l * (number + 1) / count, v.k0 * first, v.k0 * last


def _spline(t: FloatArray, v: Values) -> FloatArray:
    rates = np.full_like(t, v.k0 * v.points[-1])
    for start, end, first, last in _segments(v):
        here = (t >= start) & (t < end)
        rates[here] = blend(first, last, left(t[here], start, end), passed(t[here], start, end))
    return rates


def _spline_formula(v: Values) -> Formula:
    phases = []
    for start, end, first, last in _segments(v):
        ends = ((repr(first), first), (repr(last), last))
        length, since = canonical_number(end - start), f"(t - {start!r})" if start else "t"
        line = Span(*ends, f"{since} / {length!r}", f"({end!r} - t) / {length!r}")
        phases.append((f"t < {end!r}", line.rate()))
    return Formula(repr(float(v.k0 * v.points[-1])), tuple(phases))


def _spline_family(rate: float, shape: Mapping[str, Any], iterations: int) -> dict[str, Any]:
    """The highest point is the base rate."""
    shares = [shape[point.name] for point in POINTS]
    return {"k0": rate, "points": [rounded(share / max(shares)) for share in shares]}


POINTS = tuple(Shape(f"at_{percent}", 0.01, 1, log=True) for percent in (0, 25, 50, 75, 100))
"""The shares of the base rate at so many percent of a run."""


def _sgdr_family(rate: float, shape: Mapping[str, Any], iterations: int) -> dict[str, Any]:
    cycles, mult = int(shape["cycles"]), int(shape["mult"])
    length = length_of_part(iterations, sum(mult**cycle for cycle in range(cycles)))
    return {"k0": rate, "k1": rounded(rate * shape["floor"]), "l": length, "mult": mult}


def _onecycle_family(rate: float, shape: Mapping[str, Any], iterations: int) -> dict[str, Any]:
    """The first and the last rate as shares of the peak are the defaults of PyTorch's OneCycleLR."""
    first = rounded(rate / 25)
    rise = max(round(shape["rise"], 3), rounded(1.5 / iterations))
    return {"k0": first, "k1": rate, "k2": rounded(first / 1e4), "rise": rise}


def _wsd_family(rate: float, shape: Mapping[str, Any], iterations: int) -> dict[str, Any]:
    """Without a cooldown of its own the rate falls as 1 - sqrt from the end of the warm-up on."""
    warmup = round(shape["warm"] * iterations)
    decay = round(shape["cooldown"] * iterations) if "cooldown" in shape else iterations - warmup
    return {"k0": rate, "warmup": warmup, "decay": max(1, decay), "anneal": shape.get("anneal", "sqrt")}


PHASED = (
    Function(
        name="SGDR",
        parameters=(
            Rate(name="k0", meaning="one end of the range of rates"),
            Rate(name="k1", meaning="the other end of the range of rates", default=0),
            Number(name="l", meaning="iterations of the first cycle", least=1, dimension=Dimension.ITERATIONS),
            Scalar(name="mult", meaning="each cycle's length, in lengths of the one before it", least=1, default=1),
            Factor(
                name="fall",
                meaning="each cycle's height, in heights of the one before it (m_mul elsewhere). 1 is not written out",
                default=1,
                unwritten_default=True,
            ),
        ),
        formula="|k0 - k1| fall^i (1 + cos(pi s / c)) / 2 + min(k0, k1), where cycle i is c = l mult^i iterations long "
        "and s counts from its start",
        summary="half cosine with warm restarts, each cycle mult times as long and fall times as high as the last",
        source=SGDR_2017,
        example="SGDR(k0=0.1, k1=0, l=1000, mult=2)",
        rates=_sgdr,
        counted=("l", "mult"),
        expression=_sgdr_formula,
        family=Family(_sgdr_family, (FLOOR, Shape("cycles", 1, 4, whole=True), Choice("mult", (1, 2)))),
    ),
    Function(
        name="ONECYCLE",
        parameters=(
            Rate(name="k0", meaning="the rate at t = 0"),
            Rate(name="k1", meaning="the peak"),
            Rate(name="k2", meaning="the rate at t = l - 1 and after"),
            Length(name="l", meaning="iterations of the one cycle", default=Default.RUN),
            Scalar(name="rise", meaning="the share of l up to the peak", above=0, below=1, default=0.3),
            Word(name="anneal", meaning="the shape of both ways", choices=("cos", "linear"), default="cos"),
        ),
        formula="k0 + (k1 - k0) a(t / m) up to t = m = rise l - 1, then k1 + (k2 - k1) a((t - m) / (l - 1 - m)), "
        "where a(x) is (1 - cos(pi x)) / 2 or x",
        summary="climbs from k0 to the peak k1, then falls to k2, once",
        source=SMITH_TOPIN_2017,
        example="ONECYCLE(k0=0.004, k1=0.1, k2=4e-07, l=10000, rise=0.3, anneal=cos)",
        rates=_onecycle,
        rule=_onecycle_rule,
        expression=_onecycle_formula,
        family=Family(_onecycle_family, (Shape("rise", 0.1, 0.5),)),
    ),
    Function(
        name="SPLINE",
        parameters=(
            Rate(name="k0", meaning="the unit of the points"),
            Shares(name="points", meaning="the rate at equal distances from t = 0 to t = l, in units of k0"),
            Length(name="l", meaning="iterations up to the last point", default=Default.RUN),
        ),
        formula="k0 (p_i + (p_(i+1) - p_i) s), where t lies in segment i and s is the share of it that has passed; "
        "k0 times the last point from t = l on",
        summary="goes in straight lines from one point to the next",
        source="LRBench",
        example="SPLINE(k0=0.1, points=[0.1, 1, 0.8, 0.3, 0], l=10000)",
        rates=_spline,
        expression=_spline_formula,
        family=Family(_spline_family, POINTS),
    ),
    Function(
        name="WSD",
        parameters=(
            Rate(name="k0", meaning="the rate of the stable phase"),
            Rate(name="k1", meaning="the rate from t = l on", default=0),
            Number(
                name="warmup", meaning="iterations of the climb from 0 to k0", least=0, dimension=Dimension.ITERATIONS
            ),
            Length(name="decay", meaning="iterations of the fall to k1, up to t = l"),
            Length(name="l", meaning="iterations of all three phases", default=Default.RUN),
            Word(name="anneal", meaning="the shape of the fall", choices=tuple(SHAPES), default="linear"),
        ),
        formula="k0 t / warmup while t < warmup; k0; from t = l - decay on k1 + (k0 - k1) a((l - t) / decay), "
        "where a(x) is x, (1 - cos(pi x)) / 2 or 1 - sqrt(1 - x); k1 from t = l on",
        summary="warms up to k0, stays there, and falls to k1 at the end",
        source=HU_2024,
        example="WSD(k0=0.1, k1=0, warmup=500, decay=2000, l=10000, anneal=linear)",
        rates=_wsd,
        rule=_wsd_rule,
        expression=_wsd_formula,
        family=(
            Family(
                _wsd_family,
                (Shape("warm", 0.01, 0.2, log=True), Shape("cooldown", 0.1, 0.7), Choice("anneal", tuple(SHAPES))),
            ),
            Family(_wsd_family, (WARM,), variant="SQRT"),
        ),
    ),
)
