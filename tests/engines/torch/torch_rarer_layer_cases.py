"""Small nets of the layers that fewer nets have, and a net to train of most of them."""

from __future__ import annotations

from engines.torch.torch_sketches import IMAGE, Shapes, Sketch, one

from lrbench.engines.torch.steps import IN_PLACE
from lrbench.nets.caffe_pb2 import TEST

VARIED = """
name: "varied"
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { scale: 0.00390625 crop_size: 16 } }
layer { name: "mvn" type: "MVN" bottom: "data" top: "mvn" }
layer { name: "conv" type: "Convolution" bottom: "mvn" top: "conv"
        convolution_param { num_output: 4 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } } }
layer { name: "elu" type: "ELU" bottom: "conv" top: "conv" }
layer { name: "clip" type: "Clip" bottom: "conv" top: "conv" clip_param { min: -1 max: 6 } }
layer { name: "swish" type: "Swish" bottom: "conv" top: "swish" }
layer { name: "up" type: "Deconvolution" bottom: "swish" top: "up"
        convolution_param { num_output: 1 kernel_size: 6 stride: 4 weight_filler { type: "bilinear" } } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "data" top: "crop" crop_param { offset: 1 } }
layer { name: "again" type: "EuclideanLoss" bottom: "crop" bottom: "data" top: "again" loss_weight: 0.01 }
layer { name: "bits" type: "SigmoidCrossEntropyLoss" bottom: "crop" bottom: "data" top: "bits" loss_weight: 0.001 }
layer { name: "rows" type: "Reshape" bottom: "conv" top: "rows" reshape_param { shape { dim: 0 dim: 4 dim: -1 } } }
layer { name: "norm" type: "Reduction" bottom: "rows" top: "norm" reduction_param { operation: ASUM axis: 2 } }
layer { name: "bias" type: "Bias" bottom: "norm" top: "norm" }
layer { name: "bnll" type: "BNLL" bottom: "norm" top: "bnll" }
layer { name: "log" type: "Log" bottom: "bnll" top: "log" log_param { shift: 1 } }
layer { name: "exp" type: "Exp" bottom: "log" top: "exp" exp_param { base: 2 scale: -1 } }
layer { name: "abs" type: "AbsVal" bottom: "exp" top: "abs" }
layer { name: "tile" type: "Tile" bottom: "abs" top: "tile" tile_param { tiles: 2 } }
layer { name: "word" type: "Embed" bottom: "label" top: "word"
        embed_param { num_output: 8 input_dim: 10 weight_filler { type: "uniform" min: -0.1 max: 0.1 } } }
layer { name: "near" type: "EuclideanLoss" bottom: "tile" bottom: "word" top: "near" loss_weight: 0.1 }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "margin" type: "HingeLoss" bottom: "ip" bottom: "label" top: "margin" loss_weight: 0.1 }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "largest" type: "ArgMax" bottom: "ip" top: "largest" argmax_param { axis: 1 } }
layer { name: "above" type: "Threshold" bottom: "largest" top: "above" threshold_param { threshold: 4.5 } }
layer { name: "quiet" type: "Silence" bottom: "above" }
"""
"""A net to train of the layers that few nets have, with five losses beside the softmax loss."""


def rarer_layers() -> dict[str, Sketch]:
    """Every case, by name."""
    return {
        **_deconvolution(),
        **_shaping(),
        **_values(),
        **_in_place(),
        **_spreading(),
        **_reducing(),
        **_losses_beside(),
    }


def _deconvolution() -> dict[str, Sketch]:
    def enlarge(settings: str, inputs: Shapes = IMAGE) -> Sketch:
        return Sketch(one("Deconvolution", f"convolution_param {{ {settings} }}"), inputs)

    up = (
        'layer { name: "up" type: "Deconvolution" bottom: "x" top: "up" param { lr_mult: 0 } convolution_param { '
        'kernel_size: 4 stride: 2 pad: 1 num_output: 6 group: 6 bias_term: false weight_filler { type: "bilinear" } '
        "} }"
    )
    return {
        "deconvolution": enlarge("num_output: 4 kernel_size: 3"),
        "deconvolution without bias": enlarge("num_output: 4 kernel_size: 3 bias_term: false"),
        "deconvolution, stride and pad": enlarge("num_output: 4 kernel_size: 4 stride: 2 pad: 1"),
        "deconvolution, uneven": enlarge(
            "num_output: 5 kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 2 pad_w: 0"
        ),
        "deconvolution, stride beyond the kernel": enlarge("num_output: 3 kernel_size: 2 stride: 3"),
        "deconvolution, groups": enlarge("num_output: 4 kernel_size: 3 group: 2 pad: 1"),
        "deconvolution, dilation": enlarge("num_output: 3 kernel_size: 2 dilation: 3 pad: 2 stride: 2"),
        "deconvolution, one by one": enlarge("num_output: 3 kernel_size: 1"),
        "deconvolution of one channel": enlarge("num_output: 3 kernel_size: 5 pad: 2", {"x": (3, 1, 9, 9)}),
        "deconvolution to one channel": enlarge("num_output: 1 kernel_size: 4 stride: 2"),
        "deconvolution, bilinear and fixed": Sketch(up, IMAGE),
    }


