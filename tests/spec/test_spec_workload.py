"""What a spec names outside itself: the net, the data set, and how they fit each other."""

from __future__ import annotations

import dataclasses

import pytest

from lrbench.errors import SpecError


def test_a_net_is_found_from_the_specs_own_folder(spec, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    workload = spec.read().workload
    assert (workload.net_path, workload.net_name) == (spec.folder / "net.prototxt", "net")
    assert workload.outputs == 10


def test_a_net_of_lrbenchs_own_is_named_without_a_path(spec):
    assert spec.changed("./net.prototxt", "lenet").read().workload.net_name == "lenet"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("./other.prototxt", "other.prototxt: no such file"),
        ("''", "workload.net is '', but must be at least 1 character; for example net: lenet"),
        ("x" * 1001, f"workload.net is '{'x' * 56}..., but must be at most 1000 characters; for example net: lenet"),
        (
            ".",
            'there is no net "."; LRBench\'s own are cnn3, lenet, resnet20, resnet32. A file of your own is named '
            "by its path, such as ./mine.prototxt",
        ),
        ("./", ": is a folder, not a prototxt file"),
        (
            "resnet",
            'there is no net "resnet"; did you mean resnet32 or resnet20 or lenet? A file of your own is named by '
            "its path, such as ./mine.prototxt",
        ),
    ],
)
def test_a_net_that_is_not_there(spec, written, message):
    refusal = spec.changed("./net.prototxt", written).refusal().replace(str(spec.folder), "")
    assert refusal == f"trial.yaml:3: {message}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name: "ip"', 'nam: "ip"', 'net.prototxt:12: LayerParameter has no field "nam"; did you mean name?'),
        ("layer {", "layer { {", "net.prototxt:3: "),
        ("SoftmaxWithLoss", "Accuracy", 'net.prototxt: there is no layer of type "SoftmaxWithLoss" in the TRAIN phase'),
        (
            'bottom: "label" top: "loss"',
            'bottom: "labels" top: "loss"',
            'net.prototxt: layer "loss": its bottom "labels" is made by no earlier layer; did you mean label?',
        ),
    ],
)
def test_a_net_that_is_malformed_or_unfit_is_said_with_both_places(spec, old, new, message):
    assert spec.net(old, new).refusal().startswith(f"trial.yaml:3: {message}")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("minst", "no data set is called 'minst'; did you mean mnist?"),
        ("imagenet", "no data set is called 'imagenet'; known are mnist, cifar10, cifar10_padded, digits"),
        ("3", "workload.dataset is 3, but must be text; for example dataset: mnist"),
        ("", "workload.dataset is empty, but must be text; for example dataset: mnist"),
        ("[mnist]", "workload.dataset is a list, but must be text; for example dataset: mnist"),
        ("{train: a}", "the key 'workload.dataset.test' is missing; for example test: ./test_lmdb"),
        ("{train: 3, test: b}", "workload.dataset.train is 3, but must be text; for example train: ./train_lmdb"),
        (
            "{train: a, tst: b}",
            "unknown key 'workload.dataset.tst'; did you mean test?; also wrong: "
            "workload.dataset.test (missing, trial.yaml:4)",
        ),
    ],
)
def test_a_data_set_that_is_none(spec, written, message):
    assert spec.changed("dataset: digits", f"dataset: {written}").refusal() == f"trial.yaml:4: {message}"


def test_data_folders_start_from_the_specs_own(spec):
    dataset = spec.changed("dataset: digits", "dataset: {train: a, test: /b}").read().workload.dataset
    assert dataset.model_dump() == {"train": str(spec.folder / "a"), "test": "/b", "mean": None}


def unfit(spec, data):
    with pytest.raises(SpecError) as caught:
        spec.read().check_data(data)
    return str(caught.value).replace(f"{spec.folder}/", "")


def test_data_that_fit(spec, data):
    spec.read().check_data(data)
    spec.read().check_data(dataclasses.replace(data, classes=2))


@pytest.mark.parametrize(
    ("size", "count", "nearest"), [(33, 500, 25), (99, 500, 100), (100, 7, 7), (100, 997, 997), (7, 10007, 1)]
)
def test_a_test_set_that_is_no_whole_number_of_batches(spec, data, size, count, nearest):
    text = spec.changed("test_batch_size: 100", f"test_batch_size: {size}")
    assert unfit(text, dataclasses.replace(data, test_count=count)) == (
        f"trial.yaml:6: the test set of digits has {count} samples, which is not a multiple of the test batch of {size}; "
        f"set workload.test_batch_size, to {nearest} for instance"
    )


def test_a_test_set_that_no_batch_of_a_sensible_size_divides(spec, data):
    assert unfit(spec, dataclasses.replace(data, test_count=10007)) == (
        "trial.yaml:6: the test set of digits has 10007 samples, which is not a multiple of the test batch of 100; leave "
        "out 7 of them"
    )


def test_a_test_batch_that_was_not_given_is_the_training_batch(spec, data):
    message = unfit(spec.changed("  test_batch_size: 100\n", ""), data)
    assert message.startswith("trial.yaml:5: ")
    assert " the test batch of 32;" in message


def test_a_net_with_fewer_outputs_than_classes(spec, data):
    assert unfit(spec.net("num_output: 10", "num_output: 9"), data) == (
        "trial.yaml:3: net.prototxt has 9 outputs, but digits has 10 classes; set num_output of the layer before the "
        "loss to 10"
    )


def test_a_net_whose_outputs_are_unknown_is_left_to_the_engine(spec, data):
    loss = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip"'
    flat = (
        'layer { name: "flat" type: "Reshape" bottom: "ip" top: "flat" reshape_param { shape { dim: 0 dim: -1 } } }\n'
    )
    experiment = spec.net("num_output: 10", "num_output: 9").net(loss, flat + loss.replace('"ip"', '"flat"')).read()
    assert experiment.workload.outputs is None
    experiment.check_data(data)
