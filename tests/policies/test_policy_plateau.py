"""Closed-loop policies: what is a plateau, what follows from it, and what they see inside compositions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from policies.policy_strategies import reacts
from property_settings import examples

from lrbench.errors import PolicyError
from lrbench.policies import Controller, parse_policy, policy_from_mapping

INTERVAL = 10
NAN = math.nan
ACT_AT_ONCE = "patience=1, threshold=0, threshold_mode=abs, monitor=accuracy"

values = st.sampled_from([0.0, 0.25, 0.5, 0.5001, 0.6, 1.0, 2.3, NAN]) | st.floats(0, 3)
parameters = st.fixed_dictionaries(
    {
        "factor": st.sampled_from([0.1, 0.5, 0.3]) | st.floats(0.01, 0.99),
        "patience": st.integers(1, 4),
        "threshold": st.sampled_from([0.0, 1e-4, 0.1, 0.25, 0.5]) | st.floats(0, 0.99),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "monitor": st.sampled_from(["accuracy", "train_loss", "test_loss", "bleu", "perplexity"]),
        "min_rate": st.sampled_from([0, 0.001, 0.02, 0.1]),
    }
)


MODES = {"bleu": "max", "perplexity": "min"}
"""The mode of each metric of ``parameters`` whose name does not tell it."""


def row(iteration: int, value: float) -> dict[str, float]:
    """An evaluation of which every value that can be monitored is the same."""
    names = ("accuracy_top1", "train_loss", "test_loss", *MODES)
    return {"iteration": iteration, **dict.fromkeys(names, value)}


def shown(controller: Controller, seen: Sequence[float]) -> list[float]:
    """Every rate of the stretches up to each evaluation, one every INTERVAL iterations, and of the stretch after it."""
    rates = []
    for number, value in enumerate([*seen, NAN]):
        start, end = INTERVAL * number, INTERVAL * (number + 1)
        rates += controller.rates(start, end).tolist()
        controller.observe(row(end, value))
    return rates


def after_each(text: str, seen: Sequence[float], iterations: int = 10_000) -> list[float]:
    """The first rate after each evaluation."""
    return shown(parse_policy(text).start(iterations), seen)[INTERVAL::INTERVAL]


@examples(100)
@given(parameters, st.lists(values, max_size=40))
def test_plateau_gives_the_rates_of_pytorch(given_parameters: dict[str, Any], seen: list[float]) -> None:
    import torch

    rest = dict(given_parameters)
    policy = policy_from_mapping({"function": "PLATEAU", "k0": 0.1, **rest, **mode_of(rest)})
    assert parse_policy(policy.text) == policy
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max" if rest["monitor"] in {"accuracy", "bleu"} else "min",
        factor=rest["factor"],
        patience=rest["patience"] - 1,
        threshold=rest["threshold"],
        threshold_mode=rest["threshold_mode"],
        cooldown=rest["cooldown"],
        min_lr=rest["min_rate"],
        eps=0,
    )
    controller = policy.start(10_000)
    for number, value in enumerate(seen, start=1):
        scheduler.step(value)
        controller.observe(row(number, value))
        assert controller.rates(number, number + 2).tolist() == [optimizer.param_groups[0]["lr"]] * 2


def mode_of(given: dict[str, Any]) -> dict[str, str]:
    """The parameter ``mode``, where the monitored metric needs it."""
    return {"mode": MODES[given["monitor"]]} if given["monitor"] in MODES else {}


def keras_rates(seen: Sequence[float], p: dict[str, Any]) -> list[float]:
    """The rate after each value: on_epoch_end of Keras's ReduceLROnPlateau written out."""
    highest = p["monitor"] in {"accuracy", "bleu"}
    best, wait, cooling, rate, rates = (-math.inf if highest else math.inf), 0, 0, 0.1, []
    for value in seen:
        if cooling > 0:
            cooling, wait = cooling - 1, 0
        if value > best + p["threshold"] if highest else value < best - p["threshold"]:
            best, wait = value, 0
        elif cooling <= 0:
            wait += 1
            if wait >= p["patience"] and rate > p["min_rate"]:
                rate, cooling, wait = max(rate * p["factor"], p["min_rate"]), p["cooldown"], 0
        rates.append(rate)
    return rates


