"""``lrbench.attach``: the learning rates of a training loop, from LRBench where it started the program.

run = lrbench.attach(policy="COSDECAY(k0=3e-4)", iterations=3000, evaluate_every=200)
scheduler = run.scheduler(optimizer)
for t in run:
    ...
    optimizer.step()
    run.step(loss, evaluate=lambda: {"test_loss": ..., "accuracy": ...})
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lrbench.program.channel import connected
from lrbench.program.losses import detached, read
from lrbench.program.parent import Alone, Parent

_OVER = "the run's iterations are done: leave the loop when run.should_stop is true"
_NO_RATE = (
    "the iteration was not trained at the run's learning rate: use run.scheduler(optimizer) or run.rate before run.step"
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


def attach(
    policy: Any = None,
    iterations: int | None = None,
    evaluate_every: int | None = None,
    *,
    seed: int = 0,
    save: Callable[[str], Any] | None = None,
    restore: Callable[[str], Any] | None = None,
    **arguments: Any,
) -> AttachedRun:
    """Attach the program to LRBench, which then sets its learning rates and may end it early.

    The arguments are for running the program alone, without LRBench; a spec's values replace them.

        >>> run = lrbench.attach(policy="EXP(k0=0.1, gamma=0.5)", iterations=3)
        >>> for t in run:
        ...     rate = run.rate
        ...     run.step(loss=1.0, evaluate=lambda: {"test_loss": rate})
        >>> rate
        0.025

    Args:
        policy: a policy or its text; without one a program that runs alone keeps the rates of its optimizer.
        iterations: length of the run. One iteration is one update of the optimizer.
        evaluate_every: iterations between evaluations; None: the end of the run is evaluated only.
        seed: the seed of weights and batches.
        save: called with a new folder's path, writes all that ``restore`` needs there; without the two a run that was
            cut off starts over.
        restore: called with a folder that ``save`` has filled, when the program first uses ``run.scheduler``,
            ``run.rate`` or ``for t in run``: by then the model and all else that it loads into must be there.
        arguments: further values that a spec's ``workload.arguments`` may replace, given back as ``run.arguments``.

    Under ``lrbench run --launcher torchrun`` every rank attaches and receives the same rates. Losses and evaluations
    are taken from rank 0; ``save`` and ``restore`` are called on each rank, with a folder of its own.

    Raises:
        ValueError: the program is started alone and the number of iterations is missing.
        RuntimeError: the program started this process itself.
    """
    if (save is None) != (restore is None):
        raise ValueError("lrbench.attach needs both save= and restore=, or neither")
    channel = connected()
    if channel is None and "LRBENCH_PROGRAM" in os.environ:
        raise RuntimeError(
            "lrbench.attach was called in a process that the program started itself: call it in the program's first "
            "process alone, or have the ranks started by lrbench run --launcher torchrun"
        )
    if channel is None:
        return AttachedRun(Alone(policy, iterations, evaluate_every, seed, arguments))
    alone = {"policy": policy, "iterations": iterations, "evaluate_every": evaluate_every}
    return AttachedRun(Parent(channel, arguments, save, restore, alone))


class AttachedRun:
    """One run of the program.

    Attributes:
        seed: the seed to use for everything random.
        iterations: length of the run.
        iteration: number of iterations done, those before an interruption included.
        arguments: the program's arguments, by name.
        should_evaluate: whether an evaluation is due now; true until ``report`` is called.
        should_stop: whether the training is over.
    """

    def __init__(self, parent: Parent | Alone) -> None:
        self._parent = parent
        self.seed: int = parent.seed
        self.iterations: int = parent.iterations
        self.arguments: Mapping[str, Any] = parent.arguments
        self.iteration: int = parent.start
        self.should_evaluate = False
        self.should_stop = False
        self._rates: Sequence[float] = ()
        self._rates_used = False
        self._begun = False
        self._first = self._end = self.iteration
        self._losses: list[Any] = []
        self._schedulers: list[AttachedScheduler] = []

    @property
    def split(self) -> str:
        """The data to evaluate on: ``validation`` while LRBench chooses among policies, ``test`` for the last word."""
        return self._parent.use_split()

    def declare(self, **labels: str) -> None:
        """Declare what reports say of the training, such as ``optimizer="Adam"`` or ``dataset="digits"``.

        ``scheduler`` declares the class of a PyTorch optimizer. What is not declared is called so in reports.

        Args:
            labels: texts by name: ``optimizer``, ``dataset``, ``model`` or others.
        """
        self._parent.declare(**labels)

    @property
    def rate(self) -> float:
        """The learning rate of the next iteration.

        Raises:
            RuntimeError: the program runs alone, without a policy.
        """
        self._rates_used = True
        if self.iteration >= self._end:
            self._next_rates()
        if not self._rates:
            raise RuntimeError("there is no learning rate: give lrbench.attach a policy to run the program alone")
        return self._rates[min(self.iteration - self._first, len(self._rates) - 1)]

    def scheduler(self, optimizer: Any) -> AttachedScheduler:
        """Set the rates of a PyTorch optimizer from now on, at each call of ``step``.

        The first parameter group gets the rate itself, each other group the rate times the ratio of its ``lr`` to that
        of the first group.

        Raises:
            ValueError: the first group's ``lr`` is 0, so that there are no ratios.
        """
        scheduler = AttachedScheduler(optimizer)
        self._parent.declare(optimizer=type(optimizer).__name__)
        self._parent.own_rate = scheduler.own_rate
        self._schedulers.append(scheduler)
        if self._parent.has_rates:
            scheduler.set_rate(self.rate)
        return scheduler

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each iteration until the training is over."""
        if not self._begun and self.iteration < self.iterations:
            self._next_rates()
        while not self.should_stop and self.iteration < self.iterations:
            yield self.iteration

    def step(self, loss: Any = None, evaluate: Callable[[], Mapping[str, Any]] | None = None) -> None:
        """End one iteration, which is one update of the optimizer.

        Args:
            loss: the iteration's training loss, a number or a tensor of one; its value is read at evaluations only.
                None: not told, at any iteration.
            evaluate: returns the arguments of ``report``, by name; called, and reported, when an evaluation is due.

        Raises:
            RuntimeError: an evaluation is due that was not reported, the run's iterations are done, or the program has
                not asked for a learning rate.
            SystemExit: LRBench has ended the training, and the program goes on with it.
        """
        if self.iteration >= self._end:
            self._next_rates()
        if self.should_stop and self._parent.may_end_program:
            raise SystemExit(0)
        if self._parent.has_rates and not self._rates_used:
            raise RuntimeError(_NO_RATE)
        self._losses.append(detached(loss))
        self.iteration += 1
        self._parent.progress(self.iteration)
        if self.iteration == self._end:
            losses, self._losses = read(self._losses), []
            self._parent.trained(losses)
            self.should_evaluate = True
            if evaluate is not None:
                self.report(**evaluate())
        elif self._rates:
            self._set_rates()

    def report(self, *, probabilities: Any = None, labels: Any = None, **metrics: Any) -> None:
        """Report the evaluation that is due; returns once LRBench has decided whether the training goes on.

        Args:
            probabilities: softmax outputs for each sample, shape (N, C); with ``labels`` all of LRBench's
                classification metrics are computed.
            labels: the true classes, shape (N,).
            metrics: numbers by name, such as ``test_loss``, ``accuracy`` (a fraction) or ``perplexity``; the same names
                at every evaluation.

        Raises:
            RuntimeError: no evaluation is due.
            ValueError: there is no metric, or a name or value is none.
        """
        if not self.should_evaluate:
            raise RuntimeError("no evaluation is due: call run.report(...) when run.should_evaluate is true")
        if (probabilities is None) != (labels is None):
            raise ValueError("run.report needs both probabilities= and labels=, or neither")
        self._parent.evaluated(_numbers(metrics, probabilities is None), probabilities, labels)
        self.should_evaluate = False
        if self.iteration < self.iterations:
            self._next_rates()
            if not self.should_stop and self._rates:
                self._set_rates()
        else:
            self._parent.finish()
            self.should_stop = True

    def _next_rates(self) -> None:
        if self.should_evaluate:
            raise RuntimeError(
                f"no evaluation was reported at iteration {self.iteration}: call run.report(...) whenever "
                "run.should_evaluate is true"
            )
        if self.should_stop and self._parent.may_end_program:
            return
        if self.iteration >= self.iterations:
            raise RuntimeError(_OVER)
        stretch = self._parent.next_rates(self.iteration)
        if stretch is None:
            self.should_stop = True
            return
        self._begun = True
        self._rates, count = stretch
        self._first, self._end = self.iteration, self.iteration + count

    def _set_rates(self) -> None:
        rate = self._rates[self.iteration - self._first]
        for scheduler in self._schedulers:
            scheduler.set_rate(rate)


