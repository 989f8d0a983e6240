"""Each setting's type, limits and name: what is refused is said with line, key, value, rule and remedy."""

from __future__ import annotations

import pytest

ITERATIONS = "; for example iterations: 10000"
MOMENTUM = "; for example momentum: 0.9"
MOMENTUM_RULE = "a number from 0 to below 1, or a policy"
ENGINE_KEYS = "name, driver, device, device_ids, lanes, precision, deterministic"


def test_a_good_spec_and_its_defaults(spec):
    settings = spec.read().settings
    assert settings.name == "trial"
    assert (settings.workload.display_interval, settings.engine.driver, settings.engine.device) == (
        100,
        "stepping",
        "cpu",
    )
    assert (settings.seeds, settings.target_accuracy, settings.robustness) == ([0], None, None)
    assert settings.stopping.model_dump() == {"at_target": False, "patience": None, "max_train_seconds": None}


def test_what_may_be_left_out_is(spec):
    short = spec
    for line in (
        "name: trial",
        "  test_batch_size: 100",
        "solver: {type: SGD, momentum: 0.9}",
        "seeds: [0]",
        "engine: {name: caffe}",
    ):
        short = short.changed(f"{line}\n", "")
    experiment = short.read()
    assert experiment.name == "trial"  # the file's own
    assert experiment.workload.test_batch_size == 32
    assert experiment.settings.solver[0].type == "SGD"
    assert experiment.settings.engine == spec.read().settings.engine


@pytest.mark.parametrize(
    ("written", "received", "rule"),
    [
        ("0", "0", "at least 1"),
        ("-5", "-5", "at least 1"),
        ("'100'", "'100'", "a whole number"),
        ("100.0", "100.0", "a whole number"),
        ("1e2", "100.0", "a whole number"),
        (".nan", "nan", "a whole number"),
        (".inf", "inf", "a whole number"),
        ("true", "true", "a whole number"),
        ("", "empty", "a whole number"),
        ("[1]", "a list", "a whole number"),
        ("{a: 1}", "a mapping", "a whole number"),
        ("1:30", "'1:30'", "a whole number"),
        ("0100", "'0100'", "a whole number"),
        ("2024-01-01", "'2024-01-01'", "a whole number"),
        ("100000001", "100000001", "at most 100000000"),
        ("9" * 30, "9" * 30, "at most 100000000"),
    ],
)
def test_a_number_of_iterations(spec, written, received, rule):
    message = spec.changed("iterations: 100", f"iterations: {written}").refusal()
    assert message == f"trial.yaml:7: workload.iterations is {received}, but must be {rule}{ITERATIONS}"


@pytest.mark.parametrize(
    ("written", "received", "rule"),
    [
        ("1.0", "1.0", "below 1"),
        ("-0.1", "-0.1", "at least 0"),
        (".nan", "nan", "below 1"),
        (".inf", "inf", "below 1"),
        ("-.inf", "-inf", "at least 0"),
        ("'0.9'", "'0.9'", MOMENTUM_RULE),
        ("true", "true", MOMENTUM_RULE),
        ("9" * 400, "9" * 57 + "...", "below 1"),
    ],
)
def test_a_fraction(spec, written, received, rule):
    message = spec.changed("momentum: 0.9", f"momentum: {written}").refusal()
    assert message == f"trial.yaml:9: solver.momentum is {received}, but must be {rule}{MOMENTUM}"