def _shaping() -> dict[str, Sketch]:
    def reshape(settings: str, inputs: Shapes = IMAGE) -> Sketch:
        return Sketch(one("Reshape", f"reshape_param {{ {settings} }}"), inputs)

    def crop(settings: str, like: tuple[int, ...]) -> Sketch:
        return Sketch(one("Crop", f"crop_param {{ {settings} }}", "x like"), {**IMAGE, "like": like})

    def tile(settings: str) -> Sketch:
        return Sketch(one("Tile", f"tile_param {{ {settings} }}"), IMAGE)

    back = (
        one("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }")
        + 'layer { name: "back" type: "Reshape" bottom: "y" top: "z" reshape_param { shape { dim: 0 dim: 6 dim: -1 '
        "dim: 5 } } }"
    )
    conv = (
        'layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" '
        "convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }"
    )
    return {
        "reshape": reshape("shape { dim: 2 dim: 3 dim: 2 dim: 35 }"),
        "reshape, kept and inferred": reshape("shape { dim: 0 dim: -1 }"),
        "reshape, inferred first": reshape("shape { dim: -1 dim: 0 dim: 5 }"),
        "reshape of some axes": reshape("axis: 1 num_axes: 2 shape { dim: 3 dim: -1 dim: 2 }"),
        "reshape from axis 1 on": reshape("axis: 1 shape { dim: -1 }"),
        "reshape from the back": reshape("axis: -2 shape { dim: -1 dim: 1 }"),
        "reshape, new axis in front": reshape("axis: 0 num_axes: 0 shape { dim: 1 }"),
        "reshape, new axis behind": reshape("axis: -1 num_axes: 0 shape { dim: 1 }"),
        "reshape, axes removed": reshape("axis: 1 num_axes: 2 shape { }", {"x": (4, 1, 1, 5)}),
        "reshape and back": Sketch(back, IMAGE),
        "reshape of a convolution": Sketch(
            conv + one("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }", "conv"), IMAGE
        ),
        "crop": crop("", (1, 2, 4, 3)),
        "crop, offset": crop("offset: 2", (1, 2, 4, 3)),
        "crop, offsets": crop("offset: 3 offset: 1", (1, 2, 4, 4)),
        "crop of channels": crop("axis: 1 offset: 1 offset: 0 offset: 2", (1, 5, 7, 2)),
        "crop, last axis": crop("axis: -1 offset: 4", (1, 2, 4, 1)),
        "crop of samples": crop("axis: 0", (1, 2, 4, 5)),
        "crop of an enlarged image": Sketch(
            _deconvolution()["deconvolution, bilinear and fixed"].layers
            + one("Crop", "crop_param { offset: 2 }", "up x"),
            IMAGE,
        ),
        "tile": tile("tiles: 3"),
        "tile, axis 0": tile("axis: 0 tiles: 2"),
        "tile, last axis": tile("axis: -1 tiles: 2"),
        "tile once": tile("tiles: 1"),
    }


