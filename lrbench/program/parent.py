"""Sources of a run's learning rates: LRBench behind the channel, or the policy of a program that runs alone."""

from __future__ import annotations

import array
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lrbench.program.channel import Channel
from lrbench.program.messages import evaluation, settings, used

PROGRESS_SECONDS = 1.0

Stretch = tuple[Sequence[float], int]
"""Rates of the next iterations, empty where the optimizer keeps its own, and their number."""


class Parent:
    """LRBench, behind the channel."""

    has_rates = True
    may_end_program = True
    own_rate: float | None = None

    def __init__(
        self,
        channel: Channel,
        arguments: Mapping[str, Any],
        save: Callable[[str], Any] | None,
        restore: Callable[[str], Any] | None,
        alone: Mapping[str, Any],
    ) -> None:
        self._channel = channel
        self._save, self._restore = save, restore
        self._next: Stretch | None = None
        self._split_used = False
        self._declared: dict[str, str] = {}
        self._begun = self._told = self._last = self._before_last = time.perf_counter()
        channel.send({"event": "attached", "resumable": save is not None, **settings(alone, arguments)})
        opened, _ = self._next_message()
        unknown = sorted(set(opened["arguments"]) - set(arguments))
        if unknown:
            raise TypeError(
                f"workload.arguments sets {unknown[0]!r}, which lrbench.attach does not name: give it there with its "
                f"default, as in lrbench.attach({unknown[0]}=...)"
            )
        self.seed: int = opened["seed"]
        self.iterations: int = opened["iterations"]
        self.arguments: dict[str, Any] = {**arguments, **opened["arguments"]}
        self.start: int = opened["start"]
        self._split: str = opened["split"]

    def use_split(self) -> str:
        """Return the name of the data to evaluate on, and note that the program knows it."""
        self._split_used = True
        return self._split

    def declare(self, **labels: str) -> None:
        """Note labels of the program, sent with the next evaluation."""
        self._declared.update(labels)

    def next_rates(self, iteration: int) -> Stretch | None:
        """Wait for the rates of the next iterations; None where the training is over."""
        message, payload = self._next_message()
        if message["op"] == "stop":
            return None
        rates = array.array("d")
        rates.frombytes(payload)
        if sys.byteorder == "big":
            rates.byteswap()
        self._begun = self._last = time.perf_counter()
        return rates, len(rates)

    def finish(self) -> None:
        """Wait until LRBench has written the last evaluation down."""
        self._next_message()

    def _next_message(self) -> tuple[dict[str, Any], bytes]:
        """Return the next message that sets rates or ends the training; others are answered here."""
        while True:
            message, payload = self._channel.receive()
            if message["op"] == "save" and self._save is not None:
                self._save(self._channel.own_folder(message["folder"]))
                self._channel.send({"event": "saved"})
            elif message["op"] == "restore" and self._restore is not None:
                self._restore(self._channel.own_folder(message["folder"]))
                self._channel.send({"event": "restored"})
            elif message["op"] != "evaluate":  # the program's own loop evaluates when it is due
                return message, payload

    def progress(self, iteration: int) -> None:
        """Tell LRBench now and then how far the training is."""
        now = time.perf_counter()
        self._before_last, self._last = self._last, now
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            self._channel.report({"event": "progress", "iteration": iteration})

    def trained(self, losses: list[float]) -> None:
        """Tell the losses of the iterations that LRBench sent rates for, and begin the clock of the evaluation."""
        now = time.perf_counter()
        clocks = {"seconds": now - self._begun, "last_seconds": now - self._before_last}
        self._channel.report({"event": "trained", **clocks}, array.array("d", losses).tobytes())
        self._begun = time.perf_counter()

    def evaluated(self, metrics: Mapping[str, float], probabilities: Any, labels: Any) -> None:
        """Tell an evaluation."""
        seconds = time.perf_counter() - self._begun
        message, payload = evaluation(metrics, probabilities, labels)
        labels_of_program = {"declared": self._declared, "split_used": self._split_used, "own_rate": self.own_rate}
        self._channel.report({**message, "seconds": seconds, **labels_of_program}, payload, others=used())


class Alone:
    """No LRBench: the program was started by itself."""

    start = 0
    may_end_program = False
    own_rate: float | None = None

    def __init__(
        self,
        policy: Any,
        iterations: int | None,
        evaluate_every: int | None,
        seed: int,
        arguments: Mapping[str, Any],
    ) -> None:
        if iterations is None or iterations < 1:
            raise ValueError("lrbench.attach needs iterations=, the length of the run, for a program that runs alone")
        self.seed, self.iterations, self.arguments = seed, iterations, arguments
        self._interval = min(evaluate_every or iterations, iterations)
        self._controller: Any = None
        self._evaluation: dict[str, float] = {}
        if policy is not None:
            from lrbench.policies import Policy

            chosen = Policy.of(policy)
            chosen.check(iterations)
            self._controller = chosen.start(iterations)

    @property
    def has_rates(self) -> bool:
        """Whether there is a policy."""
        return self._controller is not None

    def use_split(self) -> str:
        """Return ``test``."""
        return "test"

    def declare(self, **labels: str) -> None:
        """Do nothing."""

    def next_rates(self, iteration: int) -> Stretch | None:
        """Return the policy's rates up to the next evaluation."""
        end = min((iteration // self._interval + 1) * self._interval, self.iterations)
        rates = () if self._controller is None else self._controller.rates(iteration, end).tolist()
        self._evaluation = {"iteration": end}
        return rates, end - iteration

    def finish(self) -> None:
        """Do nothing."""

    def progress(self, iteration: int) -> None:
        """Do nothing."""

    def trained(self, losses: list[float]) -> None:
        """Keep the mean loss for a closed-loop policy."""
        self._evaluation["train_loss"] = sum(losses) / len(losses) if losses else float("nan")

    def evaluated(self, metrics: Mapping[str, float], probabilities: Any, labels: Any) -> None:
        """Show a closed-loop policy the evaluation."""
        if self._controller is None:
            return
        accuracy = {"accuracy_top1": metrics["accuracy"]} if "accuracy" in metrics else {}
        self._controller.observe({**self._evaluation, **metrics, **accuracy})