@pytest.mark.parametrize("written", ["9e-1", "0.9", ".9", "0.90"])
def test_a_number_may_be_written_in_several_ways(spec, written):
    assert spec.changed("momentum: 0.9", f"momentum: {written}").read().settings.solver[0].momentum == 0.9


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("weight_decay: -1", "solver.weight_decay is -1, but must be at least 0; for example weight_decay: 0.0005"),
        ("clip_gradients: 0", "solver.clip_gradients is 0, but must be above 0; for example clip_gradients: 35"),
        ("clip_gradients: .inf", "solver.clip_gradients is inf, but must be finite; for example clip_gradients: 35"),
        ("iter_size: 0", "solver.iter_size is 0, but must be at least 1; for example iter_size: 1"),
        ("lr_scale: 0", "solver.lr_scale is 0, but must be above 0; for example lr_scale: 0.1"),
        ("regularization_type: l2", "solver.regularization_type is 'l2', but must be 'L1' or 'L2'; did you mean L2?"),
    ],
)
def test_a_solvers_numbers(spec, line, message):
    assert spec.changed("momentum: 0.9", line).refusal() == f"trial.yaml:9: {message}"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("target_accuracy: 98", "target_accuracy is 98, but must be at most 1; for example target_accuracy: 0.989"),
        ("target_accuracy: 0", "target_accuracy is 0, but must be above 0; for example target_accuracy: 0.989"),
        (
            "stopping: {at_target: yes}",
            "stopping.at_target is 'yes', but must be true or false; for example at_target: true",
        ),
        (
            "stopping: {at_target: true}",
            "stopping.at_target is true, but there is no target_accuracy to reach; add one, such as target_accuracy: 0.98",
        ),
        ("stopping: {patience: 0}", "stopping.patience is 0, but must be at least 1; for example patience: 10"),
        (
            "stopping: {max_train_seconds: -1}",
            "stopping.max_train_seconds is -1, but must be above 0; for example max_train_seconds: 3600",
        ),
        ("stopping:", "stopping is empty, but must be a mapping; its keys are at_target, patience, max_train_seconds"),
        (
            "objective: {at: last}",
            "objective.at is 'last', but must be 'final' or 'best'; for example at: final",
        ),
        (
            "objective: {metric: test_los}",
            "objective.metric is 'test_los', but must be accuracy or a metric of an evaluation; did you mean test_loss?",
        ),
        (
            "objective: {metric: perplexity}",
            "objective.metric is 'perplexity', but must be accuracy or a metric of an evaluation; there are accuracy, "
            "accuracy_top1, accuracy_top5, test_loss, train_loss, average_confidence, confidence_deviation, "
            "confidence_deviation_across_classes, loss_difference, expected_calibration_error",
        ),
        (
            "objective: {metric: best_accuracy}",
            "objective.metric is 'best_accuracy', but must be accuracy or a metric of an evaluation; did you mean "
            "accuracy or accuracy_top5 or accuracy_top1?",
        ),
        (
            "objective: {metric: test_loss, goal: maximize}",
            "objective.goal is maximize, but low values of test_loss are better; write goal: minimize",
        ),
        (
            "target: {metric: accuracy, value: 98}",
            "target.value is 98, but an accuracy is above 0 and at most 1; give a fraction, such as 0.98 for 98 %",
        ),
        (
            "target: {metric: test_los, value: 1}",
            "target.metric is 'test_los', but must be accuracy or a metric of an evaluation; did you mean test_loss?",
        ),
        (
            "target: {metric: test_loss, value: 1}\ntarget_accuracy: 0.9",
            "target excludes target_accuracy, its short form; remove one of them",
        ),
        ("robustness: {}", "the key 'robustness.scales' is missing; for example scales: [0.1, 0.5, 1, 5, 10]"),
        (
            "robustness: {scales: []}",
            "robustness.scales is an empty list, but must be a list of at least 1; for example scales: [0.1, 0.5, 1, 5, 10]",
        ),
        (
            "robustness: {scales: [1, 0]}",
            "robustness.scales.1 is 0, but must be above 0; for example scales: [0.1, 0.5, 1, 5, 10]",
        ),
        ("robustness: {scales: [1, 5, 1.0]}", "robustness.scales.2 is 1.0, which is already in the list; remove one"),
    ],
)
def test_what_ends_or_repeats_runs(spec, lines, message):
    assert spec.more(lines).refusal() == f"trial.yaml:14: {message}"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("0", "seeds is 0, but must be a list, or a count from 1 to 100,000"),
        ("-3", "seeds is -3, but must be a list, or a count from 1 to 100,000"),
        ("1000000000000", "seeds is 1000000000000, but must be a list, or a count from 1 to 100,000"),
        ("2.0", "seeds is 2.0, but must be a list, or a count from 1 to 100,000"),
        ("true", "seeds is true, but must be a list, or a count from 1 to 100,000"),
        ("few", "seeds is 'few', but must be a list, or a count from 1 to 100,000"),
        ("[]", "seeds is an empty list, but must be a list of at least 1"),
        ("['0']", "seeds.0 is '0', but must be a whole number"),
        ("[0, -1]", "seeds.1 is -1, but must be at least 0"),
        ("[0, 1.5]", "seeds.1 is 1.5, but must be a whole number"),
        ("[true]", "seeds.0 is true, but must be a whole number"),
        ("[2147483648]", "seeds.0 is 2147483648, but must be at most 2147483647"),
    ],
)
def test_seeds(spec, written, message):
    refusal = spec.changed("seeds: [0]", f"seeds: {written}").refusal()
    assert refusal == f"trial.yaml:10: {message}; for example seeds: [0, 1, 2]"


def test_a_count_of_seeds_stands_for_the_seeds_from_0_on(spec):
    assert spec.changed("seeds: [0]", "seeds: 3").read().settings.seeds == [0, 1, 2]


def test_a_seed_given_twice(spec):
    message = spec.changed("seeds: [0]", "seeds:\n - 4\n - 5\n - 4").refusal()
    assert message == "trial.yaml:13: seeds.2 is 4, which is already in the list; remove one"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{driver: nativ}", "engine.driver is 'nativ', but must be 'stepping' or 'native'; did you mean native?"),
        ("{device: tpu}", "engine.device is 'tpu', but must be 'cpu' or 'gpu'; did you mean gpu or cpu?"),
        ("{driver: [native]}", "engine.driver is a list, but must be 'stepping' or 'native'; did you mean native?"),
        ("", f"engine is empty, but must be a mapping; its keys are {ENGINE_KEYS}"),
        ("cpu", f"engine is 'cpu', but must be a mapping; its keys are {ENGINE_KEYS}"),
        (
            "{device_ids: []}",
            "engine.device_ids is an empty list, but must be a list of at least 1; for example device_ids: [0]",
        ),
        ("{device_ids: [-1]}", "engine.device_ids.0 is -1, but must be at least 0; for example device_ids: [0]"),
        ("{name: 3}", "engine.name is 3, but must be text; for example name: caffe"),
        ("{lanes: 0}", "engine.lanes is 0, but must be a whole number of at least 1, or auto; for example lanes: 4"),
        (
            "{lanes: all}",
            "engine.lanes is 'all', but must be a whole number of at least 1, or auto; for example lanes: 4",
        ),
    ],
)
def test_the_engine(spec, written, message):
    assert spec.changed("engine: {name: caffe}", f"engine: {written}").refusal() == f"trial.yaml:11: {message}"


