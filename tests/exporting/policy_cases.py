"""Policies whose snippets are run: every open-loop function, and what is hard to get right about each."""

from __future__ import annotations

from typing import Any

from lrbench.policies import functions, parse_policy, policy_from_mapping

ITERATIONS = 1000

HARD = (
    "STEP(k0=0.1, gamma=0.97, l=7)",
    "STEP(k0=0.1, gamma=0.5, l=33.3)",  # 333 is ten of these, though not in float64
    "STEP(k0=0.1, gamma=0.9, l=10.8)",  # 162 / 10.8 is just below 15 in float64
    "STEP(k0=0.1, gamma=0.9, l=33.333333333333336)",  # 100 / 3
    "SAW2(k0=0, k1=1, l=3.3000000000000003)",  # 1.1 * 3
    "HCOS(k0=0.01, k1=1, l=14.285714285714286)",  # 100 / 7
    "SGDR(k0=0.1, l=10.8, mult=2)",  # 162 is a restart
    "NSTEP(k0=1, gamma=0.9, l=[3.5, 20, 5000])",
    "EXP(k0=1, gamma=1.0005)",
    "INV(k0=0.1, gamma=0.01, p=0.75)",
    "INV(k0=0.1, gamma=3000000, p=0.5)",  # times 999 it is beyond 32-bit integers
    "POLY(k0=0.1, p=1.2)",
    "POLY(k0=0.1, p=0)",
    "SIG(k0=0.1, gamma=-5, l=100)",  # e^7000 on the way
    "SIG(k0=0.1, gamma=0.01, l=100)",
    "SIG(k0=0.1, gamma=100000000, l=100)",
    "LINEAR(k0=0, k1=1)",
    "LINEAR(k0=0.1, k1=0.05, l=5000000000)",  # beyond 32-bit integers
    "LINEAR(k0=0.1, k1=0.001, l=500)",
    "POLYDECAY(k0=0.1, k1=0.001, p=2.5, l=500)",
    "POLYDECAY(k0=0.001, k1=1, p=0.5, l=500)",
    "POLYDECAY(k0=0, k1=1, p=88505, l=32909263)",  # 1 - (1 - t/l)^p, rounded near 1, is 1.4e-9 off at t = 1
    "COSDECAY(k0=0.1, k1=0.01, l=500)",
    "COSDECAY(k0=0, k1=0.1, l=500)",
    "REX(k0=0.1)",
    "INVSQRT(k0=0.1, l=50)",
    "TRI2(k0=0.06, k1=0.01, l=33.3)",
    "TRI(k0=0.05, k1=0.05, l=10)",
    "SAW(k0=0, k1=1, l=41)",  # 41 times 1/41 is below 1 in float32
    "SAW2_HIGH(k0=0, k1=1, l=41)",
    "SAWEXP(k0=0, k1=0.06, gamma=0.99, l=33.3)",
    "COS2(k0=0, k1=0.1, l=41)",
    "COS2(k0=0, k1=0.1, l=41, halve=trough)",  # its troughs lie between two iterations
    "TRI2_HIGH(k0=0, k1=0.1, l=20)",
    "SIN2_HIGH(k0=0, k1=0.1, l=10.8, halve=trough)",
    "SGDR(k0=0.1, k1=0.01, l=10, mult=1)",
    "SGDR(k0=0.1, l=10, mult=2)",
    "SGDR(k0=0.1, l=100, mult=1.1)",  # 100 + 110.00000000000001 is 210
    "SGDR(k0=0.1, l=5000, mult=2)",
    "SGDR(k0=0.1, k1=0.01, l=100, fall=0.7)",
    "SGDR(k0=0.1, k1=0.01, l=100, mult=2, fall=0.5)",
    "POWER(k0=0.02, a=1, b=-0.51)",
    "SPLINE(k0=0.1, points=[0.1, 1, 1, 0.8, 0.3, 0])",
    "SPLINE(k0=0.1, points=[0, 1.5, 0.2], l=500)",
    "PRODUCT(policies=[EXP(k0=0.1, gamma=0.999), STEP(k0=1, gamma=0.5, l=33.3), SCALE(factor=2, policy=LINEAR(k0=1))])",
    "ONECYCLE(k0=0.004, k1=0.1, k2=4e-07)",
    "ONECYCLE(k0=0.004, k1=0.1, k2=0, rise=0.37, anneal=linear)",
    "ONECYCLE(k0=0.1, k1=0.004, k2=1)",
    "WSD(k0=0.1, warmup=0, decay=100)",
    "WSD(k0=0.01, k1=0.1, warmup=50, decay=100, anneal=sqrt)",
    "WSD(k0=0.1, k1=0.01, warmup=50, decay=100, anneal=cos)",
    "WSD(k0=0.1, k1=0.01, warmup=50, decay=100, anneal=sqrt)",
    "WARMUP(policy=POLY(k0=0.1, p=1.2), l=50, k0=0.2, count=run)",
    "WARMUP(policy=EXP(k0=0.1, gamma=0.999), l=50)",
    "COMPOSE(policies=[EXP(k0=0.1, gamma=0.99), FIX(k0=0.01), COSDECAY(k0=0.1), POLY(k0=0.1, p=2)],"
    " boundaries=[100, 200, 500], count=[stage, run, stage, run])",
    "COMPOSE(policies=[FIX(k0=0.1), FIX(k0=0.2)], boundaries=[5])",
    "COMPOSE(policies=[SIN(k0=0, k1=0.1, l=10), EXP(k0=0.1, gamma=0.9), SIN(k0=0, k1=0.1, l=10)], boundaries=[40, 90])",
    "SCALE(factor=3, policy=COMPOSE(policies=[FIX(k0=0.1), WARMUP(policy=SIG(k0=0.1, gamma=-0.1, l=9), l=7)],"
    " boundaries=[5]))",
)


def _tenth(value: Any, name: str = "") -> Any:
    """A policy's mapping with every length a tenth of what it is."""
    if isinstance(value, dict):
        return {key: _tenth(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_tenth(inner, name) for inner in value]
    return value // 10 if name in {"l", "warmup", "decay", "boundaries"} else value


OPEN_LOOP = tuple(
    policy_from_mapping(_tenth(parse_policy(row.example).mapping)) for row in functions() if row.rates is not None
)
"""Every open-loop function by its own example, in which a run has 10000 iterations and here 1000."""
CASES = (*OPEN_LOOP, *map(parse_policy, HARD))
