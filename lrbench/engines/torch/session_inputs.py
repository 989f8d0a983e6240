"""The inputs that all lanes of a session share, read once: both phases of the net, and images on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lrbench.data import Prepared
from lrbench.engines.torch.data import Batches, read_transform
from lrbench.engines.torch.layer import Shape
from lrbench.engines.torch.net import TorchNet
from lrbench.errors import LRBenchError
from lrbench.nets import layers_in
from lrbench.nets.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter
from lrbench.nets.graph import layer_place
from lrbench.spec.sections import Precision


@dataclass(frozen=True)
class Model:
    """A net in training and under test.

    Attributes:
        train, test: the net as a function in each phase.
        train_data, test_data: the Data layer of each phase; its tops are the images and the labels.
        shared: for each parameter of the test phase, its place among those of the training phase; None for one that
            the training phase does not have, which keeps what its filler gave it, as in Caffe.
    """

    train: TorchNet
    test: TorchNet
    train_data: LayerParameter
    test_data: LayerParameter
    shared: tuple[int | None, ...]

    @classmethod
    def of(
        cls, net: NetParameter, data: Prepared, batch_sizes: tuple[int, int], precision: Precision = "float32"
    ) -> Model:
        """The model of a net that is bound to a data set.

        Args:
            batch_sizes: samples in a batch of the training and of the test phase.
            precision: what their forward passes compute in.

        Raises:
            NetError: a layer that is not supported, or that does not fit.
        """
        train_data, test_data = (
            next(layer for layer in layers_in(net, phase) if layer.type == "Data") for phase in (TRAIN, TEST)
        )
        train, test = (
            TorchNet(net, phase, _inputs(layer, data, size), precision=precision)
            for phase, layer, size in zip((TRAIN, TEST), (train_data, test_data), batch_sizes, strict=True)
        )
        places = {(spec.layer, spec.index): place for place, spec in enumerate(train.parameters)}
        shared = tuple(places.get((spec.layer, spec.index)) for spec in test.parameters)
        return cls(train, test, train_data, test_data, shared)

    def for_test(self, parameters: Sequence[Tensor], own: Sequence[Tensor]) -> list[Tensor]:
        """The test phase's parameters: the training phase's, and of ``own`` those that only the test phase has."""
        return [own[index] if place is None else parameters[place] for index, place in enumerate(self.shared)]


def _inputs(layer: LayerParameter, data: Prepared, batch_size: int) -> dict[str, Shape]:
    """Shapes of what a Data layer makes."""
    try:
        window = read_transform(layer.transform_param, data.shape).window
    except LRBenchError as error:
        raise error.at(layer_place(layer)) from error
    images, labels = layer.top
    return {images: (batch_size, data.shape[0], *window), labels: (batch_size,)}


@dataclass(frozen=True)
class SessionInputs:
    """A net and its data; nothing of it changes while lanes are trained.

    Attributes:
        model: both phases of the net.
        batches, test_batches: the data of each phase, under no run's seed yet.
        loss_blob: the training phase's main loss; None where only the sum of all losses is known.
    """

    model: Model
    batches: Batches
    test_batches: Batches
    loss_blob: str | None
    device: torch.device

    @classmethod
    def read(cls, model: Model, data: Prepared, loss_blob: str | None, device: torch.device) -> SessionInputs:
        """Read the model's data onto the device.

        Raises:
            NetError, DataError: the data cannot be read, or a transformation does not fit them.
        """
        batches, test_batches = (
            Batches.of(data, layer, phase, 0, device)
            for layer, phase in ((model.train_data, TRAIN), (model.test_data, TEST))
        )
        return cls(model, batches, test_batches, loss_blob, device)
