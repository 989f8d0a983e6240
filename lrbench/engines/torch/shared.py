"""What all lanes of a session have in common, read once: the net, and images on the device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from lrbench.data import Prepared
from lrbench.engines.torch.data import Batches
from lrbench.engines.torch.model import Model
from lrbench.nets import read_net
from lrbench.nets.caffe_pb2 import TEST, TRAIN
from lrbench.spec.sections import Precision


@dataclass(frozen=True)
class Source:
    """A bound net on disk.

    Attributes:
        path: its prototxt.
        batch_sizes: samples in a batch of the training and of the test phase.
        loss_blob: the training phase's main loss; None where only the sum of all losses is known.
        precision: what the forward pass computes in.
    """

    path: Path
    batch_sizes: tuple[int, int]
    loss_blob: str | None
    precision: Precision = "float32"


@dataclass(frozen=True)
class Shared:
    """A net and its data; nothing of it changes while lanes are trained.

    Attributes:
        model: both phases of the net.
        batches, test_batches: the data of each phase, under no run's seed yet.
        loss_blob: as in the source.
    """

    model: Model
    batches: Batches
    test_batches: Batches
    loss_blob: str | None
    device: torch.device

    @classmethod
    def read(cls, source: Source, data: Prepared, device: torch.device) -> Shared:
        """Read the bound net and its data.

        Raises:
            NetError, DataError: as the parts do.
        """
        model = Model.of(read_net(source.path), data, source.batch_sizes, source.precision)
        return cls(
            model=model,
            batches=Batches.of(data, model.train_data, TRAIN, 0, device),
            test_batches=Batches.of(data, model.test_data, TEST, 0, device),
            loss_blob=source.loss_blob,
            device=device,
        )
