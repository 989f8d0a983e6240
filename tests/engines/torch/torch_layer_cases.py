"""Small nets of one layer each, with awkward shapes: what Caffe and the engine must agree on."""

from __future__ import annotations

from engines.torch.torch_rarer_layer_cases import rarer_layers
from engines.torch.torch_sketches import IMAGE, Shapes, Sketch, one

from lrbench.nets.caffe_pb2 import TEST, TRAIN, Phase


def sketches() -> dict[str, Sketch]:
    """Every case, by name."""
    return {
        **_linear(),
        **_pooling(),
        **_neuron(),
        **_normalizing(),
        **_joining(),
        **_loss(),
        **_accuracy(),
        **_nets(),
        **rarer_layers(),
    }


def _convolution(settings: str, inputs: Shapes = IMAGE) -> Sketch:
    return Sketch(one("Convolution", f"convolution_param {{ {settings} }}"), inputs)


def _linear() -> dict[str, Sketch]:
    def product(settings: str, inputs: Shapes = IMAGE) -> Sketch:
        return Sketch(one("InnerProduct", f"inner_product_param {{ num_output: 3 {settings} }}"), inputs)

    return {
        "convolution": _convolution("num_output: 4 kernel_size: 3"),
        "convolution without bias": _convolution("num_output: 4 kernel_size: 3 bias_term: false"),
        "convolution, stride and pad": _convolution("num_output: 4 kernel_size: 3 stride: 2 pad: 1"),
        "convolution, uneven": _convolution(
            "num_output: 5 kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 2 pad_w: 0"
        ),
        "convolution, two sizes": _convolution("num_output: 2 kernel_size: 2 kernel_size: 4 pad: 0 pad: 3"),
        "convolution, groups": _convolution("num_output: 4 kernel_size: 3 group: 2 pad: 1"),
        "convolution, depthwise": _convolution("num_output: 12 kernel_size: 3 group: 6"),
        "convolution, dilation": _convolution("num_output: 3 kernel_size: 2 dilation: 3 pad: 2 stride: 2"),
        "convolution, one by one": _convolution("num_output: 3 kernel_size: 1"),
        "convolution, one channel": _convolution("num_output: 3 kernel_size: 5 pad: 2", {"x": (3, 1, 9, 9)}),
        "inner product": product(""),
        "inner product without bias": product("bias_term: false"),
        "inner product, transposed": product("transpose: true"),
        "inner product, axis 2": product("axis: 2"),
        "inner product, last axis": product("axis: -1 transpose: true"),
        "inner product of rows": product("", {"x": (4, 7)}),
    }


def _pooling() -> dict[str, Sketch]:
    cases = {}
    for pool in ("MAX", "AVE"):
        for name, settings in {
            "3/2, clipped": "kernel_size: 3 stride: 2",
            "3/2 padded": "kernel_size: 3 stride: 2 pad: 1",
            "2/2 padded, last window dropped": "kernel_size: 2 stride: 2 pad: 1",
            "3/2, pad 2 of 3": "kernel_size: 3 stride: 2 pad: 2",
            "4/3, pad 3 of 4": "kernel_size: 4 stride: 3 pad: 3",
            "uneven": "kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 2",
            "global": "global_pooling: true",
            "floor": "kernel_size: 2 stride: 2 round_mode: FLOOR",
            "floor, padded": "kernel_size: 3 stride: 2 pad: 2 round_mode: FLOOR",
            "1/2 floor": "kernel_size: 1 stride: 2 round_mode: FLOOR",
        }.items():
            layer = one("Pooling", f"pooling_param {{ pool: {pool} {settings} }}")
            cases[f"pooling {pool}, {name}"] = Sketch(layer, {"x": (2, 3, 8, 5)})
    cases["pooling MAX with ties"] = Sketch(
        one("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }"), IMAGE, whole=True
    )
    return cases


def _neuron() -> dict[str, Sketch]:
    return {
        "relu": Sketch(one("ReLU"), IMAGE, whole=True),
        "relu in place": Sketch(one("ReLU", tops="x"), IMAGE),
        "relu with slope": Sketch(one("ReLU", "relu_param { negative_slope: 0.1 }"), IMAGE, whole=True),
        "prelu": Sketch(one("PReLU"), IMAGE),
        "prelu, shared": Sketch(one("PReLU", "prelu_param { channel_shared: true }"), IMAGE),
        "prelu of rows": Sketch(one("PReLU"), {"x": (4, 5)}),
        "sigmoid": Sketch(one("Sigmoid"), IMAGE),
        "tanh": Sketch(one("TanH"), IMAGE),
        "power, line": Sketch(one("Power", "power_param { scale: -2 shift: 3 }"), IMAGE),
        "power, square": Sketch(one("Power", "power_param { power: 2 scale: 0.5 }"), IMAGE),
        "power, square, shifted": Sketch(one("Power", "power_param { power: 2 scale: 0.5 shift: 1 }"), IMAGE),
        "power, root": Sketch(one("Power", "power_param { power: 0.5 shift: 0.1 }"), IMAGE, positive=True),
        "power, scale 0": Sketch(one("Power", "power_param { scale: 0 }"), IMAGE),
        "power, scale 0 of a shift": Sketch(one("Power", "power_param { scale: 0 shift: 3 power: 2 }"), IMAGE),
        "power 0": Sketch(one("Power", "power_param { power: 0 }"), IMAGE),
        "dropout in a test": Sketch(one("Dropout"), IMAGE, TEST),
        "dropout of a layer's own phase": Sketch(one("Dropout", "phase: TEST"), IMAGE),
        "dropout of nothing": Sketch(one("Dropout", "dropout_param { dropout_ratio: 0 }"), IMAGE),
    }


