"""Losses that a net may have beside its softmax loss: EuclideanLoss, HingeLoss and SigmoidCrossEntropyLoss."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import Layer, Shape, at_least_float32, expect, refusal
from lrbench.engines.torch.layers_loss import normalizer
from lrbench.nets.caffe_pb2 import HingeLossParameter, LayerParameter, LossParameter, Phase


def euclidean_loss(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """EuclideanLoss: ``sum (a - b)^2 / (2 N)`` for N samples, with a gradient for both bottoms."""
    _expect_pair(layer, bottoms)
    samples = bottoms[0][0]

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        a, b = (at_least_float32(bottom) for bottom in bottoms)
        return ((a - b.reshape(a.shape)).square().sum() / (2 * samples),)

    return Layer(((),), run)


def hinge_loss(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """HingeLoss: ``sum max(0, 1 - d x)^p / N`` over each of N samples' scores x, with p = 1 or 2 (``norm``).

    d is 1 for the score of the sample's label and -1 for any other.
    """
    expect(layer, bottoms=(2, 2), tops=(0, 1))
    scores, labels = bottoms
    if not scores or prod(labels) != scores[0]:
        raise refusal(layer, f"{prod(labels)} labels do not match the samples of a bottom of shape {scores}")
    rows = (scores[0], prod(scores[1:]))
    squared = layer.hinge_loss_param.norm == HingeLossParameter.L2

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x, y = at_least_float32(bottoms[0]).reshape(rows), bottoms[1].reshape(-1, 1).long()
        of_label = torch.arange(rows[1], device=x.device) == y
        margins = torch.relu(1 + torch.where(of_label, -x, x))
        return ((margins.square() if squared else margins).sum() / rows[0],)

    return Layer(((),), run, no_gradient=frozenset({1}))


def sigmoid_cross_entropy_loss(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """SigmoidCrossEntropyLoss: ``-sum (t log p + (1 - t) log(1 - p)) / normalizer`` with ``p = 1 / (1 + exp(-x))``.

    Targets t equal to ``ignore_label`` do not count. The normalizer is that of SoftmaxWithLoss, with BATCH_SIZE, the
    number of samples, where none is set.
    """
    _expect_pair(layer, bottoms)
    settings = layer.loss_param
    ignored = settings.ignore_label if settings.HasField("ignore_label") else None
    normalize = normalizer(settings, bottoms[0][0], prod(bottoms[0]), LossParameter.BATCH_SIZE)

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = at_least_float32(bottoms[0])
        targets = bottoms[1].detach().to(x.dtype).reshape(x.shape)
        losses = functional.binary_cross_entropy_with_logits(x, targets, reduction="none")
        whole = targets.long()
        if ignored is not None:
            losses = torch.where(whole == ignored, 0.0, losses)
        return (normalize(losses.sum(), whole),)

    return Layer(((),), run, no_gradient=frozenset({1}))


def _expect_pair(layer: LayerParameter, bottoms: Sequence[Shape]) -> None:
    """Raise NetError where two bottoms are not as many samples with as many values each."""
    expect(layer, bottoms=(2, 2), tops=(0, 1))
    first, second = bottoms
    if first[:1] != second[:1] or prod(first) != prod(second) or not first:
        raise refusal(layer, f"its bottoms differ in size: {first}, {second}")
