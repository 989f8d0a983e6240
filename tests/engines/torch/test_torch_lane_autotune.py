"""How many lanes the trials choose, on machines that are only numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lrbench.engines.process.exit_reason import OutOfMemory
from lrbench.engines.torch.engine import Trial, choose_lanes

MEGABYTE = 2**20


def machine(
    best: int, lane_bytes: int = MEGABYTE, free_bytes: int = 2**40, fails_at: int = 10**9
) -> Callable[[int], Trial]:
    """One that trains up to ``best`` lanes as fast as one, and has so much memory beside 100 MB of data."""

    def attempt(count: int) -> Trial:
        if count >= fails_at:
            raise OutOfMemory("no memory")
        used = 100 * MEGABYTE + count * lane_bytes
        return Trial(count, max(1.0, count / best), used, free_bytes - used)

    return attempt


@pytest.mark.parametrize(("best", "most", "chosen"), [(1, 64, 1), (8, 64, 8), (8, 5, 5), (100, 1, 1), (100, 17, 17)])
def test_lanes_are_doubled_as_long_as_that_pays_and_there_are_runs(best, most, chosen):
    assert choose_lanes(machine(best), most)[0] == chosen


def test_the_reason_is_told():
    assert choose_lanes(machine(8), 64)[1] == "16 would make 1.00 times as many iterations a second"
    assert choose_lanes(machine(8), 4)[1] == "there are no more runs"
    assert choose_lanes(machine(8), 1)[1] == "there is one run"


def test_a_fifth_of_the_memory_stays_free():
    found, why = choose_lanes(machine(64, lane_bytes=2**30, free_bytes=12 * 2**30), 64)
    assert found == 8
    assert why == "16 would need about 16.1 GiB of memory, and 9.6 GiB may be used"


def test_a_trial_that_runs_out_of_memory_decides():
    assert choose_lanes(machine(64, fails_at=8), 64) == (4, "there is too little memory for 8")
    with pytest.raises(OutOfMemory):
        choose_lanes(machine(64, fails_at=1), 64)
