"""What a softmax loss layer divides its sum by."""

from __future__ import annotations

from lrbench.nets.caffe_pb2 import LayerParameter, LossParameter, NetParameter


def normalization(layer: LayerParameter) -> LossParameter.NormalizationMode:
    """The layer's LossParameter.NormalizationMode, with the older ``normalize`` taken into account."""
    settings = layer.loss_param
    if settings.HasField("normalize") and not settings.HasField("normalization"):
        return LossParameter.VALID if settings.normalize else LossParameter.BATCH_SIZE
    return settings.normalization


def is_mean_loss(layer: LayerParameter) -> bool:
    """Whether a SoftmaxWithLoss layer with one label for each sample gives the mean over all samples.

    It does not where it sums over the batch, or leaves out the samples of one class.
    """
    return normalization(layer) != LossParameter.NONE and not layer.loss_param.HasField("ignore_label")


def has_mean_losses(net: NetParameter) -> bool:
    """Whether this holds for every SoftmaxWithLoss layer of the net."""
    return all(is_mean_loss(layer) for layer in net.layer if layer.type == "SoftmaxWithLoss")
