from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench.errors import NetError
from lrbench.nets import (
    BatchSizes,
    DataBinding,
    NetParameter,
    bind_net,
    builtin_nets,
    check_net,
    find_net,
    layers_in,
    read_net,
)
from lrbench.nets.caffe_pb2 import TEST, TRAIN, DataParameter, LayerParameter, Phase

Builder = Callable[..., NetParameter]
DATA = DataBinding("/data/train", "/data/test", "/data/mean")
BATCH = BatchSizes(train=64, test=100)


def layer_in(net: NetParameter, phase: Phase, name: str) -> LayerParameter:
    [layer] = [layer for layer in layers_in(net, phase) if layer.name == name]
    return layer


def test_each_phase_reads_its_own_file_in_batches_of_its_own(small_net: NetParameter) -> None:
    bound = bind_net(small_net, DATA, BATCH)
    train = layer_in(bound, TRAIN, "data").data_param
    test = layer_in(bound, TEST, "test_data").data_param
    assert (train.source, train.batch_size, train.backend) == ("/data/train", 64, DataParameter.LMDB)
    assert (test.source, test.batch_size, test.backend) == ("/data/test", 100, DataParameter.LMDB)


def test_the_net_given_is_left_as_it_is(small_net: NetParameter) -> None:
    before = small_net.SerializeToString()
    bind_net(small_net, DATA, BATCH)
    assert small_net.SerializeToString() == before


@pytest.mark.parametrize("rule", ["", 'exclude { stage: "deploy" }', 'include { not_stage: "deploy" }'])
def test_a_data_layer_of_both_phases_becomes_two(small_net_with: Builder, rule: str) -> None:
    net = small_net_with(("include { phase: TRAIN }", rule), ("include { phase: TEST }", 'include { stage: "x" }'))
    bound = bind_net(net, DATA, BATCH)
    assert layer_in(bound, TRAIN, "data").data_param.source == "/data/train"
    assert layer_in(bound, TEST, "data").data_param.source == "/data/test"
    assert check_net(bound, "bound").data_layer_test == "data"


def test_a_mean_is_bound_where_one_is_wanted_and_only_there(small_net_with: Builder) -> None:
    net = small_net_with(('name: "data"', 'name: "data" transform_param { scale: 0.5 mean_file: "m" }'))
    bound = bind_net(net, DATA, BATCH)
    assert layer_in(bound, TRAIN, "data").transform_param.mean_file == "/data/mean"
    assert layer_in(bound, TRAIN, "data").transform_param.scale == 0.5
    assert not layer_in(bound, TEST, "test_data").transform_param.HasField("mean_file")


def test_a_mean_that_the_data_set_has_none_of_is_an_error(small_net_with: Builder) -> None:
    net = small_net_with(('name: "test_data"', 'name: "test_data" transform_param { mean_file: "m" }'))
    with pytest.raises(NetError, match='my net: layer "test_data": subtracts a mean_file, but the data set has none'):
        bind_net(net, DataBinding("a", "b"), BATCH, "my net")


def test_a_net_unfit_for_training_is_not_bound(small_net_with: Builder) -> None:
    with pytest.raises(NetError, match="my net: there is no layer of type"):
        bind_net(small_net_with(('"SoftmaxWithLoss"', '"Softmax"')), DATA, BATCH, "my net")


def test_probabilities_are_added_behind_the_loss_in_the_test_phase_alone(small_net_with: Builder) -> None:
    rewritten = 'layer { name: "q" type: "Power" bottom: "ip" top: "ip" }'
    net = small_net_with(('top: "loss"', 'top: "loss" softmax_param { engine: CAFFE }'), more=rewritten)
    bound = bind_net(net, DATA, BATCH)
    assert [layer.name for layer in layers_in(bound, TRAIN)] == ["data", "ip", "relu", "loss", "q"]
    assert [layer.name for layer in layers_in(bound, TEST)] == [
        "test_data",
        "ip",
        "relu",
        "loss",
        "probabilities",
        "q",
        "probabilities_silence",
    ]
    softmax = layer_in(bound, TEST, "probabilities")
    assert (softmax.type, list(softmax.bottom), list(softmax.top)) == ("Softmax", ["ip"], ["probabilities"])
    assert softmax.softmax_param == layer_in(bound, TEST, "loss").softmax_param
    assert check_net(bound, "bound").probabilities == "probabilities"


def test_an_added_name_is_one_that_nothing_else_has(small_net_with: Builder) -> None:
    net = small_net_with(('name: "relu"', 'name: "probabilities"'))
    bound = bind_net(net, DATA, BATCH)
    assert layer_in(bound, TEST, "probabilities").type == "ReLU"
    assert check_net(bound, "bound").probabilities == "probabilities_"


def test_probabilities_that_are_there_are_used_and_kept_from_the_log(small_net_with: Builder) -> None:
    net = small_net_with(more='layer { name: "p" type: "Softmax" bottom: "ip" top: "p" include { phase: TEST } }')
    bound = bind_net(net, DATA, BATCH)
    assert [layer.type for layer in layers_in(bound, TEST)][-2:] == ["Softmax", "Silence"]
    assert check_net(bound, "bound").probabilities == "p"


def test_a_loss_without_a_top_gets_one(small_net_with: Builder) -> None:
    bound = bind_net(small_net_with((' top: "loss"', "")), DATA, BATCH)
    assert check_net(bound, "bound").loss_blob == "loss"
    assert list(layer_in(bound, TRAIN, "loss").top) == ["loss"]


def test_a_loss_named_as_a_blob_gets_a_top_of_another_name(small_net_with: Builder) -> None:
    net = small_net_with((' top: "loss"', ""), ('name: "loss"', 'name: "label"'))
    assert check_net(bind_net(net, DATA, BATCH), "bound").loss_blob == "label_"


@pytest.mark.parametrize("name", builtin_nets())
def test_binding_adds_no_layer_to_lrbenchs_own_nets(name: str) -> None:
    net = read_net(find_net(name, Path()))
    bound = bind_net(net, DATA, BATCH)
    assert [layer.name for layer in bound.layer] == [layer.name for layer in net.layer]
    assert bind_net(bound, DATA, BATCH) == bound
