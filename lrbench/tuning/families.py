"""LR functions as families for a search: a base rate, and a shape that depends on neither it nor the run's length.

A family's base rate is the largest rate that its policies use. Its shape is a handful of numbers, such as "cycles in
the run" or "what is left of the rate at the end", so that one search space serves a run of 300 iterations and one of
70,000, and the base rate can be tuned by itself. Source: the split of base rate and shape of arXiv:2603.10301.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lrbench.errors import SpecError, did_you_mean
from lrbench.policies import Policy, policy_from_mapping

DIGITS = 4
"""Significant digits of the rates that a search tries: finer differences are below the noise of any training."""


@dataclass(frozen=True)
class Shape:
    """One number of a shape: its range, on a logarithmic scale or in whole steps where that is said."""

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False


Values = Mapping[str, float]


@dataclass(frozen=True)
class Family:
    """An LR function with the shapes that a search tries.

    Attributes:
        parameters: from base rate, shape and the run's iterations to the function's parameters.
    """

    function: str
    shapes: tuple[Shape, ...]
    parameters: Callable[[float, Values, int], dict[str, Any]]

    def policy(self, rate: float, shape: Values, iterations: int) -> Policy:
        """The policy of that base rate and shape in a run of so many iterations."""
        return policy_from_mapping({"function": self.function, **self.parameters(rounded(rate), shape, iterations)})


def rounded(rate: float) -> float:
    """A rate to a few significant digits."""
    return float(f"{rate:.{DIGITS}g}")


def _decay(left: float, iterations: int) -> float:
    """gamma of gamma^t with ``left`` at the end of the run, as far as its distance from 1 goes."""
    return float(f"{1 - rounded(1 - left ** (1 / iterations)):.12g}")


def _length(iterations: int, parts: float) -> int:
    return max(1, -(-iterations // int(parts)))


FLOOR = Shape("floor", 0.01, 0.5, log=True)  # the least rate, as a part of the base rate
CYCLES = Shape("cycles", 1, 8, log=True, whole=True)
HALVINGS = Shape("cycles", 2, 5, whole=True)
LEFT = Shape("left", 0.01, 0.8, log=True)  # what is left of the rate, or of the wave, at the end of the run
POWER = Shape("p", 0.5, 4, log=True)


def _step(rate: float, shape: Values, iterations: int) -> dict[str, Any]:
    return {"k0": rate, "gamma": rounded(shape["gamma"]), "l": _length(iterations, shape["drops"] + 1)}


def _nstep(rate: float, shape: Values, iterations: int) -> dict[str, Any]:
    first, drops = shape["first"], int(shape["drops"])
    parts = [first + (1 - first) * drop / drops for drop in range(drops)]
    steps = sorted({max(1, round(part * iterations)) for part in parts})
    return {"k0": rate, "gamma": rounded(shape["gamma"]), "l": steps}


def _inverse(rate: float, shape: Values, iterations: int) -> dict[str, Any]:
    power = round(shape["p"], 2)
    return {"k0": rate, "gamma": rounded((shape["left"] ** (-1 / power) - 1) / iterations), "p": power}


def _cyclic(whole_cycle: int, **fixed: str) -> Callable[[float, Values, int], dict[str, Any]]:
    """Parameters of a wave whose cycle is ``whole_cycle`` times l, and ``fixed`` ones."""

    def parameters(rate: float, shape: Values, iterations: int) -> dict[str, Any]:
        found: dict[str, Any] = {"k0": rounded(rate * shape["floor"]), "k1": rate}
        if "left" in shape:
            found["gamma"] = _decay(shape["left"], iterations)
        return found | {"l": _length(iterations, shape["cycles"] * whole_cycle)} | fixed

    return parameters


THIRTEEN = (
    Family("FIX", (), lambda rate, shape, iterations: {"k0": rate}),
    Family("STEP", (Shape("drops", 1, 6, whole=True), Shape("gamma", 0.1, 0.8, log=True)), _step),
    Family(
        "NSTEP",
        (Shape("first", 0.3, 0.8), Shape("drops", 1, 3, whole=True), Shape("gamma", 0.1, 0.5, log=True)),
        _nstep,
    ),
    Family(
        "EXP",
        (Shape("left", 0.001, 0.8, log=True),),
        lambda rate, shape, iterations: {"k0": rate, "gamma": _decay(shape["left"], iterations)},
    ),
    Family("INV", (Shape("left", 0.02, 0.8, log=True), Shape("p", 0.5, 1)), _inverse),
    Family("POLY", (POWER,), lambda rate, shape, iterations: {"k0": rate, "p": round(shape["p"], 2)}),
    Family("TRI", (FLOOR, CYCLES), _cyclic(2)),
    Family("TRI2", (FLOOR, HALVINGS), _cyclic(2)),
    Family("TRIEXP", (FLOOR, CYCLES, LEFT), _cyclic(2)),
    Family("SIN", (FLOOR, CYCLES), _cyclic(2)),
    Family("SIN2", (FLOOR, HALVINGS), _cyclic(2)),
    Family("SINEXP", (FLOOR, CYCLES, LEFT), _cyclic(2)),
    Family("COS", (FLOOR, CYCLES), _cyclic(1)),
)
OTHERS = (
    Family("LINEAR", (), lambda rate, shape, iterations: {"k0": rate}),
    Family("COSDECAY", (), lambda rate, shape, iterations: {"k0": rate}),
    Family("REX", (), lambda rate, shape, iterations: {"k0": rate}),
    Family(
        "POLYDECAY",
        (Shape("floor", 0.001, 0.2, log=True), POWER),
        lambda rate, shape, iterations: {"k0": rate, "k1": rounded(rate * shape["floor"]), "p": round(shape["p"], 2)},
    ),
    Family(
        "WARMUP",
        (Shape("warm", 0.02, 0.3, log=True),),
        lambda rate, shape, iterations: {
            "policy": {"function": "COSDECAY", "k0": rate},
            "l": max(1, round(shape["warm"] * iterations)),
        },
    ),
    Family("TRI2_HIGH", (FLOOR, HALVINGS), _cyclic(2, halve="trough")),
    Family("SIN2_HIGH", (FLOOR, HALVINGS), _cyclic(2, halve="trough")),
    Family("COS2", (FLOOR, HALVINGS), _cyclic(1, halve="trough")),
    Family("COSEXP", (FLOOR, CYCLES, LEFT), _cyclic(1)),
    Family("SAWEXP_HIGH", (FLOOR, CYCLES, LEFT), _cyclic(1)),
    Family("HCOS", (FLOOR, CYCLES), _cyclic(1)),
)
FAMILIES: Mapping[str, Family] = MappingProxyType({family.function: family for family in (*THIRTEEN, *OTHERS)})


def find_family(function: str) -> Family:
    """The family of that LR function.

    Raises:
        SpecError: there is none.
    """
    if function not in FAMILIES:
        remedy = did_you_mean(function, FAMILIES) or f"known are {', '.join(FAMILIES)}; search.space takes any function"
        raise SpecError(f"no shapes are known to search for the LR function {function!r}", remedy=remedy)
    return FAMILIES[function]
