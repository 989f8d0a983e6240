"""Solvers: Caffe's six types, what each of them reads, and the short forms of a list of them."""

from __future__ import annotations

import pytest

from lrbench.spec.solver_types import SOLVER_PARAMETERS, SOLVER_TYPES

EVERY = {"momentum": "0.5", "momentum2": "0.5", "delta": "0.5", "rms_decay": "0.5"}
TYPES = "'SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta' or 'Adam'"
TAKES_NONE = "remove it, or write a list of mappings, one per solver"


def with_solver(spec, written):
    return spec.changed("solver: {type: SGD, momentum: 0.9}", f"solver: {written}")


def solvers(spec, written):
    return with_solver(spec, written).read().settings.solver


# What Caffe's solvers read, from its source: SGDSolver and those derived from it, each with its own checks.
@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("SGD", {"momentum"}),
        ("Nesterov", {"momentum"}),
        ("AdaGrad", {"delta"}),
        ("RMSProp", {"delta", "rms_decay"}),
        ("AdaDelta", {"momentum", "delta"}),
        ("Adam", {"momentum", "momentum2", "delta"}),
    ],
)
@pytest.mark.parametrize("parameter", sorted(EVERY))
def test_a_type_takes_what_caffe_reads_and_nothing_else(spec, kind, read, parameter):
    written = f"{{type: {kind}, {parameter}: 0.5}}"
    if parameter in read:
        assert solvers(spec, written)[0].resolved()[parameter] == 0.5
    else:
        assert with_solver(spec, written).refusal() == (
            f"trial.yaml:9: solver.{parameter} is not a parameter of {kind}; {TAKES_NONE}"
        )


def test_every_type_is_known():
    assert set(SOLVER_TYPES) == set(SOLVER_PARAMETERS)


@pytest.mark.parametrize("kind", SOLVER_TYPES)
def test_the_resolved_parameters_are_those_that_the_type_reads(spec, kind):
    resolved = solvers(spec, kind)[0].resolved()
    always = {"type", "weight_decay", "regularization_type", "iter_size", "lr_scale"}
    assert set(resolved) == always | SOLVER_PARAMETERS[kind]
    assert solvers(spec, f"{{type: {kind}, clip_gradients: 35}}")[0].resolved() == resolved | {"clip_gradients": 35.0}


def test_the_defaults_are_caffes(spec):
    adam, rmsprop = solvers(spec, "[Adam, RMSProp]")
    assert (adam.momentum, adam.momentum2, adam.delta) == (0.0, 0.999, 1e-8)
    assert (rmsprop.rms_decay, rmsprop.weight_decay, rmsprop.iter_size) == (0.99, 0.0, 1)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("SGD", [("SGD", 0.0)]),
        ("[SGD, Adam]", [("SGD", 0.0), ("Adam", 0.0)]),
        ("{type: [SGD, Nesterov], momentum: 0.9}", [("SGD", 0.9), ("Nesterov", 0.9)]),
        ("[{type: SGD, momentum: 0.9}, {type: SGD, momentum: 0.5}, Adam]", [("SGD", 0.9), ("SGD", 0.5), ("Adam", 0.0)]),
        ("[{type: [SGD, Nesterov], momentum: 0.9}, Adam]", [("SGD", 0.9), ("Nesterov", 0.9), ("Adam", 0.0)]),
        ("{momentum: 0.9}", [("SGD", 0.9)]),
    ],
)
def test_a_list_makes_a_matrix(spec, written, expected):
    assert [(solver.type, solver.momentum) for solver in solvers(spec, written)] == expected


