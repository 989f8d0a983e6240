"""The geometry of convolutions and poolings: kernel, padding, stride and dilation, checked as Caffe checks them."""

from __future__ import annotations

from dataclasses import dataclass

from lrbench.engines.torch.layer import Shape, refusal
from lrbench.nets.caffe_pb2 import ConvolutionParameter, LayerParameter, PoolingParameter

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A window that slides over an image; each pair is of height and width, in pixels."""

    kernel: Pair
    pad: Pair = (0, 0)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)


def convolution_window(layer: LayerParameter) -> Window:
    """The window of a Convolution.

    Raises:
        NetError: a setting is given twice, is missing or is not positive.
    """
    settings = layer.convolution_param
    kernel = _pair(layer, settings, "kernel_size", "kernel")
    if kernel is None:
        raise refusal(layer, "has no kernel_size")
    return _checked(
        layer,
        Window(
            kernel=kernel,
            pad=_pair(layer, settings, "pad", "pad") or (0, 0),
            stride=_pair(layer, settings, "stride", "stride") or (1, 1),
            dilation=_repeated(layer, "dilation", list(settings.dilation)) or (1, 1),
        ),
    )


def pooling_window(layer: LayerParameter, bottom: Shape) -> Window:
    """The window of a Pooling; of a global one, the whole image.

    Raises:
        NetError: a setting is given twice, is missing, is not positive, or the padding holds a whole window.
    """
    settings = layer.pooling_param
    kernel = _pair(layer, settings, "kernel_size", "kernel")
    pad = _pair(layer, settings, "pad", "pad") or (0, 0)
    stride = _pair(layer, settings, "stride", "stride") or (1, 1)
    if settings.global_pooling:
        if kernel is not None or pad != (0, 0) or stride != (1, 1):
            raise refusal(layer, "global_pooling leaves no choice of kernel, pad or stride", "remove them")
        return Window(kernel=(bottom[2], bottom[3]))
    if kernel is None:
        raise refusal(layer, "has no kernel_size")
    if pad[0] >= kernel[0] or pad[1] >= kernel[1]:
        raise refusal(layer, f"pad {pad} is not smaller than the kernel {kernel}, so that a window may see no image")
    return _checked(layer, Window(kernel, pad, stride))


def _pair(
    layer: LayerParameter, settings: ConvolutionParameter | PoolingParameter, name: str, prefix: str
) -> Pair | None:
    """One setting, given for both axes at once or for each alone; None where it is not given."""
    alone = [f"{prefix}_h", f"{prefix}_w"]
    given = [field for field in alone if settings.HasField(field)]
    if isinstance(settings, PoolingParameter):
        together = [int(getattr(settings, name))] if settings.HasField(name) else []
    else:
        together = list(getattr(settings, name))
    if given and together:
        raise refusal(layer, f"has both {name} and {given[0]}", "keep one")
    if not given:
        return _repeated(layer, name, together)
    if len(given) == 1:
        (missing,) = set(alone) - set(given)
        raise refusal(layer, f"has {given[0]} without {missing}", "give both")
    return int(getattr(settings, alone[0])), int(getattr(settings, alone[1]))


def _repeated(layer: LayerParameter, name: str, values: list[int]) -> Pair | None:
    if len(values) > 2:
        raise refusal(layer, f"has {len(values)} values of {name}, and an image has two axes")
    return (values[0], values[-1]) if values else None


def _checked(layer: LayerParameter, window: Window) -> Window:
    for name, pair in (("kernel", window.kernel), ("stride", window.stride), ("dilation", window.dilation)):
        if min(pair) < 1:
            raise refusal(layer, f"its {name} {pair} is not positive")
    return window
