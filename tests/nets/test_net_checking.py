from __future__ import annotations

from collections.abc import Callable

import pytest

from lrbench.errors import NetError
from lrbench.nets import NetParameter, NetParts, check_net

Builder = Callable[..., NetParameter]


def test_the_parts_of_a_net(small_net: NetParameter) -> None:
    assert check_net(small_net, "net") == NetParts(
        data_layer_train="data",
        data_layer_test="test_data",
        label="label",
        loss_layer="loss",
        loss_blob="loss",
        logits="ip",
        scores="ip",
        probabilities=None,
        classes=7,
        random_layers=(),
        wants_mean=False,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("phase: TRAIN", "phase: TEST", 'no layer of type "Data" in the TRAIN phase'),
        ("phase: TEST", "phase: TRAIN", 'there are 2 layers of type Data in the TRAIN phase: "data" and "test_data"'),
        (
            '"test_data" type: "Data" top: "data" top: "label"',
            '"test_data" type: "Data" top: "data"',
            'layer "test_data": has 1 tops in the TEST phase, and two are needed',
        ),
        ('"SoftmaxWithLoss"', '"Softmax"', 'no layer of type "SoftmaxWithLoss" in the TRAIN phase;'),
        (
            '"SoftmaxWithLoss"',
            '"HingeLoss"',
            'no layer of type "SoftmaxWithLoss" in the TRAIN phase, only "loss" of type HingeLoss',
        ),
        (
            'type: "SoftmaxWithLoss"',
            'type: "SoftmaxWithLoss" include { phase: TRAIN }',
            'no layer of type "SoftmaxWithLoss" in the TEST phase',
        ),
        (
            'bottom: "ip" bottom: "label" top: "loss"',
            'bottom: "label" bottom: "ip" top: "loss"',
            'layer "loss": its second bottom is not "label", the label of layer "data"; let its bottoms be the logits',
        ),
        ('bottom: "ip" bottom: "label"', 'bottom: "ip"', 'layer "loss": its second bottom is not "label"'),
        (
            'bottom: "ip" top: "ip"',
            'bottom: "ipp" top: "ip"',
            'layer "relu": its bottom "ipp" is made by no earlier layer; did you mean ip?',
        ),
        ('bottom: "ip" top: "ip"', 'bottom: "data" top: "ip"', 'layer "relu": its top "ip" is also the top of'),
        ('name: "relu"', 'name: "ip"', 'layer "ip": there are two of this name in the TRAIN phase'),
        ('name: "relu"', "", 'a layer of type "ReLU" has no name; name every layer'),
        ('type: "ReLU"', "", 'layer "relu": has no type'),
        ('type: "ReLU"', 'type: "Python"', 'layer "relu": its type "Python" is refused: it would run code of its own'),
        ('type: "ReLU"', 'type: "HDF5Output"', 'layer "relu": its type "HDF5Output" is refused: it would write a file'),
        ('"data" type: "Data"', '"data" type: "ImageData"', 'layer "data": its type "ImageData" is refused: it does'),
        ('"data" type: "Data"', '"data" type: "HDF5Data"', "put the images in an LMDB"),
        ('"data" type: "Data"', '"data" type: "MemoryData"', "put the images in an LMDB"),
        ('"data" type: "Data"', '"data" type: "WindowData"', "put the images in an LMDB"),
        ('"data" type: "Data"', '"data" type: "Input"', 'layer "data": its type "Input" is refused: it is never'),
        ('name: "small"', 'input: "data"', 'its input "data" is never filled'),
        ('name: "small"', "state { phase: TEST }", "its state fixes the phase"),
        ('source: "train"', "rand_skip: 5", 'layer "data": rand_skip starts each run at another sample'),
        ('source: "train"', "crop_size: 5", 'layer "data": Caffe ignores crop_size in data_param; move it to'),
        (
            'type: "ReLU"',
            'type: "ReLU" include { phase: TEST } exclude { phase: TRAIN }',
            'layer "relu": has both include and exclude rules',
        ),
    ],
)
def test_what_training_cannot_do_with_is_refused_by_name(
    small_net_with: Builder, old: str, new: str, message: str
) -> None:
    net = small_net_with((old, new))
    with pytest.raises(NetError) as caught:
        check_net(net, "my.prototxt")
    assert str(caught.value).startswith("my.prototxt: ")
    assert message in str(caught.value)


