"""Outputs of a log's test net, recognised by the layers that make them, or by their names where the net is missing.

An ``Accuracy`` layer makes the accuracy, or with ``top_k: 5`` the top-5 accuracy, whatever its name; the loss is that
of the last softmax loss. glog cuts the net after 30,000 bytes, so that its last layers may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.caffe.log import CaffeLog
from lrbench.engines.caffe.log_columns import Output
from lrbench.errors import NetError
from lrbench.metrics.divergence import divergence
from lrbench.nets import is_mean_loss, normalization
from lrbench.nets.caffe_pb2 import TEST, LayerParameter, LossParameter, NetParameter
from lrbench.nets.graph import count_channels, trace
from lrbench.nets.text import merge_whole_fields

Column = NDArray[np.float64]

_TOP5 = re.compile(r"top[^a-z0-9]?5|@5|_5\b")
_ACCURACY = re.compile(r"acc|top[^a-z0-9]?\d|prec")
_NO_TOP = "(automatic)"  # what Caffe calls the top of a loss layer that has none
_ONE_LABEL = ("Data", "ImageData")  # layers that give each sample one label


@dataclass(frozen=True)
class Outputs:
    """Names of the outputs; None where there is none.

    Attributes:
        classes: number of classes of the loss; None where it is unknown.
        mean_loss: whether the loss is a softmax loss, averaged over the samples, as far as is known.
    """

    accuracy: str | None
    top5: str | None
    loss: str | None
    classes: int | None = None
    mean_loss: bool = True


@dataclass(frozen=True)
class Readings:
    """The outputs of the passes over the first test net; NaN where not known.

    Attributes:
        passes: their places among the log's tests, in the order of iterations.
        diverged: for each pass whether it shows that the net diverged.
        reason: why the last one does; None where it does not.
    """

    passes: NDArray[np.int64]
    loss: Column
    accuracy: Column
    top5: Column
    diverged: NDArray[np.bool_]
    reason: str | None


def read_outputs(log: CaffeLog) -> Readings:
    """Loss, accuracy and top-5 accuracy of each pass; where a resumed training repeats an iteration, of the later.

    Caffe counts NaN as correct: where the loss is missing or shows that the net diverged, all three are unknown.
    """
    passes = log.tests.of_net(0)
    measured = log.tests.outputs(passes)
    outputs = outputs_of({name: output.values for name, output in measured.items()}, logged_test_net(log))
    (loss, has_loss), (accuracy, has_accuracy), (top5, _) = (
        _column(measured.get(name or ""), len(passes)) for name in (outputs.loss, outputs.accuracy, outputs.top5)
    )

    def why(index: int) -> str | None:
        if not has_loss[index]:
            return None
        known = float(accuracy[index]) if has_accuracy[index] else None
        return divergence(float(loss[index]), known, outputs.classes, mean_loss=outputs.mean_loss)

    diverged = np.fromiter((why(index) is not None for index in range(len(passes))), np.bool_, len(passes))
    last = why(len(passes) - 1) if len(passes) else None
    reason = f"{last} at iteration {log.tests.iterations[passes[-1]]}" if last else None
    unknown = diverged if outputs.loss is None else diverged | ~has_loss
    for column in (loss, accuracy, top5):
        column[unknown] = np.nan
    return Readings(passes, loss, accuracy, top5, diverged, reason)


def _column(output: Output | None, count: int) -> tuple[Column, NDArray[np.bool_]]:
    """Return the output of each of ``count`` passes, NaN where a pass lacks it, and a mask of those that have it."""
    column, has_output = np.full(count, np.nan), np.zeros(count, dtype=np.bool_)
    if output is not None:
        column[output.passes] = output.values
        has_output[output.passes] = True
    return column, has_output


def logged_test_net(log: CaffeLog) -> NetParameter | None:
    """Return the first test net, as far as the log has it: by its state, else the net behind the training net."""
    nets = []
    for text in log.net_texts:
        net = NetParameter()
        merge_whole_fields(text, net)
        if net.state.HasField("phase") and net.state.phase == TEST:
            return net
        nets.append(net)
    return nets[1] if len(nets) > 1 else None


def outputs_of(values: Mapping[str, Column], net: NetParameter | None) -> Outputs:
    """Find the accuracy, top-5 accuracy and loss among a test net's outputs.

    Args:
        values: of each output, in the order of the log.
        net: the test net, None where the log lacks it.
    """
    layers = {top: layer for layer in net.layer for top in layer.top or (_NO_TOP,)} if net is not None else {}
    kinds = {name: _kind(layers[name]) for name in values if name in layers}
    named = _by_name(
        {name: found for name, found in values.items() if kinds.get(name) is None},
        may_guess="accuracy" not in kinds.values(),
    )

    def last(*kinds_wanted: str, bottom: str | None = None) -> str | None:
        """Return the net's own output of the first kind that it has; those of auxiliary branches come before."""
        for kind in kinds_wanted:
            made = [name for name in values if kinds.get(name) == kind]
            of_bottom = [name for name in made if layers[name].bottom[:1] == [bottom]]
            if made:
                return (of_bottom or made)[-1]
        return named[kinds_wanted[-1]]

    loss = last("softmax loss", "loss")
    main = layers.get(loss or "")
    logits = main.bottom[0] if main is not None and main.bottom else None
    classes, mean_loss = _softmax(net, main) if net is not None and main is not None else (None, True)
    return Outputs(last("accuracy", bottom=logits), last("top5", bottom=logits), loss, classes, mean_loss)


