"""Whether training changes anything in a net: which parameters have a learning rate other than 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import LayerParameter, ParamSpec
from lrbench.nets.wiring import layer_place

_LEARNT_BLOBS: Mapping[str, Callable[[LayerParameter], int]] = MappingProxyType(
    {
        "Convolution": lambda layer: 1 + layer.convolution_param.bias_term,
        "Deconvolution": lambda layer: 1 + layer.convolution_param.bias_term,
        "InnerProduct": lambda layer: 1 + layer.inner_product_param.bias_term,
        "Embed": lambda layer: 1 + layer.embed_param.bias_term,
        "Scale": lambda layer: (len(layer.bottom) == 1) + layer.scale_param.bias_term,
        "Bias": lambda layer: int(len(layer.bottom) == 1),
        "PReLU": lambda layer: 1,
        "Parameter": lambda layer: 1,
        "RNN": lambda layer: 5,
        "LSTM": lambda layer: 3,
        "BatchNorm": lambda layer: 0,  # it has blobs, but no solver changes them
    }
)
"""Parameter blobs that a layer of each type learns; of other types, as many as it has ``param`` entries."""


def refuse_frozen(layers: Sequence[LayerParameter]) -> None:
    """Raise NetError where the TRAIN phase's layers have parameters, and none with a learning rate other than 0."""
    learning = [(layer, spec) for layer in layers for spec in _specs(layer)]
    # The layers that share a parameter share its lr_mult, which any one of them may give.
    shared = {spec.name: spec.lr_mult for _, spec in learning if spec.name and spec.HasField("lr_mult")}
    if learning and not any(shared.get(spec.name, spec.lr_mult) for _, spec in learning):
        raise NetError(
            "its lr_mult is 0, as that of all other layers with parameters is, so training changes nothing",
            where=layer_place(learning[-1][0]),
            remedy="set the lr_mult of what is to be trained to 1",
        )


def _specs(layer: LayerParameter) -> list[ParamSpec]:
    """The settings of each parameter blob that the layer learns, Caffe's defaults where it gives none."""
    count = _LEARNT_BLOBS[layer.type](layer) if layer.type in _LEARNT_BLOBS else len(layer.param)
    given = list(layer.param)[:count]
    return given + [ParamSpec()] * (count - len(given))
