"""What the engine cannot run it refuses, naming the layer and its type."""

from __future__ import annotations

import pytest
from engines.torch.torch_parity import input_net
from engines.torch.torch_sketches import one

from lrbench.engines.torch.net import TorchNet
from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import TEST, TRAIN

IMAGE = (2, 6, 7, 5)
LABEL = (2,)

REFUSED = {
    one("BatchReindex"): 'the engine torch does not know the layer type "BatchReindex"; use the engine caffe',
    one("SPP"): 'the engine torch does not know the layer type "SPP"; use the engine caffe',
    one("Convolution", "convolution_param { num_output: 3 }"): "has no kernel_size",
    one("Convolution", "convolution_param { kernel_size: 3 }"): "num_output 0 do not part into 1 groups",
    one(
        "Convolution", "convolution_param { num_output: 3 kernel_size: 3 group: 4 }"
    ): "6 channels and num_output 3 do not part into 4 groups",
    one(
        "Convolution", "convolution_param { num_output: 3 kernel_size: 3 kernel_h: 3 }"
    ): "has both kernel_size and kernel_h; keep one",
    one("Convolution", "convolution_param { num_output: 3 kernel_h: 3 }"): "has kernel_h without kernel_w; give both",
    one("Convolution", "convolution_param { num_output: 3 kernel_size: 3 stride: 0 }"): "stride (0, 0) is not positive",
    one("Convolution", "convolution_param { num_output: 3 kernel_size: 8 }"): "kernel (8, 8) is larger than its padded",
    one("Convolution", "convolution_param { num_output: 3 kernel_size: 3 axis: 2 }"): "axis 2 is not supported, as "
    "channels are axis 1; use the engine caffe",
    one(
        "Convolution", "convolution_param { num_output: 3 kernel_size: 3 }", "x x", "y z"
    ): "has 2 bottoms, and 1 can be used here; use the engine caffe",
    one(
        "Convolution", "convolution_param { num_output: 3 kernel_size: 3 }", "wide"
    ): "its bottom has shape (2, 6, 7), and four axes are needed; use the engine caffe",
    one("Deconvolution", "convolution_param { num_output: 3 }"): "has no kernel_size",
    one("Deconvolution", "convolution_param { num_output: 3 kernel_size: 3 pad: 5 }"): "pad (5, 5) leaves nothing of",
    one(
        "Deconvolution", "convolution_param { num_output: 6 kernel_size: 3 group: 4 }"
    ): "6 channels and num_output 6 do not part into 4 groups",
    one(
        "Deconvolution",
        'convolution_param { num_output: 3 kernel_h: 3 kernel_w: 2 weight_filler { type: "bilinear" } }',
    ): "has a bilinear filler of shape (6, 3, 3, 2)",
    one("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"): "pad (2, 2) is not smaller than the kernel (2, 2)",
    one("Pooling", "pooling_param { kernel_size: 1 stride: 3 }"): "lies outside its bottom of 5 pixels; set round_mode",
    one("Pooling", "pooling_param { kernel_size: 2 pool: STOCHASTIC }"): "stochastic pooling is not supported",
    one("Pooling", "pooling_param { global_pooling: true kernel_size: 2 }"): "leaves no choice of kernel",
    one(
        "Pooling", "pooling_param { kernel_size: 2 }", tops="y mask"
    ): "has 2 tops, and 1 can be used here; use the engine caffe",
    one("InnerProduct"): "has no num_output",
    one("InnerProduct", "inner_product_param { num_output: 3 axis: 4 }"): "axis 4 is not one of the 4 axes",
    one(
        "InnerProduct", 'inner_product_param { num_output: 3 weight_filler { type: "xaver" } }'
    ): 'unknown type "xaver"; did you mean xavier?',
    one(
        "InnerProduct", "inner_product_param { num_output: 3 bias_term: false } param { } param { }"
    ): "has 2 param and 1 blobs",
    one("InnerProduct", "inner_product_param { num_output: 3 } blobs { }"): "brings its own weights",
    one("LRN", "lrn_param { local_size: 4 }"): "local_size 4 is not odd",
    one("BatchNorm", "param { lr_mult: 1 }"): "its blobs are statistics",
    one("Scale", "scale_param { axis: 2 num_axes: 3 }"): "num_axes 3 does not fit its bottom",
    one("Scale", "", "x label"): "a second bottom of shape (2,) does not fit",
    one("Eltwise", "", "x label"): "its bottoms differ in shape: (2, 6, 7, 5), (2,)",
    one("Eltwise", "eltwise_param { operation: MAX coeff: 1 coeff: 2 }", "x x"): "has 2 coeff",
    one("Concat", "", "x label"): "axis",
    one("Slice", tops="p q r s"): "axis 1 of size 6 is not cut into 4 tops",
    one("Slice", "slice_param { slice_point: 9 }", tops="p q"): "axis 1 of size 6 is not cut into 2 tops",
    one("Flatten", "flatten_param { axis: 2 end_axis: 1 }"): "end_axis 1 is before axis 2",
    one("Reshape", "reshape_param { shape { dim: 11 dim: -1 } }"): "shape [11, -1] does not hold the values of",
    one("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }"): "shape [-1, -1] does not hold",
    one("Reshape", "reshape_param { shape { dim: 2 dim: 209 } }"): "shape [2, 209] does not hold",
    one("Reshape", "reshape_param { axis: 6 shape { dim: 1 } }"): "axis 6 and num_axes -1 do not fit the 4 axes",
    one("Reshape", "reshape_param { axis: 3 num_axes: 2 }"): "axis 3 and num_axes 2 do not fit the 4 axes",
    one("Reshape", "reshape_param { axis: -1 num_axes: 0 shape { dim: 0 } }"): "its dim 0 is 0, and its bottom",
    one("Crop"): "has 1 bottom, and 2 can be used here",
    one("Crop", "", "x label"): "a second bottom of shape (2,) do not fit its bottom",
    one("Crop", "crop_param { offset: 1 offset: 2 offset: 3 }", "x x"): "3 offset and a second bottom",
    one(
        "Crop", "crop_param { offset: 1 }", "x x"
    ): "offset [1, 1] and a second bottom of shape (2, 6, 7, 5) reach beyond",
    one("Tile"): "tiles 0 is not positive",
    one("Log", "log_param { base: 1 }"): "there are no logarithms to base 1",
    one("Log", "log_param { base: -2 }"): "base -2 is not positive, nor -1, which stands for e",
    one("Exp", "exp_param { base: 0 }"): "base 0 is not positive",
    one("MVN", bottoms="five"): "its bottom has shape (2, 1, 1, 1, 3), and at most four axes are possible",
    one("Bias", "bias_param { axis: 2 num_axes: 3 }"): "num_axes 3 does not fit its bottom",
    one("Bias", "", "x label"): "a second bottom of shape (2,) does not fit",
    one("ArgMax", "argmax_param { top_k: 6 axis: 3 }"): "top_k 6 is not one of 1 to 5",
    one("ArgMax", "argmax_param { top_k: 0 }"): "top_k 0 is not one of 1 to 210",
    one("Reduction", "reduction_param { axis: 4 }"): "axis 4 is not one of the 4 axes",
    one("Embed", "embed_param { num_output: 3 }"): "num_output 3 or input_dim 0 is not positive",
    one("EuclideanLoss", "", "x label"): "its bottoms differ in size: (2, 6, 7, 5), (2,)",
    one("SigmoidCrossEntropyLoss", "", "x label"): "its bottoms differ in size: (2, 6, 7, 5), (2,)",
    one("HingeLoss", "", "x wide"): "84 labels do not match the samples of a bottom of shape (2, 6, 7, 5)",
    **{
        one(kind, tops="x"): 'works in place on "x", which its type does wrongly in Caffe; give its top another name'
        for kind in ("AbsVal", "LRN", "Flatten")
    },
    one("Eltwise", "", "x big", "x"): 'works in place on "x"',
    one("Dropout", "dropout_param { dropout_ratio: 1 }"): "dropout_ratio 1 is not in [0, 1)",
    one("Power", "power_param { scale: 0 power: -1 }"): "have no value",
    one("PReLU", bottoms="label"): "at least two axes are needed",
    one("SoftmaxWithLoss", "", "x label", "y"): "2 labels do not match 70 predictions",
    one("SoftmaxWithLoss", "softmax_param { axis: 7 }", "x label", "y"): "axis 7 is not one of the 4 axes",
    one("SoftmaxWithLoss", "", "x", "y"): "has 1 bottom, and 2 can be used here",
    one("Accuracy", "accuracy_param { top_k: 9 axis: -1 }", "x wide"): "top_k 9 is more than the 5 classes",
    one("ReLU", "loss_weight: 1 loss_weight: 2"): "has 2 loss_weight and 1 tops",
    one("ReLU", "propagate_down: true propagate_down: true"): "has 2 propagate_down and 1 bottoms",
}


