"""Parts of a net that training and measuring need, found before Caffe sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.errors import NetError, placed
from lrbench.nets.caffe_pb2 import TEST, TRAIN, LayerParameter, LossParameter, NetParameter, Phase
from lrbench.nets.graph import Wiring, count_channels, layer_place, layers_in, random_layers, trace
from lrbench.nets.refusals import refuse_frozen, refuse_layer, refuse_random_images


def normalization(
    settings: LossParameter, default: LossParameter.NormalizationMode = LossParameter.VALID
) -> LossParameter.NormalizationMode:
    """The mode of a loss layer's settings, with the older ``normalize`` taken into account.

    Args:
        default: the layer type's own mode, where the settings name none.
    """
    if settings.HasField("normalization"):
        return settings.normalization
    if settings.HasField("normalize"):
        return LossParameter.VALID if settings.normalize else LossParameter.BATCH_SIZE
    return default


def is_mean_loss(layer: LayerParameter) -> bool:
    """Whether a SoftmaxWithLoss layer with one label for each sample gives the mean over all samples.

    It does not where it sums over the batch, or leaves out the samples of one class.
    """
    return normalization(layer.loss_param) != LossParameter.NONE and not layer.loss_param.HasField("ignore_label")


def has_mean_losses(net: NetParameter) -> bool:
    """Whether ``is_mean_loss`` holds for every SoftmaxWithLoss layer of the net."""
    return all(is_mean_loss(layer) for layer in net.layer if layer.type == "SoftmaxWithLoss")


@dataclass(frozen=True)
class NetParts:
    """Layers and blobs that an engine feeds, measures and replays; blobs are those of the TEST phase.

    Attributes:
        data_layer_train: the Data layer of the TRAIN phase.
        data_layer_test: the Data layer of the TEST phase.
        label: the blob of class labels, one for each sample.
        loss_layer: the softmax loss; of several, the last.
        loss_blob: its top, or None where it has none (a bound net's always has).
        logits: the blob that the loss turns into probabilities.
        scores: the same blob where it still holds the logits once the net has run, or None where a later layer writes
            over them.
        probabilities: the blob of probabilities, or None where no layer makes it (in a bound net one always does).
        classes: the number of logits for each sample, or None where it takes running the net.
        random_layers: the TRAIN phase's layers that draw random numbers each time they run.
        wants_mean: whether a Data layer subtracts a mean file.
    """

    data_layer_train: str
    data_layer_test: str
    label: str
    loss_layer: str
    loss_blob: str | None
    logits: str
    scores: str | None
    probabilities: str | None
    classes: int | None
    random_layers: tuple[str, ...]
    wants_mean: bool


@dataclass(frozen=True)
class _PhaseView:
    """One phase's layers, their joints, and the positions of its Data layer and its loss."""

    layers: list[LayerParameter]
    wiring: Wiring
    data: int
    loss: int


def check_net(net: NetParameter, where: str) -> NetParts:
    """Find the parts of a train-and-test net that training and measuring need, in both phases.

    Errors:
        NetError: a part is missing or wrong; the place is ``where``, such as the net's path, and the layer.
    """
    with placed(where):
        return _check(net)


def _check(net: NetParameter) -> NetParts:
    if net.input:
        raise NetError(f'its input "{net.input[0]}" is never filled', remedy="give the train-and-test form of the net")
    if net.state.HasField("phase"):
        raise NetError("its state fixes the phase, and a net is both trained and tested", remedy="remove state.phase")
    train, test = _view(net, TRAIN), _view(net, TEST)
    for name in random_layers(net, TEST):
        raise NetError("draws random numbers in the TEST phase", where=f'layer "{name}"', remedy="remove its phase")
    loss = test.layers[test.loss]
    return NetParts(
        data_layer_train=train.layers[train.data].name,
        data_layer_test=test.layers[test.data].name,
        label=loss.bottom[1],
        loss_layer=loss.name,
        loss_blob=loss.top[0] if loss.top else None,
        logits=loss.bottom[0],
        scores=loss.bottom[0] if test.wiring.last_makers[loss.bottom[0]] == test.wiring.makers[test.loss][0] else None,
        probabilities=_find_probabilities(test),
        classes=count_channels(test.layers, test.wiring, test.wiring.makers[test.loss][0]),
        random_layers=tuple(random_layers(net)),
        wants_mean=any(view.layers[view.data].transform_param.HasField("mean_file") for view in (train, test)),
    )


def _view(net: NetParameter, phase: Phase) -> _PhaseView:
    layers = layers_in(net, phase)
    seen: set[str] = set()
    for layer in layers:
        refuse_layer(layer)
        if layer.name in seen:
            raise NetError(f"there are two of this name in the {Phase.Name(phase)} phase", where=layer_place(layer))
        seen.add(layer.name)
    data = _find_data(layers, phase)
    wiring = trace(layers)
    view = _PhaseView(layers, wiring, data, _find_loss(layers, wiring, data, phase))
    if phase == TRAIN:
        refuse_frozen(layers)
    else:
        refuse_random_images(layers[data])
    return view


def _find_data(layers: Sequence[LayerParameter], phase: Phase) -> int:
    positions = [position for position, layer in enumerate(layers) if layer.type == "Data"]
    if not positions:
        raise NetError(f'there is no layer of type "Data" in the {Phase.Name(phase)} phase', remedy="add one")
    if len(positions) > 1:
        names = " and ".join(f'"{layers[position].name}"' for position in positions)
        raise NetError(
            f"there are {len(positions)} layers of type Data in the {Phase.Name(phase)} phase: {names}",
            remedy="one reads the data set; give others an include rule for the other phase",
        )
    layer = layers[positions[0]]
    if len(layer.top) != 2:
        raise NetError(
            f"has {len(layer.top)} tops in the {Phase.Name(phase)} phase, and two are needed",
            where=layer_place(layer),
            remedy='give it one for the images and one for the labels: top: "data" top: "label"',
        )
    return positions[0]


def _find_loss(layers: Sequence[LayerParameter], wiring: Wiring, data: int, phase: Phase) -> int:
    label = layers[data].top[1]
    losses = [position for position, layer in enumerate(layers) if layer.type == "SoftmaxWithLoss"]
    if not losses:
        others = [f'"{layer.name}" of type {layer.type}' for layer in layers if layer.type.endswith("Loss")]
        raise NetError(
            f'there is no layer of type "SoftmaxWithLoss" in the {Phase.Name(phase)} phase'
            + (f", only {' and '.join(others)}" if others else ""),
            remedy="confidence and accuracy are measured on softmax probabilities: add one on the logits and the label",
        )
    for position in reversed(losses):
        loss = layers[position]
        if len(loss.bottom) >= 2 and loss.bottom[1] == label and wiring.makers[position][1] == data:
            if phase == TRAIN and list(loss.loss_weight)[:1] == [0]:
                raise NetError(
                    "its loss_weight is 0, so it trains nothing",
                    where=layer_place(loss),
                    remedy="leave loss_weight out",
                )
            return position
    raise NetError(
        f'its second bottom is not "{label}", the label of layer "{layers[data].name}"',
        where=layer_place(layers[losses[-1]]),
        remedy=f'let its bottoms be the logits and "{label}"',
    )


def _find_probabilities(view: _PhaseView) -> str | None:
    """The blob that holds, when the net has run, the softmax of what the loss reads."""
    loss = view.layers[view.loss]
    made = [(view.loss, loss.top[1])] if len(loss.top) > 1 else []
    for position, layer in enumerate(view.layers):
        same_logits = layer.type == "Softmax" and view.wiring.makers[position][:1] == view.wiring.makers[view.loss][:1]
        if same_logits and layer.bottom[0] == loss.bottom[0] and layer.softmax_param.axis == loss.softmax_param.axis:
            made += [(position, blob) for blob in layer.top]
    kept = [blob for position, blob in made if view.wiring.last_makers[blob] == position]
    return kept[-1] if kept else None
