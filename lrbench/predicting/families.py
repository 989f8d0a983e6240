"""A grid of policies to predict: named families at the peak rates that were fitted.

There are no families with free knots: a search over them finds what a law gets wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.policies import Policy, parse_policy
from lrbench.predicting.curves import Curve
from lrbench.predicting.refusals import SAME_RATE

COOLDOWNS = (0.1, 0.2, 0.4, 0.6, 0.8)
MOST_PEAKS = 5


def families(curves: Sequence[Curve], iterations: int) -> list[Policy]:
    """Policies of each family for a run of that length, at up to five peak rates that the curves have.

    A policy warms up for as long as the curve with the nearest peak does.
    """
    found: list[Policy] = []
    for peak in _peaks(curves):
        warm_up = min(curves, key=lambda curve: abs(curve.schedule.peak - peak)).schedule.warm_up
        falling = [f"{name}(k0={peak:.12g})" for name in ("COSDECAY", "LINEAR", "REX")]
        if warm_up:
            falling = [f"WARMUP(policy={text}, l={warm_up})" for text in falling]
        cooldowns = [
            f"WSD(k0={peak:.12g}, k1=0, warmup={warm_up}, decay={round(share * iterations)}, anneal={anneal})"
            for share in COOLDOWNS
            for anneal in ("linear", "sqrt")
            if warm_up + round(share * iterations) <= iterations
        ]
        found += map(parse_policy, [*falling, *cooldowns])
    return found


def _peaks(curves: Sequence[Curve]) -> list[float]:
    peaks: list[float] = []
    for peak in sorted(curve.schedule.peak for curve in curves):
        if not peaks or peak > peaks[-1] * SAME_RATE:
            peaks.append(peak)
    step = max(1, -(-len(peaks) // MOST_PEAKS))
    return peaks[::-1][::step]
