"""Nets that LRBench does not train: layers and settings that are refused, each with the reason and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from lrbench.errors import NetError, did_you_mean, placed
from lrbench.nets.caffe_pb2 import (
    TEST,
    TRAIN,
    LayerParameter,
    NetParameter,
    ParamSpec,
    PoolingParameter,
    SPPParameter,
    TransformationParameter,
)
from lrbench.nets.graph import layer_place, layers_in

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


ImageShape = tuple[int, int, int]
"""Channels, height and width."""


def check_images(net: NetParameter, shape: ImageShape, where: str) -> None:
    """Raise NetError where a Data layer's ``transform_param`` does not fit images of this shape.

    The place in the error is ``where``, such as the net's path, and the layer.
    """
    for phase in (TRAIN, TEST):
        for layer in layers_in(net, phase):
            if layer.type == "Data":
                with placed(f"{where}: {layer_place(layer)}"):
                    check_transform(layer.transform_param, shape)


def check_transform(message: TransformationParameter, shape: ImageShape) -> None:
    """Raise NetError for a crop larger than the images, or for means that do not fit their channels."""
    channels, height, width = shape
    if message.crop_size > min(height, width):
        raise NetError(
            f"crop_size is {message.crop_size}, and the images are {height}x{width}",
            remedy=f"set it to {min(height, width)} or less",
        )
    if message.mean_value and message.HasField("mean_file"):
        raise NetError("has both mean_file and mean_value", remedy="keep one")
    if len(message.mean_value) not in (0, 1, channels):
        raise NetError(
            f"has {len(message.mean_value)} values of mean_value for images of {channels} channels",
            remedy=f"give one, or {channels}",
        )