@pytest.mark.parametrize("layers", REFUSED)
def test_a_layer_is_refused_by_name_and_type(layers: str) -> None:
    shapes = {"x": IMAGE, "label": LABEL, "wide": (2, 6, 7), "big": IMAGE, "five": (2, 1, 1, 1, 3)}
    net = input_net(layers, shapes)
    with pytest.raises(NetError) as error:
        TorchNet(net, TRAIN, shapes)
    assert str(error.value).startswith(f'layer "layer" of type {net.layer[-1].type}: ')
    assert REFUSED[layers] in str(error.value)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("Convolutoin", "did you mean Convolution or Deconvolution?"),
        ("batchreindex", "did you mean BatchReindex?"),
        ("Axpy", "look for its name in Caffe's documentation"),
    ],
)
def test_a_type_that_caffe_does_not_know_either_leads_to_no_other_engine(kind: str, remedy: str) -> None:
    net = input_net(one(kind), {"x": IMAGE})
    with pytest.raises(NetError) as error:
        TorchNet(net, TRAIN, {"x": IMAGE})
    assert str(error.value) == f'layer "layer": Caffe does not know the layer type "{kind}"; {remedy}'


def test_weights_that_do_not_go_together_are_refused() -> None:
    product = (
        'layer { name: "%s" type: "InnerProduct" bottom: "x" top: "%s" param { name: "w" %s } '
        "inner_product_param { num_output: %d bias_term: false } }"
    )
    for settings, outputs, message in (
        ("", 3, 'layer "b" of type InnerProduct: its param "w" has shape (3, 4), and (2, 4) in layer "a"'),
        ("share_mode: PERMISSIVE", 3, 'its param "w" has shape (3, 4), and (2, 4) in layer "a"'),
        ("lr_mult: 2", 2, 'its param "w" has another lr_mult in layer "a"'),
        ("decay_mult: 2", 2, 'its param "w" has another decay_mult in layer "a"'),
    ):
        layers = product % ("a", "a", "lr_mult: 1 decay_mult: 1", 2) + product % ("b", "b", settings, outputs)
        with pytest.raises(NetError) as error:
            TorchNet(input_net(layers, {"x": (5, 4)}), TRAIN, {"x": (5, 4)})
        assert message in str(error.value)