def test_evaluations_come_within_the_run(spec):
    message = spec.changed("test_interval: 20", "test_interval: 101").refusal()
    assert message == (
        "trial.yaml:8: workload.test_interval is 101, more than the 100 iterations; set it to 100 or less"
    )
    assert spec.changed("test_interval: 20", "test_interval: 100").read().workload.test_interval == 100


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  iterations: 100",
            "  iteration: 100",
            "7: unknown key 'workload.iteration'; did you mean iterations?; also wrong: workload.iterations (missing, "
            "trial.yaml:2)",
        ),
        ("seeds: [0]", "SEEDS: [0]", "10: unknown key 'SEEDS'; did you mean seeds?"),
        ("seeds: [0]", "momentum: 0.9", "10: unknown key 'momentum'; it belongs in solver"),
        ("seeds: [0]", "scales: [2]", "10: unknown key 'scales'; it belongs in robustness"),
        (
            "  iterations: 100",
            "  seeds: [1]",
            "7: unknown key 'workload.seeds'; it belongs at the top level; also wrong: "
            "workload.iterations (missing, trial.yaml:2)",
        ),
        ("momentum: 0.9", "betas: 0.9", "9: unknown key 'solver.betas'; did you mean delta?"),
        ("{name: caffe}", "{x: 1}", f"11: unknown key 'engine.x'; the keys here are {ENGINE_KEYS}"),
        (
            "seeds: [0]",
            "1: 2",
            "10: unknown key '1'; the keys here are name, workload, solver, engine, seeds, "
            "target_accuracy, target, objective, policies, stopping, robustness, snapshots, share_prefixes, search, "
            "range, composition",
        ),
        (
            "seeds: [0]",
            "'<<': 2",
            "10: unknown key '<<'; the keys here are name, workload, solver, engine, seeds, "
            "target_accuracy, target, objective, policies, stopping, robustness, snapshots, share_prefixes, search, "
            "range, composition",
        ),
        (
            "seeds: [0]",
            "'': 2",
            "10: unknown key ''; the keys here are name, workload, solver, engine, seeds, "
            "target_accuracy, target, objective, policies, stopping, robustness, snapshots, share_prefixes, search, "
            "range, composition",
        ),
        ("  iterations: 100\n", "", "2: the key 'workload.iterations' is missing; for example iterations: 10000"),
        (
            "policies:\n  - FIX(k0=0.01)\n",
            "",
            "1: the key 'policies' is missing; for example policies: ['FIX(k0=0.01)']",
        ),
        ("  net: ./net.prototxt\n", "  net: a\n  net: b\n", "4: the key 'net' appears twice; keep one"),
        (
            "name: trial",
            "name: a/b",
            "1: name is 'a/b', but must be at most 100 letters, digits and _.+- of which the "
            "first is a letter or a digit; for example name: mnist_lenet",
        ),
        (
            "name: trial",
            "name: ..",
            "1: name is '..', but must be at most 100 letters, digits and _.+- of which the first "
            "is a letter or a digit; for example name: mnist_lenet",
        ),
        ("name: trial", "name: 3", "1: name is 3, but must be text; for example name: mnist_lenet"),
    ],
)
def test_keys(spec, old, new, message):
    assert spec.changed(old, new).refusal() == f"trial.yaml:{message}"


def test_a_missing_section_lists_its_keys(spec):
    text = "policies: [FIX(k0=0.01)]\n"
    assert type(spec)(spec.folder, text).refusal() == (
        "trial.yaml:1: the key 'workload' is missing; its keys are net, dataset, batch_size, test_batch_size, "
        "order, iterations, test_interval, display_interval"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("null", "is empty"),
        ("[1]", "contains a list"),
        ("3", "contains 3"),
        ("lenet", "contains 'lenet'"),
        ("- name: trial", "contains a list"),
    ],
)
def test_what_is_no_mapping(spec, text, found):
    assert type(spec)(spec.folder, text).refusal() == (
        f"trial.yaml:1: the file {found}, but a spec is a mapping; write name, workload, solver and policies, such as "
        "in configs/quickstart.yaml"
    )


def test_a_files_name_that_cannot_be_the_specs(spec):
    path = spec.folder / "my trial.yaml"
    path.write_text(spec.changed("name: trial\n", "").text)
    from lrbench.errors import SpecError
    from lrbench.spec.reading import read_experiment

    with pytest.raises(SpecError, match=r"my trial\.yaml, whose file name is the default name: name is 'my "):
        read_experiment(path)
