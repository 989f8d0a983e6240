"""What a softmax loss layer divides its sum by."""

from __future__ import annotations

from lrbench.nets.caffe_pb2 import LayerParameter, LossParameter, NetParameter


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
    """Whether this holds for every SoftmaxWithLoss layer of the net."""
    return all(is_mean_loss(layer) for layer in net.layer if layer.type == "SoftmaxWithLoss")
