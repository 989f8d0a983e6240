"""The formula of each open-loop LR function, in the form in which it is written into a user's own training.

A formula is text in Python's grammar: the function's parameters, ``low`` and ``high`` (the lower and the higher of k0
and k1), ``pi``, sin, cos, exp, expm1, log1p, sqrt, abs, min, max, and what each dialect says in its own way:

- ``turns(t, c)``: how many whole cycles of c iterations lie before t;
- ``troughs(t, c)``: how many cycles of c iterations have their middle at or before t;
- ``phase(t, c)``: how much of t's cycle has passed, from 0 up to, not including, 1;
- ``reached(t, b)``: how many of the boundaries b are at most t.

They agree with ``lrbench.policies`` at every t of a run: in float64 the decays, and what is made of them, to 1e-12 of
the rate itself, cyclic functions to 1e-12 of the highest rate. So a fall or climb is a sum of the lower rate and what
lies above it, measured from the end where that is small: neither term cancels the other. What ``lrbench.policies``
holds beyond a run's end (0, a floor) is held here, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lrbench.errors import PolicyError
from lrbench.policies.cycles import restarts
from lrbench.policies.cyclic import CREST, TROUGH
from lrbench.policies.values import Values, canonical_number


@dataclass(frozen=True)
class Formula:
    """How a rate is computed from t.

    Args:
        rate: the rate; with phases, that of the last one.
        phases: a condition on t, and the rate where it holds and none before it does.
        names: names for parts of the rates, with what each stands for.
    """

    rate: str
    phases: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[str, str], ...] = ()


# In terms of x, the phase in a cycle. What starts low is sin^2, not (1 - cos) / 2, which loses its digits near 0.
_SHAPES = {
    "TRI": ("2 * l", "2 * min(x, 1 - x)"),
    "TRI_HIGH": ("2 * l", "abs(1 - 2 * x)"),
    "SIN": ("2 * l", "sin(pi * x)"),
    "SIN_HIGH": ("2 * l", "abs(cos(pi * x))"),
    "COS": ("l", "(1 + cos(2 * pi * x)) / 2"),
    "COS_LOW": ("l", "sin(pi * x) ** 2"),
    "SAW": ("l", "x"),
    "SAW_HIGH": ("l", "(1 - x)"),
    "HSIN": ("l", "cos(pi * x / 2)"),
    "HSIN_LOW": ("l", "sin(pi * x / 2)"),
    "HCOS": ("l", "(1 + cos(pi * x)) / 2"),
    "HCOS_LOW": ("l", "sin(pi * x / 2) ** 2"),
}
_ENVELOPES = {"": "", "2": " * 0.5 ** turns(t, {cycle})", "EXP": " * gamma ** t"}
_HALVED_IN_TROUGHS = " * 0.5 ** troughs(t, {cycle})"
_FALLS = {"linear": "{x}", "cos": "sin(pi / 2 * {x}) ** 2", "sqrt": "{x} / (1 + sqrt(1 - {x}))"}  # from 1 to 0, as x
MOST_RESTARTS = 1000


def _always(formula: Formula) -> Callable[[Values], Formula]:
    return lambda v: formula


def _cyclic(name: str, envelope: str) -> tuple[str, Callable[[Values], Formula]]:
    """A row of ``FORMULAS``; COS_LOW with the envelope 2 is COS2_LOW."""
    cycle, shape = _SHAPES[name]

    def formula(v: Values) -> Formula:
        after = _HALVED_IN_TROUGHS if getattr(v, "halve", CREST) == TROUGH else _ENVELOPES[envelope]
        rate = f"(high - low) * {shape}{after.format(cycle=cycle)} + low"
        return Formula(rate, names=(("x", f"phase(t, {cycle})"),))

    stem, _, start = name.partition("_")
    return f"{stem}{envelope}{'_' if start else ''}{start}", formula


def _sgdr(v: Values) -> Formula:
    wave = "(high - low) * (1 + cos(pi * x)) / 2 + low"
    if v.mult == 1:
        return Formula(wave, names=(("x", "phase(t, l)"),))
    begun = _restarts(v)
    if not begun:
        return Formula(wave, names=(("x", "min(t / l, 1)"),))
    return Formula(
        wave,
        names=(
            ("cycle", f"reached(t, {begun})"),
            ("start", "l * (mult ** cycle - 1) / (mult - 1)"),
            ("x", "min((t - start) / (l * mult ** cycle), 1)"),
        ),
    )


def _restarts(v: Values) -> list[int]:
    """The first whole t of each cycle that begins after t = 0 and before the end."""
    starts = restarts(v.l, v.mult, v.iterations)
    found = [math.ceil(start) for start in starts[1:] if start < v.iterations]
    if len(found) > MOST_RESTARTS:
        raise PolicyError(
            f"it has more than {MOST_RESTARTS} restarts, which cannot be written out",
            remedy="take mult=1, or export its rates, to csv",
        )
    return found


@dataclass(frozen=True)
class Span:
    """The part of a run in which a rate goes from one end to the other, each end a parameter's name and its value."""

    first: tuple[str, float]
    last: tuple[str, float]
    passed: str
    left: str

    def rate(self, shape: str = "{x}") -> str:
        """The rate's text: the lower rate, and the share of the difference that is left or has passed.

        Args:
            shape: a share as a formula of x, that of the time; of 1 - x it is the rest to 1.
        """
        (first, start), (last, end) = self.first, self.last
        if end <= start:
            return f"{last} + ({first} - {last}) * {shape.format(x=self.left)}"
        return f"{first} + ({last} - {first}) * {shape.format(x=self.passed)}"


