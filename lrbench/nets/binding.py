"""A net bound to a data set and batch sizes, and the hash of what a net computes whatever it is bound to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from lrbench.errors import NetError
from lrbench.nets.caffe_pb2 import TEST, TRAIN, DataParameter, LayerParameter, NetParameter, NetStateRule, Phase
from lrbench.nets.checking import NetParts, check_net
from lrbench.nets.graph import is_in, layer_place

PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class DataBinding:
    """The files of a data set.

    Attributes:
        train: the LMDB of training samples.
        test: the LMDB of test samples.
        mean: the training images' mean, a BlobProto file, or None where the data set has none.
    """

    train: str
    test: str
    mean: str | None = None


@dataclass(frozen=True)
class BatchSizes:
    """Samples in one iteration of each phase."""

    train: int
    test: int


def bind_net(net: NetParameter, data: DataBinding, batch: BatchSizes, where: str = "net") -> NetParameter:
    """A copy of the net that reads this data set in batches of this size.

    Each Data layer becomes one for each phase it was in, as the two phases read different files. Where they are
    missing, the softmax loss gets a top and the TEST phase a Softmax layer, whose top ``check_net`` names in
    ``NetParts.probabilities``. What nothing in the net reads Caffe would print, number by number, at every test; so
    a Silence layer reads the probabilities where no other does.

    Args:
        net: a net that :func:`~lrbench.nets.check_net` accepts; it is left as it is.
        data: the files to read.
        batch: samples in an iteration.
        where: what an error calls the net.

    Errors:
        NetError: the net is not fit for training, or wants a mean file that the data set has none of.
    """
    parts = check_net(net, where)
    bound = NetParameter()
    bound.CopyFrom(net)
    del bound.layer[:]
    for layer in net.layer:
        if layer.type == "Data":
            bound.layer.extend(_bind_data(layer, net, data, batch, where))
        else:
            bound.layer.add().CopyFrom(layer)
    for layer in bound.layer:  # Caffe invents a top where the loss has none, which cannot be asked for by name
        if layer.name == parts.loss_layer and layer.type == "SoftmaxWithLoss" and not layer.top:
            layer.top.append(_unused(layer.name, _blobs(bound)))
    _add_probabilities(bound, parts)
    return bound


def _bind_data(
    layer: LayerParameter, net: NetParameter, data: DataBinding, batch: BatchSizes, where: str
) -> Iterator[LayerParameter]:
    for phase, source, size in ((TRAIN, data.train, batch.train), (TEST, data.test, batch.test)):
        if not is_in(layer, net.state, phase):
            continue
        bound = LayerParameter()
        bound.CopyFrom(layer)
        del bound.include[:], bound.exclude[:]
        bound.include.add(phase=phase)
        bound.data_param.source = source
        bound.data_param.backend = DataParameter.LMDB
        bound.data_param.batch_size = size
        if layer.transform_param.HasField("mean_file"):
            if data.mean is None:
                raise NetError(
                    "subtracts a mean_file, but the data set has none",
                    where=f"{where}: {layer_place(layer)}",
                    remedy="remove mean_file, or use mean_value",
                )
            bound.transform_param.mean_file = data.mean
        yield bound


def _add_probabilities(net: NetParameter, parts: NetParts) -> None:
    blob, test = parts.probabilities, NetStateRule(phase=Phase.TEST)
    if blob is None:
        blob = _unused(PROBABILITIES, _names(net) | _blobs(net))
        position = next(
            position
            for position, layer in enumerate(net.layer)
            if layer.name == parts.loss_layer and is_in(layer, net.state, TEST)
        )
        softmax = LayerParameter(name=blob, type="Softmax", bottom=[parts.logits], top=[blob], include=[test])
        if net.layer[position].HasField("softmax_param"):
            softmax.softmax_param.CopyFrom(net.layer[position].softmax_param)
        # Right behind the loss, where the logits are still those that the loss reads.
        net.layer.insert(position + 1, softmax)
    if not any(blob in layer.bottom for layer in net.layer if is_in(layer, net.state, TEST)):
        name = _unused(f"{blob}_silence", _names(net))
        net.layer.append(LayerParameter(name=name, type="Silence", bottom=[blob], include=[test]))


def _names(net: NetParameter) -> set[str]:
    return {layer.name for layer in net.layer}


def _blobs(net: NetParameter) -> set[str]:
    return {blob for layer in net.layer for blob in layer.top}


def _unused(wanted: str, taken: set[str]) -> str:
    while wanted in taken:
        wanted += "_"
    return wanted


_BOUND_DATA_FIELDS = ("source", "backend", "batch_size", "prefetch")


def net_sha256(net: NetParameter) -> str:
    """The hash, in hexadecimal, of what the net computes.

    It does not see comments, white space, the net's name, nor what binding a net to a data set sets: where the
    samples and the mean lie and how many make a batch. Whether a mean is subtracted it does see. A default written
    out counts as a difference: to Caffe the presence of some fields has a meaning of its own.
    """
    bare = NetParameter()
    bare.CopyFrom(net)
    bare.ClearField("name")
    for layer in bare.layer:
        if layer.type != "Data":
            continue
        for field in _BOUND_DATA_FIELDS:
            layer.data_param.ClearField(field)
        if not layer.data_param.ListFields():
            layer.ClearField("data_param")
        if layer.transform_param.HasField("mean_file"):
            layer.transform_param.mean_file = "mean"
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()
