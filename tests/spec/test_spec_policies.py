"""Policies of a spec: text, mappings and grids; impossible ones are refused at their line; the order of the runs."""

from __future__ import annotations

import pytest

import lrbench.spec.expansion


def with_policies(spec, *lines):
    return spec.changed("  - FIX(k0=0.01)\n", "".join(f"  {line}\n" for line in lines))


def texts(experiment):
    return [run.policy.text for run in experiment.runs]


def test_text_and_mapping_say_the_same(spec):
    mapping = with_policies(spec, "- function: TRI", "  k0: 1e-2", "  k1: 0.06", "  l: 20").read()
    text = with_policies(spec, "- TRI(k0=0.01, k1=0.06, l=20)").read()
    assert texts(mapping) == texts(text) == ["TRI(k0=0.01, k1=0.06, l=20)"]


def test_a_list_as_a_parameter_makes_a_grid(spec):
    experiment = with_policies(
        spec, "- {function: STEP, k0: [0.01, 0.02], gamma: [0.5, 0.9], l: 10}", "- FIX(k0=[0.1, 0.2])"
    ).read()
    assert texts(experiment) == [
        "STEP(k0=0.01, gamma=0.5, l=10)",
        "STEP(k0=0.01, gamma=0.9, l=10)",
        "STEP(k0=0.02, gamma=0.5, l=10)",
        "STEP(k0=0.02, gamma=0.9, l=10)",
        "FIX(k0=0.1)",
        "FIX(k0=0.2)",
    ]


def test_a_nested_mapping_is_a_nested_policy(spec):
    experiment = with_policies(
        spec, "- function: WARMUP", "  l: 10", "  policy: {function: FIX, k0: [0.1, 0.2]}"
    ).read()
    assert texts(experiment) == [
        "WARMUP(policy=FIX(k0=0.1), l=10, k0=0, count=stage)",
        "WARMUP(policy=FIX(k0=0.2), l=10, k0=0, count=stage)",
    ]


def test_seeds_are_outermost_and_policies_innermost(spec):
    experiment = with_policies(spec, "- FIX(k0=0.1)", "- FIX(k0=0.2)").read(
        "seeds=[7, 3]", "solver=[SGD, Adam]", "robustness.scales=[0.5, 1, 2]"
    )
    order = [(run.seed, run.lr_scale, run.solver.type, run.policy.text) for run in experiment.runs]
    assert order == [
        (seed, scale, solver, policy)
        for seed in (7, 3)
        for scale in (1, 0.5, 2)
        for solver in ("SGD", "Adam")
        for policy in ("FIX(k0=0.1)", "FIX(k0=0.2)")
    ]


def test_robustness_scales_the_rates_and_keeps_the_policys_name(spec):
    run = spec.more("robustness: {scales: [5]}\n").read().runs[1]
    assert (run.policy.text, run.function, run.lr_scale) == ("FIX(k0=0.01)", "FIX", 5)
    assert run.effective_policy.rates([0], 100)[0] == pytest.approx(0.05)
    assert run.label == "FIX(k0=0.01) x5 SGD seed 0"


IMPOSSIBLE = "but must be finite and not negative; change the parameters, or shorten the run"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("FIX(k0=-1)", "FIX: k0 is -1, but must be a finite number of at least 0; for example FIX(k0=0.01)"),
        (
            "{function: FIX, k0: .nan}",
            "FIX: k0 is nan, but must be a finite number of at least 0; for example FIX(k0=0.01)",
        ),
        (
            "{function: FIX, k0: '0.01'}",
            "FIX: k0 is 0.01, but must be a finite number of at least 0; for example FIX(k0=0.01)",
        ),
        ("FIX(k=1)", 'FIX: unknown parameter "k"; did you mean k0? it takes k0'),
        ("FIXX(k0=1)", 'unknown LR function "FIXX"; did you mean FIX? `lrbench policies list` shows all of them'),
        ("3", "a policy is a text or a mapping, but this is 3; write it as in FIX(k0=0.01)"),
        ("", "a policy is a text or a mapping, but this is empty; write it as in FIX(k0=0.01)"),
        ("[FIX(k0=1)]", "a policy is a text or a mapping, but this is a list; write it as in FIX(k0=0.01)"),
        ("FIX(k0=[0.1, 0.1])", "the grid makes FIX(k0=0.1) twice; leave one of the equal values out"),
        (
            "FIX(k0=0.020)",
            "the policy FIX(k0=0.02) is listed twice, first at trial.yaml:13; remove one; "
            "seeds give several runs of a policy",
        ),
        (
            "PLATEAU(k0=0.1, factor=0.5, monitor=perplexity, mode=min)",
            "PLATEAU(k0=0.1, factor=0.5, patience=10, threshold=0.0001, threshold_mode=rel, cooldown=0, "
            "monitor=perplexity, mode=min, min_rate=0): monitor is 'perplexity', but must be a metric of an evaluation; "
            "set it to accuracy, test_loss or train_loss for instance",
        ),
        ("POLY(k0=0.1, p=1, l=50)", f"POLY(k0=0.1, p=1, l=50): POLY: the rate at t = 51 is -0.002, {IMPOSSIBLE}"),
        ("POLY(k0=0.1, p=1.2, l=50)", f"POLY(k0=0.1, p=1.2, l=50): POLY: the rate at t = 51 is nan, {IMPOSSIBLE}"),
        ("EXP(k0=1, gamma=1e9)", f"EXP(k0=1, gamma=1000000000): EXP: the rate at t = 35 is inf, {IMPOSSIBLE}"),
        (
            "COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[100])",
            "COMPOSE(policies=[FIX(k0=1), FIX(k0=2)], boundaries=[100], count=stage): COMPOSE: boundary 100 lies beyond the "
            "100 iterations of the run or stage: what follows would never begin; leave that stage out, or give more "
            "iterations",
        ),
    ],
)
def test_an_impossible_policy_is_refused_at_its_line(spec, policy, message):
    assert with_policies(spec, "- FIX(k0=0.02)", f"- {policy}").refusal() == f"trial.yaml:14: {message}"