def _decay(shape: str) -> Callable[[Values], Formula]:
    return lambda v: Formula(Span(("k0", v.k0), ("k1", v.k1), "min(t / l, 1)", "max(l - t, 0) / l").rate(shape))


def _polydecay(v: Values) -> Formula:
    if v.k1 <= v.k0:
        return Formula("k1 + (k0 - k1) * (max(l - t, 0) / l) ** p")
    # (1 - t/l)^p - 1 without the cancellation near t = 0, where a large p would amplify its rounding.
    return Formula("k1", (("t < l", "k0 + (k0 - k1) * expm1(p * log1p(-t / l))"),))


def _onecycle(v: Values) -> Formula:
    peak, end = canonical_number(v.rise * v.l - 1), v.l - 1
    fall = canonical_number(end - peak)
    up = Span(("k0", v.k0), ("k1", v.k1), f"t / {peak!r}", f"({peak!r} - t) / {peak!r}")
    down = Span(("k1", v.k1), ("k2", v.k2), f"min((t - {peak!r}) / {fall!r}, 1)", f"max({end!r} - t, 0) / {fall!r}")
    return Formula(down.rate(_FALLS[v.anneal]), ((f"t <= {peak!r}", up.rate(_FALLS[v.anneal])),))


def _wsd(v: Values) -> Formula:
    share = _FALLS[v.anneal].format(x="x")
    rate = f"k1 + (k0 - k1) * {share}" if v.k1 <= v.k0 else f"k0 * ({share}) + k1 * (1 - {share})"
    climb = (("t < warmup", "k0 * t / warmup"),) if v.warmup else ()
    return Formula(rate, climb, (("x", f"max(min(({v.l!r} - t) / decay, 1), 0)"),))


def _nstep(v: Values) -> Formula:
    # t is whole: it has passed a boundary where it has reached the next whole number.
    return Formula(f"k0 * gamma ** reached(t, {[math.ceil(boundary) for boundary in v.l]})")


_SIMPLE = {
    "FIX": "k0",
    "STEP": "k0 * gamma ** turns(t, l)",
    "EXP": "k0 * gamma ** t",
    "INV": "k0 * (1.0 + gamma * t) ** -p",
    "POLY": "k0 * (max(l - t, 0) / l) ** p",
    "SIG": "k0 / (1 + exp(min(gamma * (l - t), 700)))",  # e^710 is more than a float holds
    "INVSQRT": "k0 * sqrt(l / max(t, l))",
}

FORMULAS: dict[str, Callable[[Values], Formula]] = {
    **{name: _always(Formula(rate)) for name, rate in _SIMPLE.items()},
    **dict(_cyclic(wave, envelope) for wave in _SHAPES for envelope in _ENVELOPES),
    "LINEAR": _decay("{x}"),
    "POLYDECAY": _polydecay,
    "COSDECAY": _decay("sin(pi / 2 * {x}) ** 2"),
    "REX": lambda v: Formula("k0 * x / (0.5 + 0.5 * x)", names=(("x", "max(l - t, 0) / l"),)),
    "NSTEP": _nstep,
    "SGDR": _sgdr,
    "ONECYCLE": _onecycle,
    "WSD": _wsd,
}
"""The formula of each function by its name; compositions are written of those of their policies."""