def _kind(layer: LayerParameter) -> str | None:
    """Return what a layer measures; None where its type does not tell."""
    if layer.type == "Accuracy":
        return {1: "accuracy", 5: "top5"}.get(layer.accuracy_param.top_k, "other")
    if layer.type == "SoftmaxWithLoss":
        return "softmax loss"
    if layer.type.endswith("Loss"):
        return "loss"
    return None if layer.type == "Python" or "accuracy" in layer.type.lower() else "other"


def _by_name(values: Mapping[str, Column], *, may_guess: bool) -> dict[str, str | None]:
    """Recognise the accuracy, the top-5 accuracy and the loss by their names.

    Where none is called an accuracy, it is the only other output that stays within [0, 1].
    """
    accuracies = [name for name in values if _ACCURACY.search(name.lower())]
    losses = [name for name in values if "loss" in name.lower() and name not in accuracies]
    shares = [
        name
        for name, found in values.items()
        if name not in accuracies and name not in losses and ((found >= 0) & (found <= 1)).all()
    ]
    if not accuracies and may_guess and len(shares) == 1:
        accuracies = shares
    top5 = [name for name in accuracies if _TOP5.search(name.lower())]
    top1 = [name for name in accuracies if name not in top5]
    return {"accuracy": _usual(top1, "accuracy"), "top5": _usual(top5, "accuracy_top5"), "loss": _usual(losses, "loss")}


def _usual(names: Sequence[str], usual: str) -> str | None:
    """Return the usual name, or the last: the outputs of auxiliary branches come before the net's own."""
    return usual if usual in names else names[-1] if names else None


def _softmax(net: NetParameter, loss: LayerParameter) -> tuple[int | None, bool]:
    """Return the classes of a loss, None where unknown, and whether it is a softmax loss averaged over the samples."""
    if loss.type != "SoftmaxWithLoss" or len(loss.bottom) < 2:
        return None, False
    layers = list(net.layer)
    by_batch = normalization(loss.loss_param) == LossParameter.BATCH_SIZE
    try:
        wiring = trace(layers)
    except NetError:  # such as a layer that reads what no layer of the log's net makes
        return None, is_mean_loss(loss) and not by_batch
    logits, label = wiring.makers[layers.index(loss)][:2]
    one_label = layers[label].type in _ONE_LABEL
    return count_channels(layers, wiring, logits) or None, is_mean_loss(loss) and (one_label or not by_batch)