def test_of_several_wrong_policies_all_are_named(spec):
    message = with_policies(
        spec, "- FIX(k0=0.02)", "- cosine", "- POLY(k0=0.1, p=1, l=50)", "- FIX(k0=0.020)", "- TRI(k0=1)"
    ).refusal()
    assert message == (
        'trial.yaml:14: policy "cosine": unknown LR function "cosine"; did you mean COSDECAY or COS or SGDR? `lrbench '
        "policies list` shows all of them; also wrong: policies.2 (trial.yaml:15), policies.3 (trial.yaml:16), "
        "policies.4 (trial.yaml:17)"
    )
    assert with_policies(spec, *["- FIX(k0=-1)"] * 9).refusal().endswith("policies.5 (trial.yaml:18) and 3 more")


def test_a_doubled_key_inside_a_policy(spec):
    message = with_policies(spec, "- function: FIX", "  k0: 1", "  k0: 2").refusal()
    assert message == "trial.yaml:15: the key 'k0' appears twice; keep one"


def test_a_rate_that_a_scale_makes_infinite(spec):
    message = with_policies(spec, "- FIX(k0=1e300)").more("robustness: {scales: [2, 1e10]}\n").refusal()
    assert message.startswith(
        "trial.yaml:13: SCALE(factor=10000000000, policy=FIX(k0=1e+300)): SCALE: the rate at t = 0 is inf"
    )


def test_a_run_that_two_ways_lead_to(spec):
    message = (
        with_policies(spec, "- FIX(k0=0.01)", "- SCALE(factor=2, policy=FIX(k0=0.01))")
        .more("robustness: {scales: [2]}\n")
        .refusal()
    )
    assert message == (
        "trial.yaml:13: FIX(k0=0.01) x2 SGD seed 0 would be trained twice, since SCALE(factor=2, "
        "policy=FIX(k0=0.01)) SGD seed 0 is the same run; remove one of the policies, solvers or scales"
    )


def test_policies_in_brackets_need_quotes(spec):
    message = with_policies(spec, "[TRI(k0=0.01, k1=0.06, l=20)]").refusal()
    assert message.endswith("inside [ ] YAML ends text at each comma: quote the policy, or put it on its own line")
    assert len(with_policies(spec, "['TRI(k0=0.01, k1=0.06, l=20)', FIX(k0=1)]").read().runs) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["[]"], "policies is an empty list, but must be a list of at least 1; for example policies: ['FIX(k0=0.01)']"),
        (["FIX(k0=0.01)"], "policies is 'FIX(k0=0.01)', but must be a list; for example policies: ['FIX(k0=0.01)']"),
    ],
)
def test_policies_are_a_list(spec, lines, message):
    assert with_policies(spec, *lines).refusal() == f"trial.yaml:12: {message}"


def test_too_many_runs_are_refused_before_they_are_made(spec, monkeypatch):
    monkeypatch.setattr(lrbench.spec.expansion, "MOST_RUNS", 5)
    policies = with_policies(spec, "- FIX(k0=[0.1, 0.2, 0.3])")
    assert len(policies.read().runs) == 3
    assert policies.refusal("seeds=[0, 1]") == (
        "trial.yaml:12: these policies, solvers, scales and seeds make 6 runs; a spec makes at most 5"
    )
    assert with_policies(spec, "- FIX(k0=[1, 2, 3, 4])", "- FIX(k0=[5, 6])").refusal() == (
        "trial.yaml:14: more than 5 policies; split them into several specs"
    )