def test_random_data_is_refused_and_constant_data_is_not(small_net_with: Builder) -> None:
    layer = 'layer {{ name: "d" type: "DummyData" top: "d" dummy_data_param {{ data_filler {{ type: "{}" }} }} }}'
    check_net(small_net_with(more=layer.format("constant")), "net")
    with pytest.raises(NetError, match='layer "d": draws its data at random'):
        check_net(small_net_with(more=layer.format("uniform")), "net")


def test_dropout_is_found_in_training_and_refused_in_the_test(small_net_with: Builder) -> None:
    layer = 'layer { name: "drop" type: "Dropout" bottom: "ip" top: "d" }'
    assert check_net(small_net_with(more=layer), "net").random_layers == ("drop",)
    with pytest.raises(NetError, match='layer "drop": draws random numbers in the TEST phase'):
        check_net(small_net_with(more=layer.replace("bottom", "phase: TRAIN bottom")), "net")


def test_a_layer_of_neither_phase_is_nobodys_business(small_net_with: Builder) -> None:
    check_net(small_net_with(more='layer { name: "p" type: "Python" include { stage: "deploy" } }'), "net")


def test_one_data_layer_may_serve_both_phases(small_net_with: Builder) -> None:
    net = small_net_with(("include { phase: TRAIN }", ""), ("include { phase: TEST }", 'include { stage: "x" }'))
    parts = check_net(net, "net")
    assert (parts.data_layer_train, parts.data_layer_test) == ("data", "data")


def test_of_several_losses_the_last_of_the_test_phase_is_measured(small_net_with: Builder) -> None:
    head = """
    layer {{ name: "{0}" type: "InnerProduct" bottom: "data" top: "{0}" inner_product_param {{ num_output: 9 }} }}
    layer {{ name: "{0}_loss" type: "SoftmaxWithLoss" bottom: "{0}" bottom: "label" {1} }}
    """
    net = small_net_with(more=head.format("main", 'top: "m"') + head.format("aux", "include { phase: TRAIN }"))
    parts = check_net(net, "net")
    assert (parts.loss_layer, parts.loss_blob, parts.logits, parts.classes) == ("main_loss", "m", "main", 9)


def test_a_loss_on_another_label_is_passed_over(small_net_with: Builder) -> None:
    other = 'layer { name: "other" type: "SoftmaxWithLoss" bottom: "ip" bottom: "data" }'
    assert check_net(small_net_with(more=other), "net").loss_layer == "loss"


SOFTMAX = 'layer { name: "p" type: "Softmax" bottom: "ip" top: "p" %s }'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (SOFTMAX % "", "p"),
        (SOFTMAX % "include { phase: TEST }", "p"),
        (SOFTMAX % "include { phase: TRAIN }", None),
        (SOFTMAX % "softmax_param { axis: 2 }", None),
        (SOFTMAX.replace("ip", "data") % "", None),
        # Rewritten in place, on either side of the softmax, it is no longer the softmax of what the loss read.
        (SOFTMAX % "" + 'layer { name: "q" type: "Power" bottom: "p" top: "p" }', None),
        ('layer { name: "q" type: "Power" bottom: "ip" top: "ip" }' + SOFTMAX % "", None),
    ],
)
def test_the_probabilities_are_the_softmax_of_what_the_loss_reads(
    small_net_with: Builder, more: str, expected: str | None
) -> None:
    assert check_net(small_net_with(more=more), "net").probabilities == expected


