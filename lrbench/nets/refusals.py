"""Layers that LRBench does not train with, each with the reason and what to do instead."""

from __future__ import annotations

from collections.abc import Collection

from lrbench.errors import NetError, did_you_mean
from lrbench.nets.caffe_pb2 import TRAIN, LayerParameter, NetParameter, PoolingParameter, SPPParameter
from lrbench.nets.wiring import layer_place

_USE_DATA = 'put the images in an LMDB and read them by a layer of type "Data"'

# type: (why it is refused, remedy)
_REFUSED_TYPES = {
    "Python": ("would run code of its own", "use one of Caffe's built-in layers"),
    "HDF5Output": ("would write a file of its own", "remove it"),
    "HDF5Data": ("does not read the spec's data set", _USE_DATA),
    "ImageData": ("does not read the spec's data set", _USE_DATA),
    "MemoryData": ("does not read the spec's data set", _USE_DATA),
    "WindowData": ("does not read the spec's data set", _USE_DATA),
    "Input": ("is never filled, as this is the deploy form of a net", "give the train-and-test form, with Data layers"),
}
_CAFFE_TYPES = (
    "AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss Convolution Crop Data "
    "Deconvolution Dropout DummyData ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss "
    "Im2col ImageData InfogainLoss InnerProduct Input LRN LSTM LSTMUnit Log MVN MemoryData MultinomialLogisticLoss "
    "PReLU Parameter Pooling Power Python RNN ReLU Reduction Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Silence "
    "Slice Softmax SoftmaxWithLoss Split Swish TanH Threshold Tile WindowData"
)
CAFFE_LAYER_TYPES = frozenset(_CAFFE_TYPES.split())
"""The layer types of Caffe as ``lrbench caffe install`` installs it; another build may have more."""
_IGNORED_DATA_FIELDS = ("scale", "mean_file", "crop_size", "mirror")


def refuse_layer(layer: LayerParameter) -> None:
    """Raise NetError if the layer is of a kind, or has a setting, that LRBench does not train with."""
    place = layer_place(layer)
    if not layer.name:
        raise NetError(f'a layer of type "{layer.type}" has no name', remedy="name every layer")
    if not layer.type:
        raise NetError("has no type", where=place)
    if layer.type in _REFUSED_TYPES:
        reason, remedy = _REFUSED_TYPES[layer.type]
        raise NetError(f'its type "{layer.type}" is refused: it {reason}', where=place, remedy=remedy)
    if layer.type == "DummyData" and any(filler.type != "constant" for filler in layer.dummy_data_param.data_filler):
        raise NetError("draws its data at random", where=place, remedy='use the filler "constant"')
    if layer.type == "LRN" and layer.lrn_param.local_size % 2 == 0:
        size = layer.lrn_param.local_size
        raise NetError(f"local_size is {size}, and must be odd", where=place, remedy=f"set it to {size + 1}")
    if layer.type == "Data":
        _refuse_data_settings(layer)


def unknown_type(layer: LayerParameter, known: Collection[str] = CAFFE_LAYER_TYPES) -> NetError:
    """The error of a layer whose type is not among those that Caffe knows."""
    return NetError(
        f'Caffe does not know the layer type "{layer.type}"',
        where=layer_place(layer),
        remedy=did_you_mean(layer.type, known) or "look for its name in Caffe's documentation",
    )


def refuse_random_images(layer: LayerParameter) -> None:
    """Raise NetError if a Data layer of the TEST phase crops or mirrors at random.

    Two evaluations of the same weights would give different numbers.
    """
    place = layer_place(layer)
    if layer.transform_param.mirror:
        raise NetError(
            "mirrors test images at random, so that evaluations of the same weights differ",
            where=place,
            remedy="remove mirror in the TEST phase; a layer that serves both phases has to become two",
        )
    if layer.HasField("phase") and layer.phase == TRAIN and layer.transform_param.crop_size:
        raise NetError(
            "its phase is TRAIN, so that it crops test images at random",
            where=place,
            remedy="remove phase, and include { phase: TEST } instead",
        )


def refuse_stochastic_pooling(net: NetParameter, where: str) -> None:
    """Raise NetError if a layer pools at random, which nothing but Caffe on a GPU can train.

    Args:
        where: what the error calls the net, such as its path.
    """
    for layer in net.layer:
        pooling = layer.type == "Pooling" and layer.pooling_param.pool == PoolingParameter.STOCHASTIC
        if pooling or (layer.type == "SPP" and layer.spp_param.pool == SPPParameter.STOCHASTIC):
            raise NetError(
                "pool is STOCHASTIC, which only the engine caffe on a GPU can train",
                where=f"{where}: {layer_place(layer)}",
                remedy="use MAX or AVE, or engine: {name: caffe, device: gpu}",
            )


def _refuse_data_settings(layer: LayerParameter) -> None:
    if layer.data_param.rand_skip:
        raise NetError(
            "rand_skip starts each run at another sample, so that no run could be repeated",
            where=layer_place(layer),
            remedy="remove it",
        )
    for field in _IGNORED_DATA_FIELDS:
        if layer.data_param.HasField(field):
            raise NetError(
                f"Caffe ignores {field} in data_param", where=layer_place(layer), remedy="move it to transform_param"
            )