def _normalizing() -> dict[str, Sketch]:
    def lrn(settings: str, inputs: Shapes = IMAGE) -> Sketch:
        return Sketch(one("LRN", f"lrn_param {{ {settings} }}"), inputs)

    def norm(settings: str, inputs: Shapes = IMAGE, phase: Phase = TRAIN) -> Sketch:
        return Sketch(one("BatchNorm", f"batch_norm_param {{ {settings} }}"), inputs, phase)

    def scale(settings: str, inputs: Shapes = IMAGE, bottoms: str = "x") -> Sketch:
        return Sketch(one("Scale", f"scale_param {{ {settings} }}", bottoms), inputs)

    fused = (
        one("BatchNorm", tops="x") + 'layer { name: "scale" type: "Scale" bottom: "x" top: "%s" scale_param { %s } }'
    )
    return {
        "lrn across": lrn("alpha: 2 k: 3"),
        "lrn across 3": lrn("local_size: 3 alpha: 0.5 beta: 1.5"),
        "lrn across more than there are": lrn("local_size: 9 alpha: 5"),
        "lrn within": lrn("norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2"),
        "lrn within, k not used": lrn("norm_region: WITHIN_CHANNEL alpha: 2 k: 7"),
        "lrn within more than there is": lrn("norm_region: WITHIN_CHANNEL local_size: 7 alpha: 2", {"x": (2, 3, 2, 3)}),
        "batch norm": norm(""),
        "batch norm, fraction and eps": norm("moving_average_fraction: 0.5 eps: 0.1"),
        "batch norm of rows": norm("", {"x": (6, 4)}),
        "batch norm in a test": norm("", phase=TEST),
        "batch norm by stored in training": norm("use_global_stats: true"),
        "batch norm by batch in a test": norm("use_global_stats: false", phase=TEST),
        "batch norm and scale": Sketch(fused % ("x", "bias_term: true"), IMAGE),
        "batch norm and scale, not in place": Sketch(fused % ("y", "bias_term: true"), IMAGE),
        "batch norm and scale in a test": Sketch(fused % ("x", "bias_term: true"), IMAGE, TEST),
        "batch norm by stored in training, and scale": Sketch(
            fused.replace('top: "x"', 'top: "x" batch_norm_param { use_global_stats: true }', 1)
            % ("x", "bias_term: true"),
            IMAGE,
        ),
        "batch norm and scale without bias": Sketch(fused % ("x", ""), IMAGE),
        "scale": scale(""),
        "scale with bias": scale("bias_term: true"),
        "scale, axis 0, two axes": scale("axis: 0 num_axes: 2 bias_term: true"),
        "scale, all axes": scale("axis: 2 num_axes: -1 bias_term: true"),
        "scale, one number": scale("num_axes: 0 bias_term: true"),
        "scale by a bottom": scale("axis: 0", {"x": (2, 6, 7, 5), "s": (2, 6)}, "x s"),
        "scale by a bottom with bias": scale("axis: 1 bias_term: true", {"x": (2, 6, 7, 5), "s": (6, 7)}, "x s"),
    }


def _joining() -> dict[str, Sketch]:
    three: Shapes = {"a": (2, 3, 4), "b": (2, 3, 4), "c": (2, 3, 4)}

    def eltwise(settings: str, bottoms: str = "a b c") -> Sketch:
        inputs = {name: three[name] for name in bottoms.split()}
        return Sketch(one("Eltwise", f"eltwise_param {{ {settings} }}", bottoms), inputs, whole=True)

    return {
        "eltwise sum": eltwise(""),
        "eltwise sum of two": eltwise("", "a b"),
        "eltwise difference": eltwise("coeff: 1 coeff: -2 coeff: 0.5"),
        "eltwise product": eltwise("operation: PROD"),
        "eltwise largest, with ties": eltwise("operation: MAX"),
        "concat": Sketch(one("Concat", bottoms="x z"), {"x": (2, 3, 5, 4), "z": (2, 2, 5, 4)}),
        "concat, axis -1": Sketch(one("Concat", "concat_param { axis: -1 }", "x z"), {"x": (2, 3, 5), "z": (2, 3, 1)}),
        "concat, axis 0": Sketch(one("Concat", "concat_param { concat_dim: 0 }", "x z"), {"x": (2, 3), "z": (4, 3)}),
        "slice": Sketch(one("Slice", tops="p q r"), IMAGE),
        "slice at points": Sketch(
            one("Slice", "slice_param { axis: 2 slice_point: 1 slice_point: 5 }", tops="p q r"), IMAGE
        ),
        "split": Sketch(one("Split", tops="p q"), IMAGE),
        "flatten": Sketch(one("Flatten"), IMAGE),
        "flatten some": Sketch(one("Flatten", "flatten_param { axis: 0 end_axis: -2 }"), IMAGE),
    }