def test_the_losss_own_second_top_has_the_probabilities(small_net_with: Builder) -> None:
    assert check_net(small_net_with(('top: "loss"', 'top: "loss" top: "p"')), "net").probabilities == "p"


@pytest.mark.parametrize(
    ("layer", "classes"),
    [
        ('type: "Convolution" convolution_param { num_output: 5 }', 5),
        ('type: "Deconvolution" convolution_param { num_output: 5 }', 5),
        ('type: "InnerProduct" inner_product_param { num_output: 5 axis: 2 }', None),
        ('type: "Flatten"', None),
        ('type: "Pooling"', 7),
        ('type: "Exp"', 7),
        ('type: "Reshape"', None),
    ],
)
def test_classes_are_counted_where_the_net_shows_them(small_net_with: Builder, layer: str, classes: int | None) -> None:
    last = f'layer {{ name: "last" bottom: "ip" top: "last" {layer} }}\nlayer {{ name: "loss"'
    bottoms = ('bottom: "ip" bottom: "label"', 'bottom: "last" bottom: "label"')
    net = small_net_with(('layer { name: "loss"', last), bottoms)
    assert check_net(net, "net").classes == classes


def test_a_mean_in_either_phase_is_a_mean_wanted(small_net_with: Builder) -> None:
    for name in ("data", "test_data"):
        net = small_net_with((f'name: "{name}"', f'name: "{name}" transform_param {{ mean_file: "m" }}'))
        assert check_net(net, "net").wants_mean


def test_a_very_deep_net_is_checked_as_any_other(small_net_with: Builder) -> None:
    deep = "".join(f'layer {{ name: "r{i}" type: "ReLU" bottom: "ip" top: "ip" }}\n' for i in range(5000))
    assert check_net(small_net_with(('layer { name: "loss"', deep + 'layer { name: "loss"')), "net").classes == 7


@pytest.mark.parametrize(
    ("fill", "more", "refused"),
    [
        ("param { lr_mult: 0 } param { lr_mult: 0 }", "", True),
        ("param { lr_mult: 0 }", "", False),
        ("param { lr_mult: 0 } param { lr_mult: 0 }", 'layer { name: "p" type: "PReLU" bottom: "ip" top: "p" }', False),
        (
            "param { lr_mult: 0 } param { lr_mult: 0 }",
            'layer { name: "n" type: "BatchNorm" bottom: "ip" top: "n" }',
            True,
        ),
        (
            "param { lr_mult: 0 } param { lr_mult: 0 }",
            'layer { name: "p" type: "PReLU" bottom: "ip" top: "p" include { phase: TEST } }',
            True,
        ),
        (
            'param { name: "w" } param { lr_mult: 0 }',
            'layer { name: "ip2" type: "InnerProduct" bottom: "data" top: "i" param { name: "w" lr_mult: 0 } '
            "inner_product_param { num_output: 7 bias_term: false } }",
            True,
        ),
        (
            "param { lr_mult: 0 } param { lr_mult: 0 }",
            'layer { name: "m" type: "Mine" bottom: "ip" top: "m" param { } }',
            False,
        ),
    ],
)
def test_a_net_with_no_parameter_to_train_is_refused(
    small_net_with: Builder, fill: str, more: str, refused: bool
) -> None:
    net = small_net_with(('bottom: "data" top: "ip"', f'bottom: "data" top: "ip" {fill}'), more=more)
    if not refused:
        check_net(net, "net")
        return
    with pytest.raises(NetError, match="its lr_mult is 0, as that of all other layers"):
        check_net(net, "net")


def test_a_layer_that_reads_for_both_phases_may_not_mirror(small_net_with: Builder) -> None:
    net = small_net_with(
        ("include { phase: TRAIN }", "transform_param { mirror: true }"),
        ("include { phase: TEST }", 'include { stage: "x" }'),
    )
    with pytest.raises(NetError, match=r'layer "data": mirrors test images at random.*has to become two'):
        check_net(net, "net")