def _values() -> dict[str, Sketch]:
    """Functions of each value alone; whole numbers where the function has a kink."""

    def line(kind: str, settings: str) -> Sketch:
        field = f"{kind.lower()}_param"
        return Sketch(one(kind, f"{field} {{ {settings} }}"), IMAGE, positive=kind == "Log")

    return {
        "elu": Sketch(one("ELU"), IMAGE, whole=True),
        "elu, alpha": Sketch(one("ELU", "elu_param { alpha: 0.3 }"), IMAGE),
        "bnll": Sketch(one("BNLL"), IMAGE),
        "swish": Sketch(one("Swish"), IMAGE),
        "swish, beta": Sketch(one("Swish", "swish_param { beta: 1.7 }"), IMAGE),
        "clip": Sketch(one("Clip", "clip_param { min: -1 max: 2 }"), IMAGE, whole=True),
        "clip, min above max": Sketch(one("Clip", "clip_param { min: 1 max: -1 }"), IMAGE, whole=True),
        "absval": Sketch(one("AbsVal"), IMAGE, whole=True),
        "exp": Sketch(one("Exp"), IMAGE),
        "exp, e by name": line("Exp", "base: -1 scale: -0.5 shift: 0.25"),
        "exp, base 2": line("Exp", "base: 2 scale: 0.5 shift: -3"),
        "exp, base below 1": line("Exp", "base: 0.7 shift: 2"),
        "exp, base 1": line("Exp", "base: 1"),
        "log": Sketch(one("Log"), IMAGE, positive=True),
        "log, base 10": line("Log", "base: 10 scale: 3 shift: 0.1"),
        "log, base below 1": line("Log", "base: 0.5 shift: 1"),
        "threshold": Sketch(one("Threshold"), IMAGE, backward=False, whole=True),
        "threshold 1": Sketch(one("Threshold", "threshold_param { threshold: 1 }"), IMAGE, backward=False, whole=True),
    }


def _in_place() -> dict[str, Sketch]:
    settings = {
        "Clip": "clip_param { min: -0.5 max: 0.7 }",
        "Exp": "exp_param { base: 2 }",
        "Power": "power_param { scale: 2 shift: 1 }",
        "Threshold": "",
    }
    return {
        **{
            f"{kind} in place": Sketch(one(kind, settings.get(kind, ""), tops="x"), IMAGE, backward=kind != "Threshold")
            for kind in sorted(IN_PLACE - {"Dropout"})
        },
        **{
            f"{kind} in place, forward": Sketch(
                one(kind, settings.get(kind, ""), tops="x"), IMAGE, backward=False, positive=kind == "Log"
            )
            for kind in ("BNLL", "Log", "MVN", "Power")
        },
    }


def _spreading() -> dict[str, Sketch]:
    def bias(settings: str, inputs: Shapes = IMAGE, bottoms: str = "x") -> Sketch:
        return Sketch(one("Bias", f"bias_param {{ {settings} }}", bottoms), inputs)

    def mvn(settings: str, inputs: Shapes = IMAGE) -> Sketch:
        return Sketch(one("MVN", f"mvn_param {{ {settings} }}"), inputs)

    def embed(settings: str, shape: tuple[int, ...]) -> Sketch:
        layer = one("Embed", f"embed_param {{ num_output: 3 input_dim: 4 {settings} }}", "label")
        loss = (
            'layer { name: "l" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "l" '
            "softmax_param { axis: -1 } }"
        )
        return Sketch(layer + loss, {"label": shape}, force=False, classes=3)

    return {
        "bias": bias(""),
        "bias, axis 0, two axes": bias("axis: 0 num_axes: 2"),
        "bias, all axes": bias("axis: 2 num_axes: -1"),
        "bias, one number": bias("num_axes: 0"),
        "bias by a bottom": bias("axis: 0", {"x": (2, 6, 7, 5), "s": (2, 6)}, "x s"),
        "mvn": mvn(""),
        "mvn across channels": mvn("across_channels: true"),
        "mvn of the mean alone": mvn("normalize_variance: false"),
        "mvn of the mean alone, across channels": mvn("normalize_variance: false across_channels: true"),
        "mvn, eps": mvn("eps: 0.5"),
        "mvn of three axes": mvn("", {"x": (4, 2, 7)}),
        "mvn of rows": mvn("across_channels: true", {"x": (4, 7)}),
        "mvn of single values": mvn("", {"x": (4, 7)}),
        "embed": embed("", (5,)),
        "embed without bias": embed("bias_term: false", (5, 1)),
        "embed of images": embed("", (2, 1, 3, 3)),
    }