def test_the_multipliers_of_a_shared_weight_may_be_given_once() -> None:
    product = (
        'layer { name: "%s" type: "InnerProduct" bottom: "x" top: "%s" param { name: "w" %s } '
        "inner_product_param { num_output: 2 bias_term: false } }"
    )
    layers = product % ("a", "a", "") + product % ("b", "b", "lr_mult: 0 decay_mult: 3")
    net = TorchNet(input_net(layers, {"x": (5, 4)}), TRAIN, {"x": (5, 4)})
    (spec,) = net.parameters
    assert (spec.layer, spec.lr_mult, spec.decay_mult, spec.learnable) == ("a", 0, 3, False)


def test_an_input_of_unknown_shape_is_refused() -> None:
    net = input_net("", {"x": IMAGE})
    with pytest.raises(NetError, match='layer "x" of type Input: no shape is known for its top "x"'):
        TorchNet(net, TRAIN, {})


def test_one_value_a_channel_cannot_be_normalised() -> None:
    net = input_net(one("BatchNorm"), {"x": (1, 6)})
    with pytest.raises(NetError, match="one value a channel is all that it has, and would always be 0; use a larger"):
        TorchNet(net, TRAIN, {"x": (1, 6)})


PRODUCT = 'layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" inner_product_param { num_output: 3 } } '
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "loss" } '


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            one("Threshold", "", "a"),
            "has no gradient, and its bottom depends on learnt parameters; set propagate_down: "
            "false for its top in the layers that read it",
        ),
        (
            one("ArgMax", "argmax_param { axis: 1 top_k: 3 } propagate_down: false", "a"),
            "has no gradient, and its bottom",
        ),
        (
            one("Embed", "embed_param { num_output: 3 input_dim: 9 }", "a"),
            'has no gradient for its bottom "a", which depends on learnt parameters; set propagate_down: false for that',
        ),
    ],
)
def test_a_gradient_that_caffe_does_not_have_is_refused_where_training_needs_it(layer: str, message: str) -> None:
    shapes = {"x": (5, 4), "label": (5,)}
    before, after = PRODUCT % ("a", "x", "a"), PRODUCT % ("b", "y", "b") + LOSS % "b"
    with pytest.raises(NetError, match=message):
        TorchNet(input_net(before + layer + after, shapes), TRAIN, shapes)
    aside = before + layer + LOSS % "a"
    held = before + layer + after.replace('bottom: "y"', 'bottom: "y" propagate_down: false')
    for layers, phase in ((before + layer + after, TEST), (aside, TRAIN), (held, TRAIN)):
        assert TorchNet(input_net(layers, shapes), phase, shapes).parameters


