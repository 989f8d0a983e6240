"""What the outputs of a log's test net are: by the layers that make them, by their names where the log lacks the net.

An ``Accuracy`` layer makes the accuracy, or with ``top_k: 5`` the top-5 accuracy, whatever they are called; the loss is
that of the last softmax loss. glog cuts the net after 30,000 bytes, so that its last layers may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.engines.caffe.log import CaffeLog
from lrbench.engines.caffe.log_sessions import Test
from lrbench.errors import NetError
from lrbench.metrics.divergence import divergence
from lrbench.nets import is_mean_loss, normalization
from lrbench.nets.caffe_pb2 import TEST, LayerParameter, LossParameter, NetParameter
from lrbench.nets.text import merge_whole_fields
from lrbench.nets.wiring import count_channels, trace

Column = NDArray[np.float64]

_TOP5 = re.compile(r"top[^a-z0-9]?5|@5|_5\b")
_ACCURACY = re.compile(r"acc|top[^a-z0-9]?\d|prec")
_NO_TOP = "(automatic)"  # what Caffe calls the top of a loss layer that has none
_ONE_LABEL = ("Data", "ImageData")  # layers that give each sample one label


@dataclass(frozen=True)
class Outputs:
    """Which outputs are which, by their names; None where there is none.

    Attributes:
        classes: how many classes the loss tells apart; None where that is not known.
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
        tests: the passes, in the order of iterations.
        diverged: for each pass whether it shows that the net diverged.
        reason: why the last one does; None where it does not.
    """

    tests: Sequence[Test]
    loss: Column
    accuracy: Column
    top5: Column
    diverged: NDArray[np.bool_]
    reason: str | None


def read_outputs(log: CaffeLog) -> Readings:
    """Loss, accuracy and top-5 accuracy of each pass; where a resumed training repeats an iteration, of the later.

    Caffe counts NaN as correct: where the loss is missing or shows that the net diverged, all three are unknown.
    """
    passes = {test.iteration: test for test in log.tests if test.net == 0 and test.outputs}
    tests = [passes[iteration] for iteration in sorted(passes)]
    outputs = outputs_of(tests, logged_test_net(log))
    columns = [_column(tests, name) for name in (outputs.loss, outputs.accuracy, outputs.top5)]
    reasons = [_divergence(test, outputs) for test in tests]
    missing = [outputs.loss is not None and outputs.loss not in test.outputs for test in tests]
    diverged = np.array([reason is not None for reason in reasons], dtype=np.bool_)
    for column in columns:
        column[diverged | np.array(missing, dtype=np.bool_)] = np.nan
    reason = f"{reasons[-1]} at iteration {tests[-1].iteration}" if tests and reasons[-1] else None
    loss, accuracy, top5 = columns
    return Readings(tests, loss, accuracy, top5, diverged, reason)


def _column(tests: Sequence[Test], name: str | None) -> Column:
    return np.array([test.outputs.get(name, np.nan) if name else np.nan for test in tests], dtype=np.float64)


def _divergence(test: Test, outputs: Outputs) -> str | None:
    if outputs.loss is None or outputs.loss not in test.outputs:
        return None
    accuracy = test.outputs.get(outputs.accuracy) if outputs.accuracy else None
    return divergence(test.outputs[outputs.loss], accuracy, outputs.classes, mean_loss=outputs.mean_loss)


def logged_test_net(log: CaffeLog) -> NetParameter | None:
    """The first test net, as far as the log has it: that whose state says so, else that behind the training net."""
    nets = []
    for text in log.net_texts:
        net = NetParameter()
        merge_whole_fields(text, net)
        if net.state.HasField("phase") and net.state.phase == TEST:
            return net
        nets.append(net)
    return nets[1] if len(nets) > 1 else None


def outputs_of(tests: Sequence[Test], net: NetParameter | None) -> Outputs:
    """Which of the tests' outputs are accuracy, top-5 accuracy and loss."""
    values: dict[str, list[float]] = {}
    for test in tests:
        for name, value in test.outputs.items():
            values.setdefault(name, []).append(value)
    layers = _makers(net) if net is not None else {}
    kinds = {name: _kind(layers[name]) for name in values if name in layers}
    named = _by_name({name: found for name, found in values.items() if kinds.get(name) is None},
                     may_guess="accuracy" not in kinds.values())

    def last(*kinds_wanted: str, bottom: str | None = None) -> str | None:
        """The net's own output of the first kind that there is: those of auxiliary branches come before it."""
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


def _makers(net: NetParameter) -> dict[str, LayerParameter]:
    """The layer that makes each output, by the output's name."""
    return {top: layer for layer in net.layer for top in layer.top or (_NO_TOP,)}


def _kind(layer: LayerParameter) -> str | None:
    """What a layer measures; None for one whose type does not tell."""
    if layer.type == "Accuracy":
        return {1: "accuracy", 5: "top5"}.get(layer.accuracy_param.top_k, "other")
    if layer.type == "SoftmaxWithLoss":
        return "softmax loss"
    if layer.type.endswith("Loss"):
        return "loss"
    return None if layer.type == "Python" or "accuracy" in layer.type.lower() else "other"


def _by_name(values: Mapping[str, Sequence[float]], *, may_guess: bool) -> dict[str, str | None]:
    """The accuracy, the top-5 accuracy and the loss by their names.

    Where none is called an accuracy, it is the only other output that stays within [0, 1].
    """
    accuracies = [name for name in values if _ACCURACY.search(name.lower())]
    losses = [name for name in values if "loss" in name.lower() and name not in accuracies]
    shares = [name for name, found in values.items()
              if name not in accuracies and name not in losses and all(0 <= value <= 1 for value in found)]
    if not accuracies and may_guess and len(shares) == 1:
        accuracies = shares
    top5 = [name for name in accuracies if _TOP5.search(name.lower())]
    top1 = [name for name in accuracies if name not in top5]
    return {"accuracy": _usual(top1, "accuracy"), "top5": _usual(top5, "accuracy_top5"), "loss": _usual(losses, "loss")}


def _usual(names: Sequence[str], usual: str) -> str | None:
    """The usual name, or the last: the outputs of auxiliary branches come before the net's own."""
    return usual if usual in names else names[-1] if names else None


def _softmax(net: NetParameter, loss: LayerParameter) -> tuple[int | None, bool]:
    """The classes of a loss, None where not known, and whether it is a softmax loss averaged over the samples."""
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