def _loss() -> dict[str, Sketch]:
    def loss(settings: str, inputs: Shapes, tops: str = "loss", classes: int = 4) -> Sketch:
        return Sketch(one("SoftmaxWithLoss", settings, "x label", tops), inputs, classes=classes)

    rows: Shapes = {"x": (5, 4), "label": (5,)}
    pixels: Shapes = {"x": (2, 4, 3, 5), "label": (2, 1, 3, 5)}
    cases = {
        "softmax": Sketch(one("Softmax"), {"x": (5, 4)}),
        "softmax, axis 2": Sketch(one("Softmax", "softmax_param { axis: 2 }"), IMAGE),
        "softmax of images": Sketch(one("Softmax"), IMAGE),
        "loss": loss("", rows),
        "loss, label of four axes": loss("", {"x": (5, 4, 1, 1), "label": (5, 1, 1, 1)}),
        "loss with weight": loss("loss_weight: 0.3", rows),
        "loss of pixels": loss("", pixels),
        "loss, last axis": loss("softmax_param { axis: -1 }", {"x": (2, 3, 4), "label": (2, 3)}),
        "loss, every label ignored": loss("loss_param { ignore_label: 0 }", rows, classes=1),
    }
    for mode in ("VALID", "FULL", "BATCH_SIZE", "NONE"):
        for ignored in ("", "ignore_label: 2"):
            cases[f"loss of pixels, {mode} {ignored}"] = loss(
                f"loss_param {{ normalization: {mode} {ignored} }}", pixels
            )
    cases["loss, normalize"] = loss("loss_param { normalize: true ignore_label: 1 }", pixels)
    cases["loss, not normalize"] = loss("loss_param { normalize: false ignore_label: 1 }", pixels)
    return cases


def _accuracy() -> dict[str, Sketch]:
    def accuracy(settings: str, inputs: Shapes, tops: str = "y") -> Sketch:
        layer = one("Accuracy", f"accuracy_param {{ {settings} }}", "x label", tops)
        return Sketch(layer, inputs, TEST, backward=False, whole=True)

    rows: Shapes = {"x": (40, 4), "label": (40,)}
    return {
        "accuracy, with ties": accuracy("", rows),
        "accuracy, top 3": accuracy("top_k: 3", rows),
        "accuracy by class": accuracy("top_k: 2", rows, "y by_class"),
        "accuracy, ignored label": accuracy("ignore_label: 1", rows, "y by_class"),
        "accuracy of pixels": accuracy("", {"x": (2, 4, 3, 5), "label": (2, 1, 3, 5)}, "y by_class"),
    }


def _nets() -> dict[str, Sketch]:
    """A few layers together: sharing, splitting, several losses, gradients held back."""

    def product(name: str, bottom: str, settings: str, outputs: int = 4) -> str:
        return (
            f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {settings} '
            f"inner_product_param {{ num_output: {outputs} }} }}"
        )

    def loss(name: str, bottom: str, weight: float = 1) -> str:
        return (
            f'layer {{ name: "{name}" type: "SoftmaxWithLoss" bottom: "{bottom}" bottom: "label" top: "{name}" '
            f"loss_weight: {weight} }}"
        )

    shared = 'param { name: "w" } param { name: "b" }'
    square = 'layer { name: "p" type: "Power" bottom: "a" top: "p" loss_weight: 0.5 power_param { power: 2 } }'
    rows: Shapes = {"x": (5, 4), "label": (5,)}
    return {
        "shared weights": Sketch(product("a", "x", shared) + product("b", "a", shared) + loss("l", "b"), rows),
        "shared weights of another shape": Sketch(
            product("a", "x", 'param { name: "w" }', 2)
            + product("b", "a", 'param { name: "w" share_mode: PERMISSIVE }', 4)
            + loss("l", "b"),
            rows,
        ),
        "two losses": Sketch(
            product("a", "x", "") + product("b", "a", "") + loss("m", "a", 0.3) + loss("l", "b", 2), rows
        ),
        "a loss weight on any layer": Sketch(product("a", "x", "") + square, {"x": (5, 4)}),
        "gradient held back": Sketch(
            product("a", "x", "")
            + product("b", "a", "propagate_down: false")
            + product("c", "a", "")
            + loss("m", "b")
            + loss("l", "c"),
            rows,
            force=False,
        ),
        "silence": Sketch(
            product("a", "x", "") + 'layer { name: "s" type: "Silence" bottom: "a" }' + loss("l", "a"), rows
        ),
        "loss without a top": Sketch(
            product("a", "x", "") + 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "a" bottom: "label" }', rows
        ),
    }
