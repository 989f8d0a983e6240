"""``--set key=value``: any value of the spec, and a message that says where it came from."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("override", "found", "expected"),
    [
        ("workload.iterations=2000", lambda e: e.workload.iterations, 2000),
        ("workload.iterations= 2_000 ", lambda e: e.workload.iterations, 2000),
        ("seeds=[0, 1]", lambda e: e.settings.seeds, [0, 1]),
        ("seeds.0=7", lambda e: e.settings.seeds, [7]),
        ("solver.momentum=1e-1", lambda e: e.settings.solver[0].momentum, 0.1),
        ("solver={type: Adam, delta: 1e-4}", lambda e: e.settings.solver[0].delta, 1e-4),
        ("policies.0=TRI(k0=0.01, k1=0.06, l=20)", lambda e: e.runs[0].policy.text, "TRI(k0=0.01, k1=0.06, l=20)"),
        ("policies=['TRI(k0=0.01, k1=0.06, l=20)']", lambda e: e.runs[0].policy.text, "TRI(k0=0.01, k1=0.06, l=20)"),
        ("stopping.patience=3", lambda e: e.settings.stopping.patience, 3),
        ("robustness.scales=[2]", lambda e: [run.lr_scale for run in e.runs], [1, 2]),
        ("engine.device_ids=[0, 1]", lambda e: e.settings.engine.device_ids, [0, 1]),
        ("name=other", lambda e: e.name, "other"),
        ("target_accuracy=", lambda e: e.settings.target_accuracy, None),
    ],
)
def test_an_override_sets_a_value(spec, override, found, expected):
    assert found(spec.read(override)) == expected


def test_overrides_are_applied_in_order(spec):
    assert spec.read("seeds=[1, 2]", "seeds.1=5").settings.seeds == [1, 5]
    assert spec.read("stopping.patience=3", "stopping.patience=4").settings.stopping.patience == 4


@pytest.mark.parametrize(
    ("written", "override", "expected"),
    [
        ("SGD", "solver.type=Adam", [("Adam", 0)]),
        ("SGD", "solver.momentum=0.9", [("SGD", 0.9)]),
        ("[SGD, Nesterov]", "solver.1.momentum=0.9", [("SGD", 0), ("Nesterov", 0.9)]),
        ("[SGD, Nesterov]", "solver.1=Adam", [("SGD", 0), ("Adam", 0)]),
    ],
)
def test_a_solver_in_its_short_form_takes_overrides_as_the_mapping_does(spec, written, override, expected):
    solvers = spec.changed("solver: {type: SGD, momentum: 0.9}", f"solver: {written}").read(override).settings.solver
    assert [(solver.type, solver.momentum) for solver in solvers] == expected


def test_an_empty_section_can_be_filled(spec):
    assert spec.more("stopping:\n").read("stopping.patience=3").settings.stopping.patience == 3


def test_an_alias_is_set_alone(spec):
    doubled = spec.changed("seeds: [0]", "seeds: &s [3]").more("robustness: {scales: *s}\n")
    settings = doubled.read("robustness.scales.0=5").settings
    assert (settings.seeds, settings.robustness.scales) == ([3], [5])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seeds", "--set: 'seeds' is not KEY=VALUE; such as workload.iterations=1000"),
        ("=3", "--set: '=3' is not KEY=VALUE; such as workload.iterations=1000"),
        (
            "workload.iteration=9",
            "--set workload.iteration: unknown key 'workload.iteration'; did you mean iterations?",
        ),
        ("stoping.patience=9", "--set stoping.patience: unknown key 'stoping'; did you mean stopping?"),
        (
            "a..b=3",
            "--set a..b: unknown key 'a'; the keys here are name, workload, solver, engine, seeds, "
            "target_accuracy, target, objective, policies, stopping, robustness, snapshots, share_prefixes, search, "
            "range, composition",
        ),
        (
            "workload.iterations='9'",
            "--set workload.iterations: workload.iterations is '9', but must be a whole number; "
            "for example iterations: 10000",
        ),
        (
            "workload.iterations=",
            "--set workload.iterations: workload.iterations is empty, but must be a whole number; "
            "for example iterations: 10000",
        ),
        (
            "workload={net: lenet",
            "--set workload: is not valid YAML: while parsing a flow mapping, expected ',' or '}', "
            "but got '<stream end>'; check the indentation, colons, brackets and quotes there",
        ),
        ("engine={name: a, name: b}", "--set engine: the key 'name' appears twice; keep one"),
        (
            "engine.name=!!python/name:os.system",
            "--set engine.name: the tag 'tag:yaml.org,2002:python/name:os.system' is "
            "not allowed: a spec contains only plain values; remove it",
        ),
        (
            "seeds.1=3",
            "--set seeds.1: '1' is not an index of this list of length 1; set the whole list "
            "instead, such as seeds=[0, 1]",
        ),
        (
            "seeds.-1=3",
            "--set seeds.-1: '-1' is not an index of this list of length 1; set the whole list "
            "instead, such as seeds=[0, 1]",
        ),
        (
            "seeds.²=3",
            "--set seeds.²: '²' is not an index of this list of length 1; set the whole list "
            "instead, such as seeds=[0, 1]",
        ),
        (
            "workload.net.x=3",
            "--set workload.net.x: 'x' cannot be set inside './net.prototxt', which is not a mapping; "
            "set the whole value instead",
        ),
        ("policies.0=FIX(k=3)", '--set policies.0: FIX: unknown parameter "k"; did you mean k0? it takes k0'),
        (
            "workload.net=lenett",
            '--set workload.net: there is no net "lenett"; did you mean lenet? A file of your own is '
            "named by its path, such as ./mine.prototxt",
        ),
        ("workload.dataset=minst", "--set workload.dataset: no data set is called 'minst'; did you mean mnist?"),
        (
            "solver.type=sgd",
            "--set solver.type: solver.type is 'sgd', but must be 'SGD', 'Nesterov', 'AdaGrad', 'RMSProp', "
            "'AdaDelta' or 'Adam'; did you mean SGD?",
        ),
    ],
)
def test_a_refusal_says_that_it_came_from_the_command_line(spec, override, message):
    assert spec.refusal(override) == message


def test_what_an_override_does_not_touch_keeps_its_line(spec):
    broken = spec.changed("iterations: 100", "iterations: 0")
    assert broken.refusal("workload.test_interval=5").startswith("trial.yaml:7: ")
