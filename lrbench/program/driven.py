"""A training whose function hands over its parts: LRBench says when to train, evaluate, save and restore."""

from __future__ import annotations

import array
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any

from lrbench.program.channel import Channel
from lrbench.program.messages import evaluation, settings, used


def drive(channel: Channel, make: Callable[..., Any], function: str) -> None:
    """Call the function of that name, and train what it returns until LRBench ends it.

    Raises:
        TypeError: it takes no such arguments, or it returns no ``lrbench.torch.Training``.
    """
    parameters = inspect.signature(make).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.name not in ("seed", "split")}
    channel.send({"event": "attached", "resumable": True, **settings({}, defaults)})
    opened, _ = channel.receive()
    takes_split = any(each.name == "split" or each.kind is each.VAR_KEYWORD for each in parameters)
    values = {"seed": opened["seed"], **({"split": opened["split"]} if takes_split else {}), **opened["arguments"]}
    training = _called(make, function, values)
    own = {name: getattr(training, name, None) for name in ("own_rate", "epoch_iterations")}
    channel.send({"event": "opened", "resumable": training.resumable, **own})
    _serve(channel, training, takes_split)


def _called(make: Callable[..., Any], function: str, values: Mapping[str, Any]) -> Any:
    try:
        inspect.signature(make).bind(**values)
    except TypeError as error:
        raise TypeError(f"{function}() cannot be called with {', '.join(values)}: {error}") from None
    training = make(**values)
    if not all(hasattr(training, name) for name in ("train", "evaluate", "save", "restore", "describe")):
        raise TypeError(
            f"{function}() returned {'nothing' if training is None else type(training).__name__}, but must return an "
            "lrbench.torch.Training"
        )
    return training


def _serve(channel: Channel, training: Any, takes_split: bool) -> None:
    while True:
        message, payload = channel.receive()
        if message["op"] == "stop":
            return
        started = time.perf_counter()
        if message["op"] == "train":
            rates = array.array("d", payload)
            losses = training.train(rates.tolist())
            channel.report(
                {"event": "trained", "seconds": time.perf_counter() - started}, array.array("d", losses).tobytes()
            )
        elif message["op"] == "evaluate":
            _evaluate(channel, training, takes_split, started)
        elif message["op"] == "save":
            training.save(channel.own_folder(message["folder"]))
            channel.send({"event": "saved"})
        elif message["op"] == "restore":
            training.restore(channel.own_folder(message["folder"]))
            channel.send({"event": "restored"})


def _evaluate(channel: Channel, training: Any, takes_split: bool, started: float) -> None:
    found: dict[str, Any] = dict(training.evaluate())
    probabilities, labels = found.pop("probabilities", None), found.pop("labels", None)
    message, payload = evaluation(found, probabilities, labels)
    labels_of_program = {"declared": training.describe(), "split_used": takes_split}
    seconds = time.perf_counter() - started
    channel.report({**message, "seconds": seconds, **labels_of_program}, payload, others=used())
