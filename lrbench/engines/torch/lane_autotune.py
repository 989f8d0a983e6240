"""Choice of a session's number of lanes by short trials on the machine at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lrbench.engines.process.exit_reason import OutOfMemory

LEAST_GAIN = 1.1
"""Twice the lanes have to make so many times the iterations a second, or they are not worth their memory.

A smaller step, to as many lanes as there are runs, has to gain as much for its size.
"""
SHARE_OF_MEMORY = 0.8
"""Share of the free memory that may be used."""


@dataclass(frozen=True)
class Trial:
    """Measurement of a few rounds of some lanes: seconds a round; bytes used, and still free."""

    lanes: int
    round_seconds: float
    used_bytes: int
    free_bytes: int

    @property
    def speed(self) -> float:
        """Iterations per second of all lanes together."""
        return self.lanes / self.round_seconds


def choose_lanes(attempt: Callable[[int], Trial], most: int) -> tuple[int, str]:
    """Double the lanes as long as that pays and there is memory; gives their number, and why in a few words.

    Args:
        attempt: tries a number of lanes; may raise OutOfMemory for more than one.
        most: lanes that there are runs for.
    """
    best = attempt(1)
    budget = SHARE_OF_MEMORY * (best.used_bytes + best.free_bytes)
    lane_bytes = float(best.used_bytes)  # too much, as it holds the data, too; known better from two lanes on
    while best.lanes < most:
        count = min(2 * best.lanes, most)
        needed = best.used_bytes + (count - best.lanes) * lane_bytes
        if needed > budget:
            return best.lanes, f"{count} would need about {_size(needed)} of memory, and {_size(budget)} may be used"
        try:
            found = attempt(count)
        except OutOfMemory:
            return best.lanes, f"there is too little memory for {count}"
        gain = found.speed / best.speed
        if gain < LEAST_GAIN ** math.log2(count / best.lanes):
            return best.lanes, f"{count} would make {gain:.2f} times as many iterations a second"
        lane_bytes = (found.used_bytes - best.used_bytes) / (found.lanes - best.lanes)
        best = found
    return best.lanes, "there are no more runs" if most > 1 else "there is one run"


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