@examples(100)
@given(parameters, st.lists(values, min_size=1, max_size=40))
def test_plateau_gives_the_rates_of_keras_but_for_one_evaluation_of_cooldown(
    given_parameters: dict[str, Any], seen: list[float]
) -> None:
    rest = {
        **given_parameters,
        **mode_of(given_parameters),
        "threshold_mode": "abs",
        "cooldown": max(0, given_parameters["cooldown"] - 1),
    }
    controller = policy_from_mapping({"function": "PLATEAU", "k0": 0.1, **rest}).start(10_000)
    assert shown(controller, seen)[INTERVAL::INTERVAL] == keras_rates(seen, given_parameters)


@pytest.mark.parametrize(
    ("rest", "seen", "rates"),
    [
        ("patience=2, monitor=accuracy", [0.5, 0.5, 0.5, 0.5, 0.5, 0.6], [8, 8, 4, 4, 2, 2]),
        ("patience=2", [0.5, 0.6, 0.4, 0.4, 0.4], [8, 8, 8, 8, 4]),
        ("patience=1, cooldown=2, monitor=accuracy", [0.5] * 7, [8, 4, 4, 4, 2, 2, 2]),
        ("patience=1, cooldown=2, monitor=accuracy", [0.5, 0.5, 0.7, 0.5, 0.6], [8, 4, 4, 4, 2]),
        ("patience=1, threshold=0.25, threshold_mode=abs", [1, 0.75, 0.5], [8, 4, 4]),
        ("patience=1, threshold=0.5", [1, 0.5, 0.25], [8, 4, 4]),
        ("patience=1, min_rate=3", [1, 1, 1, 1], [8, 4, 3, 3]),
        ("patience=2, monitor=accuracy", [NAN, NAN, NAN], [8, 4, 4]),
        ("patience=2, monitor=accuracy", [NAN, 0.1, NAN, 0.1, 0.2], [8, 8, 8, 4, 4]),
        ("patience=1", [math.inf, 1e9, -math.inf], [4, 4, 2]),
    ],
)
def test_what_is_a_plateau(rest: str, seen: list[float], rates: list[float]) -> None:
    assert after_each(f"PLATEAU(k0=8, factor=0.5, {rest})", seen) == rates


def test_a_value_that_is_not_there_is_no_better() -> None:
    controller = parse_policy("PLATEAU(k0=8, factor=0.5, patience=2)").start(100)
    for iteration in (10, 20):
        controller.observe({"iteration": iteration})
    assert controller.rates(20, 21).tolist() == [4]


UP_AND_DOWN = "policies=[FIX(k0=0.1), TRI(k0=0.2, k1=0.5, l=15), FIX(k0=0.01)]"


def test_a_switch_goes_on_at_each_plateau_up_or_down_and_each_policy_begins_at_its_own_t_0() -> None:
    tri = parse_policy("TRI(k0=0.2, k1=0.5, l=15)").rates(range(20), 60).tolist()
    controller = parse_policy(f"SWITCH({UP_AND_DOWN}, {ACT_AT_ONCE})").start(60)
    assert shown(controller, [0.5, 0.4, 0.6, 0.6, 0.6]) == [0.1] * 20 + tri + [0.01] * 20


def test_a_switch_that_counts_from_the_run_goes_on_as_if_the_policy_had_been_there() -> None:
    tri = parse_policy("TRI(k0=0.2, k1=0.5, l=15)").rates(range(60), 60).tolist()
    controller = parse_policy(f"SWITCH({UP_AND_DOWN}, {ACT_AT_ONCE}, count=run)").start(60)
    assert shown(controller, [0.5, 0.4, 0.6, 0.6]) == [0.1] * 20 + tri[20:40] + [0.01] * 10


def test_after_the_last_policy_it_stays_or_begins_again_from_that_policys_t_0() -> None:
    text = f"SWITCH(policies=[LINEAR(k0=1, l=100), FIX(k0=3)], {ACT_AT_ONCE}, at_end="
    assert after_each(f"{text}stay)", [0.5] * 5) == [0.9, 3, 3, 3, 3]
    assert after_each(f"{text}cycle)", [0.5] * 5) == [0.9, 3, 1, 3, 1]


def test_a_switch_waits_out_its_cooldown() -> None:
    text = f"SWITCH({UP_AND_DOWN}, patience=2, cooldown=2, monitor=accuracy)"
    assert after_each(text.replace("TRI(k0=0.2, k1=0.5, l=15)", "FIX(k0=0.2)"), [0.5] * 8) == [
        *(0.1, 0.1),
        *(0.2, 0.2, 0.2, 0.2),
        *(0.01, 0.01),
    ]


