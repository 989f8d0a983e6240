"""The LR functions once more, one t at a time in decimal arithmetic of 60 digits, straight from their formulas.

Nothing is shared with the package: no numpy, no float64 but the parameters, the trigonometry from its power series.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, getcontext
from math import floor

getcontext().prec = 60

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899863")
HALF = Decimal("0.5")


def cos(x: Decimal) -> Decimal:
    """The cosine, by its power series after taking whole turns away."""
    x = x % (2 * PI)
    term, total, n = Decimal(1), Decimal(0), 0
    while abs(term) > Decimal("1e-58"):
        total += term
        n += 2
        term *= -x * x / (n * (n - 1))
    return total


def sin(x: Decimal) -> Decimal:
    return cos(x - PI / 2)


def arcsin_of_sin(x: Decimal) -> Decimal:
    """arcsin(sin(x)), which is x up to pi/2, then pi - x up to 3 pi/2, and so on."""
    turns = x % (2 * PI)
    if turns <= PI / 2:
        return turns
    return PI - turns if turns <= 3 * PI / 2 else turns - 2 * PI


def power(base: Decimal, exponent: Decimal | int) -> Decimal:
    return Decimal(1) if exponent == 0 else Decimal(0) if base == 0 else base ** Decimal(exponent)


def fraction(t: int, length: Decimal) -> Decimal:
    return Decimal(t) / length - floor(Decimal(t) / length)


def polygon(points: list[Decimal], share: Decimal) -> Decimal:
    """The straight lines through points at equal distances, at a share of the whole."""
    place = share * (len(points) - 1)
    number = min(floor(place), len(points) - 2)
    return points[number] + (points[number + 1] - points[number]) * (place - number)


def decaying(g: Callable[..., Decimal]) -> Callable[..., Decimal]:
    return lambda t, k0, **rest: k0 * g(t, **rest)


def cyclic(g: Callable[..., Decimal]) -> Callable[..., Decimal]:
    return lambda t, k0, k1, **rest: abs(k0 - k1) * g(t, **rest) + min(k0, k1)


WAVES: dict[str, tuple[int, Callable[[int, Decimal], Decimal]]] = {
    "TRI": (2, lambda t, length: 2 / PI * abs(arcsin_of_sin(PI * t / (2 * length)))),
    "TRI_HIGH": (2, lambda t, length: 2 / PI * abs(arcsin_of_sin(PI * t / (2 * length) + PI / 2))),
    "SIN": (2, lambda t, length: abs(sin(PI * t / (2 * length)))),
    "SIN_HIGH": (2, lambda t, length: abs(sin(PI * t / (2 * length) + PI / 2))),
    "COS": (1, lambda t, length: (1 + cos(2 * PI * t / length)) / 2),
    "COS_LOW": (1, lambda t, length: (1 + cos(2 * PI * t / length + PI)) / 2),
    "SAW": (1, fraction),
    "SAW_HIGH": (1, lambda t, length: 1 - fraction(t, length)),
    "HSIN": (1, lambda t, length: sin(PI / 2 * (1 - fraction(t, length)))),
    "HSIN_LOW": (1, lambda t, length: sin(PI / 2 * fraction(t, length))),
    "HCOS": (1, lambda t, length: (1 + cos(PI * fraction(t, length))) / 2),
    "HCOS_LOW": (1, lambda t, length: (1 - cos(PI * fraction(t, length))) / 2),
}


def enveloped(name: str, envelope: str) -> Callable[..., Decimal]:
    cycle_in_l, wave = WAVES[name]
    if envelope == "2":

        def halved(t: int, length: Decimal, halve: str = "crest") -> Decimal:
            later = HALF if halve == "trough" else 0
            return wave(t, length) / Decimal(2) ** floor(Decimal(t) / (cycle_in_l * length) + later)

        return cyclic(halved)
    if envelope == "EXP":
        return cyclic(lambda t, length, gamma: wave(t, length) * power(gamma, t))
    return cyclic(wave)


CYCLIC = {
    name.replace("_", f"{envelope}_") if "_" in name else name + envelope: enveloped(name, envelope)
    for name in WAVES
    for envelope in ("", "2", "EXP")
}

FORMULAS: dict[str, Callable[..., Decimal]] = {
    "FIX": lambda t, k0: k0,
    "STEP": decaying(lambda t, gamma, length: power(gamma, floor(Decimal(t) / length))),
    "NSTEP": decaying(lambda t, gamma, length: power(gamma, sum(1 for boundary in length if boundary <= t))),
    "EXP": decaying(lambda t, gamma: power(gamma, t)),
    "INV": decaying(lambda t, gamma, p: 1 / power(1 + gamma * t, p)),
    "POLY": decaying(lambda t, length, p: power(1 - t / length, p)),
    **CYCLIC,
    "SIG": decaying(lambda t, gamma, length: 1 / (1 + (-gamma * (t - length)).exp())),
    "LINEAR": lambda t, k0, k1, length: k1 + (k0 - k1) * max(1 - t / length, Decimal(0)),
    "POLYDECAY": lambda t, k0, k1, length, p: k1 + (k0 - k1) * power(max(1 - t / length, Decimal(0)), p),
    "COSDECAY": lambda t, k0, k1, length: k1 + (k0 - k1) * (1 + cos(PI * min(t / length, Decimal(1)))) / 2,
    "REX": decaying(lambda t, length: (1 - t / length) / (HALF + HALF * (1 - t / length))),
    "SPLINE": lambda t, k0, points, length: k0 * polygon(points, min(Decimal(t) / length, Decimal(1))),
    "POWER": lambda t, k0, a, b: min(k0, a * power(Decimal(t) + 1, b)),
    "INVSQRT": decaying(lambda t, length: (length / max(Decimal(t), length)).sqrt()),
}


def exact_rate(name: str, t: int, **parameters: object) -> Decimal:
    """The rate at t, where every float64 parameter stands for exactly the number that it holds."""
    return FORMULAS[name](t, **{"length" if key == "l" else key: decimals(value) for key, value in parameters.items()})


def decimals(value: object) -> object:
    if isinstance(value, str):
        return value
    return [Decimal(item) for item in value] if isinstance(value, tuple) else Decimal(value)  # type: ignore[arg-type]