def _reducing() -> dict[str, Sketch]:
    def argmax(settings: str, inputs: Shapes = IMAGE) -> Sketch:
        return Sketch(one("ArgMax", f"argmax_param {{ {settings} }}"), inputs, TEST, backward=False, whole=True)

    cases = {
        f"reduction {operation} {settings}": Sketch(
            one("Reduction", f"reduction_param {{ operation: {operation} {settings} }}"), IMAGE, whole=True
        )
        for operation in ("SUM", "ASUM", "SUMSQ", "MEAN")
        for settings in ("", "axis: 1", "axis: -2 coeff: -0.5")
    }
    cases["reduction as a loss"] = Sketch(
        one("Reduction", "loss_weight: 0.3 reduction_param { operation: SUMSQ }"), IMAGE
    )
    return cases | {
        "argmax": argmax(""),
        "argmax, top 3": argmax("top_k: 3"),
        "argmax with values": argmax("top_k: 2 out_max_val: true"),
        "argmax, axis 1": argmax("axis: 1"),
        "argmax, last axis, top 2": argmax("axis: -1 top_k: 2"),
        "argmax, axis 1, values": argmax("axis: 1 top_k: 4 out_max_val: true"),
        "argmax of rows": argmax("", {"x": (5, 4)}),
        "argmax of rows, axis 1, all": argmax("axis: 1 top_k: 4", {"x": (5, 4)}),
        "argmax of five axes": argmax("top_k: 2", {"x": (2, 3, 2, 1, 2)}),
    }


def _losses_beside() -> dict[str, Sketch]:
    two: Shapes = {"x": (5, 2, 3, 2), "z": (5, 2, 3, 2)}

    def hinge(settings: str, inputs: Shapes) -> Sketch:
        return Sketch(one("HingeLoss", settings, "x label", "loss"), inputs, whole=True)

    def sigmoid(settings: str, inputs: Shapes | None = None) -> Sketch:
        layer = one("SigmoidCrossEntropyLoss", settings, "x label", "loss")
        return Sketch(layer, inputs or {"x": (4, 3, 5), "label": (4, 3, 5)}, classes=2)

    autoencoder = (
        'layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 4 } } '
        'layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 12 } } '
        'layer { name: "r" type: "Reshape" bottom: "b" top: "r" reshape_param { shape { dim: 0 dim: 2 dim: 3 '
        'dim: 2 } } } layer { name: "l" type: "SoftmaxWithLoss" bottom: "a" bottom: "label" top: "l" } '
        'layer { name: "m" type: "EuclideanLoss" bottom: "r" bottom: "x" top: "m" loss_weight: 0.3 } '
        'layer { name: "h" type: "HingeLoss" bottom: "a" bottom: "label" top: "h" loss_weight: 0.5 } '
        'layer { name: "p" type: "Sigmoid" bottom: "x" top: "p" } '
        'layer { name: "s" type: "SigmoidCrossEntropyLoss" bottom: "r" bottom: "p" }'
    )
    cases = {
        "euclidean loss": Sketch(one("EuclideanLoss", "", "x z", "loss"), two),
        "euclidean loss with weight": Sketch(one("EuclideanLoss", "loss_weight: 0.3", "x z", "loss"), two),
        "euclidean loss of two shapes": Sketch(
            one("EuclideanLoss", "", "x z", "loss"), {"x": (5, 2, 3, 2), "z": (5, 12)}
        ),
        "euclidean loss of labels": Sketch(
            one("EuclideanLoss", "propagate_down: true propagate_down: false", "x label", "loss"),
            {"x": (5, 1), "label": (5,)},
        ),
        "hinge loss": hinge("", {"x": (5, 4), "label": (5,)}),
        "hinge loss, squared": hinge("hinge_loss_param { norm: L2 } loss_weight: 2", {"x": (5, 4), "label": (5,)}),
        "hinge loss of images": hinge("", {"x": (5, 4, 2, 2), "label": (5, 1, 1, 1)}),
        "sigmoid loss": sigmoid(""),
        "sigmoid loss with weight": sigmoid("loss_weight: 0.3", {"x": (4, 3), "label": (4, 3)}),
        "sigmoid loss, normalize": sigmoid("loss_param { normalize: true ignore_label: 1 }"),
        "sigmoid loss, not normalize": sigmoid("loss_param { normalize: false ignore_label: 1 }"),
        "four losses": Sketch(autoencoder, {"x": (5, 2, 3, 2), "label": (5,)}, force=False),
    }
    for mode in ("VALID", "FULL", "BATCH_SIZE", "NONE"):
        for ignored in ("", "ignore_label: 0"):
            cases[f"sigmoid loss, {mode} {ignored}"] = sigmoid(f"loss_param {{ normalization: {mode} {ignored} }}")
    return cases