class AttachedScheduler:
    """Learning rates of a PyTorch optimizer, set by ``run.step``."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
        if not rates[0] > 0:
            raise ValueError(
                f"the first parameter group's lr is {rates[0]:g}, but must be above 0: other groups' are ratios to it"
            )
        self.own_rate = rates[0]
        self._ratios = [rate / rates[0] for rate in rates]

    def set_rate(self, rate: float) -> None:
        """Set every group's ``lr``."""
        for group, ratio in zip(self.optimizer.param_groups, self._ratios):
            value = rate if ratio == 1 else rate * ratio
            if type(group["lr"]) is not float and hasattr(group["lr"], "fill_"):  # a tensor, for a compiled optimizer
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def step(self, *_ignored: Any) -> None:
        """Do nothing: ``run.step`` sets the rates. Makes a loop that calls ``scheduler.step()`` work as it is."""

    def get_last_lr(self) -> list[float]:
        """The rates of the groups now."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the run holds the state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


def _numbers(metrics: Mapping[str, Any], needed: bool) -> dict[str, float]:
    if needed and not metrics:
        raise ValueError("run.report needs at least one metric, such as run.report(test_loss=0.3)")
    for name in metrics:
        if not _NAME.fullmatch(name):
            raise ValueError(f"run.report: {name!r} is not a valid metric name: use lower-case letters, digits and _")
    try:
        return {name: float(value) for name, value in metrics.items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"run.report takes one number for each metric: {error}") from error