def test_every_solver_trains_every_policy(spec):
    experiment = with_solver(spec, "[SGD, Adam]").more("  - FIX(k0=0.02)\n").read()
    assert [run.label for run in experiment.runs] == [
        "FIX(k0=0.01) SGD seed 0",
        "FIX(k0=0.02) SGD seed 0",
        "FIX(k0=0.01) Adam seed 0",
        "FIX(k0=0.02) Adam seed 0",
    ]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{type: sgd}", f"9: solver.type is 'sgd', but must be {TYPES}; did you mean SGD?"),
        ("{type: Adamax}", f"9: solver.type is 'Adamax', but must be {TYPES}; did you mean Adam or AdaGrad?"),
        ("[SGD, Lion]", f"9: solver.1.type is 'Lion', but must be {TYPES}; for example type: SGD"),
        ("{type: []}", f"9: solver.type is an empty list, but must be {TYPES}; for example type: SGD"),
        (
            "[]",
            "9: solver is an empty list, but must be a list of at least 1; for example solver: {type: SGD, momentum: 0.9}",
        ),
        ("", "9: solver is empty, but must be a mapping; for example solver: {type: SGD, momentum: 0.9}"),
        ("3", "9: solver is 3, but must be a mapping; for example solver: {type: SGD, momentum: 0.9}"),
        ("[[SGD]]", "9: solver.0 is a list, but must be a mapping; for example solver: {type: SGD, momentum: 0.9}"),
        ("[SGD, SGD]", "9: solver.1 is the same as an earlier solver; remove one"),
        ("[SGD, {type: SGD, momentum: 0}]", "9: solver.1 is the same as an earlier solver; remove one"),
        ("{type: [SGD, SGD]}", "9: solver is the same as an earlier solver; remove one"),
        ("{type: [SGD, AdaGrad], momentum: 0.9}", f"9: solver.momentum is not a parameter of AdaGrad; {TAKES_NONE}"),
        (
            "\n  - SGD\n  - type: Adam\n    momentun: 0.9",
            "12: unknown key 'solver.1.momentun'; did you mean momentum or momentum2?",
        ),
        (
            "\n  - type: [SGD, Nesterov]\n    momentum: 0.9\n  - type: AdaDelta\n    momentum: 2",
            "13: solver.1.momentum is 2, but must be below 1; for example momentum: 0.9",
        ),
    ],
)
def test_refusals_name_the_solver_as_it_is_written(spec, written, message):
    assert with_solver(spec, written).refusal() == f"trial.yaml:{message}"


def test_a_solvers_scale_multiplies_the_rates_of_every_policy(spec):
    experiment = with_solver(spec, "[SGD, {type: Adam, lr_scale: 0.1}]").read()
    plain, scaled = experiment.runs
    assert plain.policy.text == "FIX(k0=0.01)"
    assert scaled.policy.text == "SCALE(factor=0.1, policy=FIX(k0=0.01))"
    assert scaled.function == "FIX"
    assert scaled.effective_policy.rates([0], 100)[0] == pytest.approx(0.001)


def test_the_momentum_may_be_a_policy_as_text_or_as_a_mapping(spec):
    (text,) = solvers(spec, "{type: SGD, momentum: 'TRI(k0=0.95,k1=0.85,l=20)'}")
    (mapping,) = solvers(spec, "{type: SGD, momentum: {function: TRI, k0: 0.95, k1: 0.85, l: 20}}")
    assert text == mapping
    assert text.resolved()["momentum"] == "TRI(k0=0.95, k1=0.85, l=20)"
    assert text.momentum_policy(10) == pytest.approx(0.9)
    assert solvers(spec, "{type: SGD, momentum: 0}")[0].momentum_policy is None


def test_a_momentum_policy_is_part_of_the_id_and_a_number_keeps_its_own(spec, data):
    (number,) = with_solver(spec, "{type: SGD, momentum: 0.9}").read().run_ids(data)
    (policy,) = with_solver(spec, "{type: SGD, momentum: FIX(k0=0.9)}").read().run_ids(data)
    (other,) = with_solver(spec, "{type: SGD, momentum: FIX(k0=0.8)}").read().run_ids(data)
    assert number == spec.read().run_ids(data)[0]
    assert len({number, policy, other}) == 3


ONECYCLE = "ONECYCLE(k0=0.95, k1=0.85, k2=0.95)"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("TRI(k0=0.9)", "is 'TRI(k0=0.9)', which is neither a number nor a policy: the parameters k1 (the other end of "
         "the range of rates) and l (half a cycle, in iterations) are missing; for example TRI(k0=0.01, k1=0.06, l=2000)"),
        ("LINEAR(k0=0.9, k1=1, l=10)", "is LINEAR(k0=0.9, k1=1, l=10): its value at t = 10 is 1, but a momentum is below "
         f"1; change its parameters, such as to {ONECYCLE}"),
        ("FIX(k0=-0.5)", None),
        ("GREEDY(k0=0.9)", None),
    ],
)  # fmt: skip
def test_a_momentum_policy_that_is_impossible_is_refused(spec, written, message):
    refusal = with_solver(spec, f"{{type: SGD, momentum: '{written}'}}").refusal()
    assert refusal.startswith("trial.yaml:9: solver.momentum is ")
    if message is not None:
        assert refusal == f"trial.yaml:9: solver.momentum {message}"


def test_a_momentum_policy_of_a_list_of_solvers_is_named_by_its_place(spec):
    refusal = with_solver(spec, "[Adam, {type: SGD, momentum: FIX(k0=1)}]").refusal()
    assert refusal.startswith("trial.yaml:9: solver.1.momentum is FIX(k0=1): its value at t = 0 is 1")


def test_a_type_without_a_momentum_takes_no_policy_of_it(spec):
    refusal = with_solver(spec, "{type: AdaGrad, momentum: FIX(k0=0.5)}").refusal()
    assert refusal == f"trial.yaml:9: solver.momentum is not a parameter of AdaGrad; {TAKES_NONE}"