@pytest.mark.parametrize("kind", ["BNLL", "Log", "MVN", "Power"])
def test_a_layer_whose_gradient_caffe_overwrites_works_in_place_on_data_alone(kind: str) -> None:
    shapes = {"x": (5, 4, 1, 1), "label": (5,)}
    in_place = f'layer {{ name: "layer" type: "{kind}" bottom: "%s" top: "%s" }} '
    assert TorchNet(input_net(in_place % ("x", "x") + PRODUCT % ("a", "x", "a") + LOSS % "a", shapes), TRAIN, shapes)
    layers = PRODUCT % ("a", "x", "a") + in_place % ("a", "a") + LOSS % "a"
    with pytest.raises(NetError, match=f"of type {kind}: has no gradient .* parameters; give its top another name"):
        TorchNet(input_net(layers, shapes), TRAIN, shapes)


@pytest.mark.parametrize("kind", ["SigmoidCrossEntropyLoss", "HingeLoss", "SoftmaxWithLoss"])
def test_a_loss_whose_labels_are_learnt_is_refused(kind: str) -> None:
    shapes = {"x": (5, 4)}
    labels = PRODUCT.replace("num_output: 3", "num_output: 3 axis: 1") % ("t", "x", "t")
    if kind != "SigmoidCrossEntropyLoss":
        labels += 'layer { name: "r" type: "Reduction" bottom: "t" top: "r" reduction_param { axis: 1 } } '
    layers = PRODUCT % ("a", "x", "a") + labels + one(kind, "", "a t" if "Sigmoid" in kind else "a r")
    with pytest.raises(NetError, match=f"of type {kind}: has no gradient for its bottom"):
        TorchNet(input_net(layers, shapes), TRAIN, shapes)
