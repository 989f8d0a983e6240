"""Stages, warm-up and scale: who counts from where, and with which budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.policies import parse_policy

TRI = "TRI(k0=0.01, k1=0.06, l=40)"
POLY = "POLY(k0=0.1, p=2)"
RUN = 1000
T = np.arange(RUN)


def rates(text: str, t: object = T, iterations: int = RUN) -> list[float]:
    policy = parse_policy(text)
    policy.check(iterations)
    return policy.rates(t, iterations).tolist()  # type: ignore[arg-type, no-any-return]


def test_stages_that_count_their_own_t_have_their_own_budget() -> None:
    composed = rates(f"COMPOSE(policies=[{TRI}, {POLY}, {POLY}], boundaries=[130, 600])")
    assert composed[:130] == rates(TRI)[:130]
    assert composed[130:600] == rates(POLY, range(470), 470)
    assert composed[600:] == rates(POLY, range(400), 400)


def test_stages_that_count_from_the_run_have_its_budget() -> None:
    composed = rates(f"COMPOSE(policies=[{TRI}, {POLY}, {TRI}], boundaries=[130, 600], count=run)")
    assert composed[:130] == rates(TRI)[:130]
    assert composed[130:600] == rates(POLY)[130:600]
    assert composed[600:] == rates(TRI)[600:]


def test_each_stage_may_count_in_its_own_way() -> None:
    composed = rates(f"COMPOSE(policies=[{TRI}, {POLY}, {TRI}], boundaries=[130, 600], count=[run, run, stage])")
    assert composed[130:600] == rates(POLY)[130:600]
    assert composed[600:] == rates(TRI)[:400]


def test_a_composition_of_compositions_counts_inside_its_stage() -> None:
    inner = f"COMPOSE(policies=[{TRI}, {POLY}], boundaries=[100])"
    stages = f"policies=[FIX(k0=1), {inner}, {inner}], boundaries=[300, 700], count=[stage, stage, run]"
    composed = rates(f"COMPOSE({stages})")
    assert composed[300:700] == rates(inner, range(400), 400)
    assert composed[700:] == rates(inner)[700:]


@given(st.integers(1, RUN - 1), st.sampled_from(["stage", "run"]))
def test_a_boundary_between_equal_policies_that_count_from_the_run_changes_nothing(boundary: int, count: str) -> None:
    composed = rates(f"COMPOSE(policies=[{TRI}, {TRI}], boundaries=[{boundary}], count=[{count}, run])")
    assert composed == rates(TRI)


def test_the_budget_reaches_only_the_stages_that_are_asked_for() -> None:
    policy = parse_policy(f"COMPOSE(policies=[FIX(k0=1), {POLY}], boundaries=[500])")
    assert policy.rates([0, 100], 101).tolist() == [1, 1]


def test_stages_come_piece_by_piece_as_in_one_go() -> None:
    text = f"WARMUP(policy=COMPOSE(policies=[{TRI}, {POLY}], boundaries=[300]), l=50)"
    policy, whole = parse_policy(text), rates(text)
    pieces = [policy.rates(np.arange(start, start + 100), RUN) for start in range(0, RUN, 100)]
    assert np.concatenate(pieces).tolist() == whole


def test_warm_up_climbs_to_where_the_policy_begins() -> None:
    warmed = rates(f"WARMUP(policy={POLY}, l=100, k0=0.02)")
    assert warmed[:100] == pytest.approx([0.02 + 0.08 * t / 100 for t in range(100)], rel=1e-12)
    assert warmed[100:] == rates(POLY, range(900), 900)


def test_warm_up_of_a_policy_that_counts_from_the_run() -> None:
    warmed = rates(f"WARMUP(policy={POLY}, l=100, count=run)")
    target = 0.1 * 0.9**2
    assert warmed[:100] == pytest.approx([target * t / 100 for t in range(100)], rel=1e-12)
    assert warmed[100:] == rates(POLY)[100:]


def test_warm_up_may_fall() -> None:
    assert rates("WARMUP(policy=FIX(k0=0), l=4, k0=1)", range(6)) == [1, 0.75, 0.5, 0.25, 0, 0]


def test_scale_multiplies() -> None:
    assert rates(f"SCALE(factor=10, policy={TRI})") == [10 * rate for rate in rates(TRI)]
