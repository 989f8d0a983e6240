"""Softmax, the losses and Accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from lrbench.engines.torch.layer import Layer, Shape, at_least_float32, canonical_axis, expect, refusal
from lrbench.metrics.divergence import LARGEST_SAMPLE_LOSS
from lrbench.nets import normalization
from lrbench.nets.caffe_pb2 import HingeLossParameter, LayerParameter, LossParameter, Phase


def softmax(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Softmax: ``exp(x_c) / sum_c exp(x_c)`` along ``axis``."""
    expect(layer, bottoms=(1, 1), tops=(1, 1))
    axis = canonical_axis(layer, layer.softmax_param.axis, len(bottoms[0]))
    return Layer((bottoms[0],), lambda bottoms, _p, _g: (torch.softmax(at_least_float32(bottoms[0]), axis),))


def softmax_with_loss(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """SoftmaxWithLoss: ``-sum_i log p_i(label_i) / normalizer`` and, as a second top, the probabilities.

    A sample's loss is at most -log of the smallest normal float32, 87.34, yet its gradient is never cut: it is
    ``p - 1[label]`` over the normalizer. The second top has no gradient, as in Caffe. The normalizer is the number
    of labels that count (VALID), of all labels (FULL), of samples (BATCH_SIZE) or 1 (NONE), and never less than 1.
    """
    expect(layer, bottoms=(2, 2), tops=(0, 2))
    scores, labels = bottoms
    axis = canonical_axis(layer, layer.softmax_param.axis, len(scores))
    flat_scores, flat_labels = _rows(layer, scores, labels, axis)
    ignored = layer.loss_param.ignore_label if layer.loss_param.HasField("ignore_label") else None
    normalize = normalizer(layer.loss_param, flat_labels[0], prod(flat_labels), LossParameter.VALID)
    wants_probabilities = len(layer.top) > 1

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        values = at_least_float32(bottoms[0])
        x, y = values.reshape(flat_scores), bottoms[1].reshape(flat_labels).long()
        losses = functional.cross_entropy(x, y, reduction="none", ignore_index=-100 if ignored is None else ignored)
        cut = losses.detach()
        # The value is cut and the gradient is not; losses - cut is 0 however large they are.
        losses = torch.where(cut > LARGEST_SAMPLE_LOSS, LARGEST_SAMPLE_LOSS + (losses - cut), losses)
        loss = normalize(losses.sum(), y)
        return (loss, torch.softmax(values.detach(), axis)) if wants_probabilities else (loss,)

    return Layer(((), scores) if wants_probabilities else ((),), run, no_gradient=frozenset({1}))


Normalize = Callable[[Tensor, Tensor], Tensor]
"""Function from a sum of losses and the labels, as whole numbers, to the loss."""


def normalizer(
    settings: LossParameter, samples: int, labels: int, default: LossParameter.NormalizationMode
) -> Normalize:
    """Make the division of a loss, in the mode that ``settings`` name, else in the default one."""
    mode = normalization(settings, default)
    if mode == LossParameter.VALID and settings.HasField("ignore_label"):
        ignored = settings.ignore_label
        return lambda loss, y: loss / (y != ignored).sum().clamp(min=1)
    numbers = {
        LossParameter.VALID: labels,
        LossParameter.FULL: labels,
        LossParameter.BATCH_SIZE: samples,
        LossParameter.NONE: 1,
    }
    number = numbers[mode]
    return lambda loss, y: loss / number


def accuracy(layer: LayerParameter, bottoms: Sequence[Shape], _phase: Phase) -> Layer:
    """Accuracy: the share of labels with fewer than ``top_k`` *other* classes at least as high; a second top has it
    for each class. Labels equal to ``ignore_label`` do not count."""
    expect(layer, bottoms=(2, 2), tops=(1, 2))
    scores, labels = bottoms
    settings = layer.accuracy_param
    axis = canonical_axis(layer, settings.axis, len(scores))
    flat_scores, flat_labels = _rows(layer, scores, labels, axis)
    classes, top_k = scores[axis], settings.top_k
    if top_k > classes:
        raise refusal(layer, f"top_k {top_k} is more than the {classes} classes")
    ignored = settings.ignore_label if settings.HasField("ignore_label") else None
    by_class = len(layer.top) > 1

    def run(bottoms: Sequence[Tensor], _parameters: Sequence[Tensor], _: object) -> Sequence[Tensor]:
        x = at_least_float32(bottoms[0].detach()).reshape(flat_scores)
        y = bottoms[1].reshape(flat_labels).long()
        counts = torch.ones_like(y, dtype=x.dtype) if ignored is None else (y != ignored).to(x.dtype)
        y = y if ignored is None else torch.where(y == ignored, 0, y)
        ahead = (x >= x.gather(1, y.unsqueeze(1))).sum(1) - 1
        right = (ahead < top_k) * counts
        overall = right.sum() / counts.sum().clamp(min=1)
        return (overall, _share(y, right, counts, classes)) if by_class else (overall,)

    return Layer(((), (classes,)) if by_class else ((),), run)


def _share(labels: Tensor, right: Tensor, counts: Tensor, classes: int) -> Tensor:
    of_class = functional.one_hot(labels.reshape(-1), classes).to(right.dtype)
    members, hits = ((number.reshape(-1, 1) * of_class).sum(0) for number in (counts, right))
    return hits / members.clamp(min=1)


def _rows(layer: LayerParameter, scores: Shape, labels: Shape, axis: int) -> tuple[Shape, Shape]:
    """Shapes of scores and labels with classes along axis 1: an inner axis only where there is one.

    Raises:
        NetError: there are not as many labels as predictions.
    """
    outer, classes, inner = prod(scores[:axis]), scores[axis], prod(scores[axis + 1 :])
    if prod(labels) != outer * inner:
        raise refusal(layer, f"{prod(labels)} labels do not match {outer * inner} predictions")
    return ((outer, classes), (outer,)) if inner == 1 else ((outer, classes, inner), (outer, inner))


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