def test_a_missing_l_in_a_switch_is_the_runs_iterations_whenever_it_comes() -> None:
    controller = parse_policy(f"SWITCH(policies=[FIX(k0=1), LINEAR(k0=1)], {ACT_AT_ONCE})").start(100)
    assert shown(controller, [0.5, 0.5])[20:] == pytest.approx([1 - t / 100 for t in range(10)])


def test_a_closed_loop_policy_in_a_switch_sees_only_its_own_evaluations_and_starts_anew() -> None:
    text = (
        f"SWITCH(policies=[PLATEAU(k0=8, factor=0.5, {ACT_AT_ONCE}), FIX(k0=1)], patience=3, threshold=0, "
        "monitor=accuracy, at_end=cycle)"
    )
    # Best at the 1st; the 2nd and 3rd halve; the 4th switches, the 7th switches back, to a policy that knows no best.
    assert after_each(text, [0.5] * 9) == [8, 4, 2, 1, 1, 1, 8, 8, 4]


def test_a_switch_goes_back_in_the_first_share_of_the_run_and_on_in_the_rest() -> None:
    text = f"SWITCH(policies=[FIX(k0=4), FIX(k0=2), FIX(k0=1)], {ACT_AT_ONCE}, begin=1, back=0.5)"
    flat = [0.5] * 6
    first = parse_policy(text).start(8 * INTERVAL).rates(0, INTERVAL)
    assert set(first.tolist()) == {2}
    # The first value is the best so far; from the second on each is a plateau, back to the first half's end.
    assert after_each(text, flat, 8 * INTERVAL) == [2, 4, 4, 4, 2, 1]
    assert after_each(text.replace("back=0.5", "back=0"), flat, 8 * INTERVAL) == [2, 1, 1, 1, 1, 1]
    assert parse_policy(text.replace("begin=1, back=0.5", "begin=0, back=0")).text.endswith("at_end=stay, count=stage)")


def test_greedy_raises_its_rate_while_the_value_gets_better_and_lowers_it_at_a_plateau() -> None:
    text = "GREEDY(k0=1, factor=0.5, patience=2, threshold=0, monitor=accuracy, max_rate=3, min_rate=0.4)"
    seen = [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
    assert after_each(text, seen) == [1, 1, 2, 2, 3, 3, 1.5, 1.5, 1.5, 0.75, 0.75, 0.4]
    assert [bound.text for bound in parse_policy(text).upper_bounds] == ["FIX(k0=3)"]


def test_a_warm_ups_evaluations_are_not_the_policys() -> None:
    controller = parse_policy(f"WARMUP(policy=PLATEAU(k0=1, factor=0.5, {ACT_AT_ONCE}), l=20)").start(100)
    climb = [t / 20 for t in range(20)]
    assert shown(controller, [0.5] * 5) == pytest.approx(climb + [1] * 20 + [0.5] * 10 + [0.25] * 10)


def test_a_warm_up_that_ends_between_two_evaluations() -> None:
    controller = parse_policy(f"WARMUP(policy=PLATEAU(k0=1, factor=0.5, {ACT_AT_ONCE}), l=5)").start(100)
    assert shown(controller, [0.5, 0.5]) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8] + [1] * 15 + [0.5] * 10)


def test_each_stage_sees_the_evaluations_of_its_own_iterations() -> None:
    plateau = f"PLATEAU(k0=1, factor=0.5, {ACT_AT_ONCE})"
    text = f"COMPOSE(policies=[{plateau}, LINEAR(k0=1), {plateau}], boundaries=[20, 35])"
    linear = [1 - t / 15 for t in range(15)]
    # The evaluations at 10 and 20 are the first stage's; that at 40, the third's first, is its best.
    assert shown(parse_policy(text).start(70), [0.5] * 6) == pytest.approx(
        [1] * 20 + linear + [1] * 15 + [0.5] * 10 + [0.25] * 10
    )


