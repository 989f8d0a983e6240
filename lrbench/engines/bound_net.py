"""A job's net, bound to its data, with the names that an engine needs."""

from __future__ import annotations

from dataclasses import dataclass

from lrbench.engines.base import NetJob
from lrbench.nets import (
    BatchSizes,
    DataBinding,
    bind_net,
    check_images,
    check_net,
    layers_in,
    random_layers,
    refuse_stochastic_pooling,
)
from lrbench.nets.caffe_pb2 import TRAIN, NetParameter


@dataclass(frozen=True)
class BoundNet:
    """A net that reads the job's data.

    Attributes:
        net: the bound net.
        test_blobs: names of the TEST phase's ``probabilities``, ``label`` and ``loss`` blobs, and of its ``scores``,
            the logits, unless a later layer writes over them.
        train_loss: the TRAIN phase's blob of that loss; None where it has none, and only the sum of losses is known.
        plain_loss: whether that loss, with weight 1, is the only one in the TRAIN phase.
        replay_layers: layers of the TRAIN phase whose state only memory holds: the data layer, and what draws from
            Caffe's random generator; running each once an iteration brings that state back.
    """

    net: NetParameter
    test_blobs: dict[str, str]
    train_loss: str | None
    plain_loss: bool
    replay_layers: list[str]


def bind(job: NetJob) -> BoundNet:
    """Bind the job's net to its data and batch sizes.

    Raises:
        NetError: the net lacks what training or measuring needs, does not fit the images, or needs a GPU.
    """
    check_images(job.net, job.data.shape, job.net_where)
    if job.engine.device != "gpu":
        refuse_stochastic_pooling(job.net, job.net_where)
    data = DataBinding(str(job.data.train), str(job.data.test), str(job.data.mean) if job.data.mean else None)
    net = bind_net(job.net, data, BatchSizes(job.batch_size, job.test_batch_size), job.net_where)
    parts = check_net(net, job.net_where)
    assert parts.probabilities is not None  # bind_net adds what is missing
    assert parts.loss_blob is not None
    losses = [layer for layer in layers_in(net, TRAIN) if layer.type.endswith("Loss") or any(layer.loss_weight)]
    main = next(
        (layer for layer in losses if layer.name == parts.loss_layer),
        [layer for layer in losses if layer.type == "SoftmaxWithLoss"][-1],
    )
    drawing = {parts.data_layer_train, *random_layers(net)}
    blobs = {"probabilities": parts.probabilities, "label": parts.label, "loss": parts.loss_blob}
    return BoundNet(
        net=net,
        test_blobs=blobs if parts.scores is None else {**blobs, "scores": parts.scores},
        train_loss=main.top[0] if main.top else None,
        plain_loss=len(losses) == 1 and list(main.loss_weight) in ([], [1.0]),
        replay_layers=[layer.name for layer in layers_in(net, TRAIN) if layer.name in drawing],
    )
