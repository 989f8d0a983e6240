"""Which policies Caffe knows natively, and how it writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.policies import Policy

Parameters = Mapping[str, Any]


def _fixed(p: Parameters) -> SolverParameter:
    return SolverParameter(lr_policy="fixed", base_lr=p["k0"])


def _step(p: Parameters) -> SolverParameter:
    return SolverParameter(lr_policy="step", base_lr=p["k0"], gamma=p["gamma"], stepsize=p["l"])


def _multistep(p: Parameters) -> SolverParameter:
    return SolverParameter(lr_policy="multistep", base_lr=p["k0"], gamma=p["gamma"], stepvalue=p["l"])


def _exp(p: Parameters) -> SolverParameter:
    return SolverParameter(lr_policy="exp", base_lr=p["k0"], gamma=p["gamma"])


def _inv(p: Parameters) -> SolverParameter:
    return SolverParameter(lr_policy="inv", base_lr=p["k0"], gamma=p["gamma"], power=p["p"])


def _poly(p: Parameters) -> SolverParameter:
    return SolverParameter(lr_policy="poly", base_lr=p["k0"], power=p["p"])


def _sigmoid(p: Parameters) -> SolverParameter:
    return SolverParameter(lr_policy="sigmoid", base_lr=p["k0"], gamma=p["gamma"], stepsize=p["l"])


_FORMS: dict[str, Callable[[Parameters], SolverParameter]] = {
    "FIX": _fixed,
    "STEP": _step,
    "NSTEP": _multistep,
    "EXP": _exp,
    "INV": _inv,
    "POLY": _poly,
    "SIG": _sigmoid,
}


NATIVE_NAMES = tuple(_FORMS)


def native_schedule(policy: Policy, iterations: int) -> SolverParameter | None:
    """The ``lr_policy`` fields of a policy that Caffe computes itself; None where it has none or would abort.

    Caffe's step lengths are integers, its poly ends at ``max_iter``, and it aborts on a negative gamma. A SCALE around
    a native policy is native too: every native formula is linear in its ``k0``.
    """
    factor, plain = _unscaled(policy)
    p: dict[str, Any] = dict(plain.parameters)
    if plain.name not in _FORMS or p.get("gamma", 0) < 0:
        return None
    p["k0"] *= factor
    if plain.name == "POLY":
        return _poly(p) if p.get("l", iterations) in (None, iterations) else None
    if "l" in p:
        lengths = [_whole(length) for length in (p["l"] if plain.name == "NSTEP" else [p["l"]])]
        if None in lengths:
            return None
        p["l"] = lengths if plain.name == "NSTEP" else lengths[0]
    return _FORMS[plain.name](p)


def _unscaled(policy: Policy) -> tuple[float, Policy]:
    """The factor of all SCALEs around a policy, and the policy itself."""
    factor, inner = 1.0, policy
    while inner.name == "SCALE":
        parameters: Parameters = inner.parameters
        factor *= parameters["factor"]
        inner = parameters["policy"]
    return factor, inner


def _whole(length: float) -> int | None:
    """A length that fits Caffe's positive 32-bit integers, else None."""
    return int(length) if float(length).is_integer() and 0 < length < 2**31 else None