def test_scale_multiplies_every_rate_its_floor_too() -> None:
    text = "PLATEAU(k0=8, factor=0.25, patience=1, monitor=accuracy, min_rate=1)"
    assert after_each(f"SCALE(factor=3, policy={text})", [0.5] * 4) == [24, 6, 3, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PLATEAU(k0=1, min_rate=2)", "PLATEAU: min_rate is 2, but must be at most k0, which is 1; for example"),
        ("PLATEAU(k0=1, factor=1)", "PLATEAU: factor is 1, but must be a finite number above 0 and below 1"),
        ("PLATEAU(k0=1, patience=0)", "PLATEAU: patience is 0, but must be a whole number of at least 1"),
        ("PLATEAU(k0=1, threshold=1)", "must be below 1; lower it, or set threshold_mode=abs"),
        ("PLATEAU(k0=1, monitor=loss)", "PLATEAU: monitor is loss, and mode does not say whether low or"),
        ("SWITCH(policies=[FIX(k0=1)])", "SWITCH: policies is"),
        ("SWITCH(policies=[FIX(k0=1), FIX(k0=2)], begin=2)", "SWITCH: begin is 2, but must be below 2, the number of"),
        (
            "SWITCH(policies=[FIX(k0=1), FIX(k0=2)], back=1)",
            "SWITCH: back is 1, but must be a finite number of at least 0",
        ),
        ("GREEDY(k0=1, max_rate=0.5)", "GREEDY: k0 is 1, but must lie from min_rate, 0, to max_rate, 0.5"),
        (
            "SWITCH(policies=[FIX(k0=1), PLATEAU(k0=1)], count=run)",
            "SWITCH: count is run, but PLATEAU reacts to evaluations and can only count from its start",
        ),
        (
            "WARMUP(policy=SCALE(factor=2, policy=PLATEAU(k0=1)), l=5, count=run)",
            "WARMUP: count is run, but SCALE reacts to evaluations",
        ),
        (
            "COMPOSE(policies=[FIX(k0=1), PLATEAU(k0=1)], boundaries=[5], count=run)",
            "COMPOSE: count of policies[1] is run, but PLATEAU reacts",
        ),
        (
            "COMPOSE(policies=[FIX(k0=1), PLATEAU(k0=1)], boundaries=[5], count=[stage, run])",
            "COMPOSE: count of policies[1] is run, but PLATEAU reacts",
        ),
    ],
)
def test_impossible_ones_are_refused(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text)
    assert message in str(refused.value)


def test_an_open_loop_stage_beside_a_closed_loop_one_may_count_from_the_run() -> None:
    text = f"COMPOSE(policies=[PLATEAU(k0=1, {ACT_AT_ONCE}), LINEAR(k0=1)], boundaries=[30], count=[stage, run])"
    policy = parse_policy(text)
    policy.check(100)
    assert shown(policy.start(100), [0.5] * 3)[30:] == pytest.approx([1 - t / 100 for t in range(30, 40)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SWITCH(policies=[FIX(k0=1), POLY(k0=1, p=1, l=50)])", "SWITCH: POLY: the rate at t = 51 is -0.02"),
        ("SCALE(factor=1e300, policy=PLATEAU(k0=1e10))", "SCALE: the rate at t = 0 is inf"),
        ("WARMUP(policy=PLATEAU(k0=1), l=100)", "WARMUP: l is 100, but must be below the 100 iterations"),
        ("COMPOSE(policies=[PLATEAU(k0=1), FIX(k0=1)], boundaries=[100])", "COMPOSE: boundary 100 lies beyond"),
        (
            "COMPOSE(policies=[FIX(k0=1), SWITCH(policies=[FIX(k0=1), WARMUP(policy=FIX(k0=1), l=60)])], boundaries=[40])",
            "COMPOSE: policies[1]: WARMUP: l is 60, but must be below the 60 iterations",
        ),
        (
            "SWITCH(policies=[FIX(k0=1), SWITCH(policies=[FIX(k0=1), EXP(k0=1, gamma=1e5)])])",
            "SWITCH: EXP: the rate at t = 62 is inf",
        ),
    ],
)
def test_what_can_be_known_beforehand_is_checked(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text).check(100)
    assert message in str(refused.value)


def test_a_product_of_more_switches_than_can_be_checked_is_refused() -> None:
    switch = "SWITCH(policies=[FIX(k0=1), FIX(k0=2), FIX(k0=3)])"
    with pytest.raises(PolicyError, match="PRODUCT: the policies that react to evaluations have more than 1000 rates"):
        parse_policy(f"PRODUCT(policies=[{', '.join([switch] * 8)}])").check(100)


def test_its_rates_are_not_told_beforehand() -> None:
    for text in ("PLATEAU(k0=1)", "SCALE(factor=2, policy=PLATEAU(k0=1))", "SWITCH(policies=[FIX(k0=1), FIX(k0=1)])"):
        policy = parse_policy(text)
        assert policy.closed_loop
        with pytest.raises(PolicyError, match="depend on the evaluations of a run; train with it"):
            policy.rates([0], 100)
    assert not parse_policy("SCALE(factor=2, policy=FIX(k0=1))").closed_loop


def test_a_deep_nest_is_checked_in_no_time() -> None:
    text = "SWITCH(policies=[FIX(k0=1), FIX(k0=2)])"
    for _ in range(13):
        text = f"SCALE(factor=1, policy={text})"
    assert len(parse_policy(text).upper_bounds) == 2


with_mode = parameters.map(lambda p: p | mode_of(p))
watching = with_mode.map(lambda p: {name: p[name] for name in p if name not in ("factor", "min_rate", "patience")})
leaves = st.sampled_from(["FIX(k0=0.5)", "TRI(k0=0.1, k1=0.6, l=7)", "LINEAR(k0=2)"]).map(
    lambda text: parse_policy(text).mapping
) | with_mode.map(lambda p: {"function": "PLATEAU", "k0": 0.1, **p, "patience": 1})


def compositions(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    pairs, patience = st.lists(inner, min_size=2, max_size=2), st.integers(1, 2)
    switch = st.builds(
        lambda policies, p, at_end, patience: {
            "function": "SWITCH",
            "policies": policies,
            **p,
            "at_end": at_end,
            "patience": patience,
        },
        pairs,
        watching,
        st.sampled_from(["stay", "cycle"]),
        patience,
    )
    compose = st.builds(
        lambda policies, boundary: {"function": "COMPOSE", "policies": policies, "boundaries": [boundary]},
        pairs,
        st.integers(1, 40),
    )
    warmup = st.builds(
        lambda policy, end: {"function": "WARMUP", "policy": policy, "l": end}, inner, st.integers(1, 25)
    )
    scale = inner.map(lambda policy: {"function": "SCALE", "factor": 3, "policy": policy})
    return switch | compose | warmup | scale


@examples(75)
@given(st.recursive(leaves, compositions, max_leaves=4), st.lists(values, min_size=5, max_size=12), st.data())
def test_a_fresh_controller_that_is_shown_the_same_evaluations_gives_the_same_rates(
    raw: dict[str, Any], seen: list[float], data: st.DataObject
) -> None:
    policy = policy_from_mapping(raw)
    iterations = INTERVAL * (len(seen) + 1)
    try:
        policy.check(iterations)
    except PolicyError:
        assume(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = shown(policy.start(iterations), seen)
    if not reacts(raw):
        assert whole == policy.rates(np.arange(iterations), iterations).tolist()
    assert all(math.isfinite(rate) and rate >= 0 for rate in whole)
    done = data.draw(st.integers(0, len(seen)))
    again = policy.start(iterations)
    for number in range(done):
        again.observe(row(INTERVAL * (number + 1), seen[number]))
    assert (
        again.rates(INTERVAL * done, INTERVAL * (done + 1)).tolist() == whole[INTERVAL * done : INTERVAL * (done + 1)]
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("monitor=perplexity", "monitor is perplexity, and mode does not say whether low or high values of it are "),
        ("mode=max", "mode is max, which does not go with train_loss; remove it"),
        ("monitor=accuracy, mode=min", "mode is min, which does not go with accuracy; remove it"),
        (
            "monitor=Loss",
            "monitor is Loss, but must be the name of a metric, such as train_loss, test_loss or accuracy",
        ),
        ("mode=low", "mode is low, but must be auto or min or max"),
    ],
)
def test_a_monitored_metric_that_cannot_be_judged_is_refused(parameters: str, message: str) -> None:
    for policy in (
        "PLATEAU(k0=0.1, factor=0.5, {})",
        "GREEDY(k0=0.1, max_rate=0.2, {})",
        "SWITCH(policies=[FIX(k0=0.1), FIX(k0=0.2)], {})",
    ):
        with pytest.raises(PolicyError) as refused:
            parse_policy(policy.format(parameters))
        assert message in str(refused.value)


def test_the_monitored_metrics_of_a_policy_are_those_of_its_parts() -> None:
    text = (
        "COMPOSE(policies=[PLATEAU(k0=0.1, factor=0.5, monitor=bleu, mode=max), SWITCH(policies=[FIX(k0=0.1), "
        "PLATEAU(k0=0.1, factor=0.5)], monitor=accuracy)], boundaries=[5])"
    )
    assert parse_policy(text).monitored == {"bleu", "train_loss", "accuracy"}
    assert parse_policy("FIX(k0=0.1)").monitored == set()
