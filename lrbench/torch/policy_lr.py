"""Policies in PyTorch: ``PolicyLR``, a scheduler of ``torch.optim`` with the rates of any policy.

Example::

    from lrbench.torch import PolicyLR

    scheduler = PolicyLR(optimizer, "WARMUP(policy=COSDECAY(k0=0.1), l=500)", iterations=10_000)
    for images, labels in batches:
        ...
        optimizer.step()
        scheduler.step()
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lrbench.errors import UsageError
from lrbench.exporting.whole_run import UNKNOWN_END, check
from lrbench.policies import Controller, Policy
from lrbench.policies.plateau_detection import MODES, column_of

try:
    from torch import Tensor
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
except ImportError as error:
    raise ImportError("lrbench.torch needs PyTorch: pip install 'lrbench[torch]'") from error


class PolicyLR(LRScheduler):
    """Gives each iteration its policy's rate; t counts the calls of ``step`` from 0.

    The rates are the policy's own, in float64, whatever ``lr`` the optimizer was made with. ``step()`` is called once
    after each ``optimizer.step()``. From ``iterations`` on the last rate stays.

    A closed-loop policy is shown an evaluation by ``step({"test_loss": 0.3})``: the call after the iteration at which
    it was made. The rate of the next iteration is the first to depend on it.

    Args:
        optimizer: whose parameter groups get the rates.
        policy: a policy or its text, or a list of them, one for each parameter group.
        iterations: the run's iterations, which a missing ``l`` stands for and for which the policy is checked; may be
            None where no ``l`` is missing: the run then has no end.
        last_epoch: the iteration that a run without a saved state goes on from, less 1; an open-loop policy's alone.

    Raises:
        PolicyError: a policy that is impossible in a run of that length, or whose ``iterations`` are missing.
        UsageError: other than one policy for each group; a closed-loop policy that is to go on without its state.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        policy: Policy | str | Sequence[Policy | str],
        iterations: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        given = [policy] * groups if isinstance(policy, (Policy, str)) else list(policy)
        if len(given) != groups:
            raise UsageError(
                f"there are {len(given)} policies for {groups} parameter groups",
                where="PolicyLR",
                remedy="give one policy, or one for each group",
            )
        self.policies = [Policy.of(entry) for entry in given]
        self.iterations = iterations
        for own in self.policies:
            check(own, iterations)
            if own.closed_loop and last_epoch >= 0:
                raise UsageError(
                    "it cannot go on without the evaluations so far",
                    where=own.name,
                    remedy="save the scheduler's state_dict and load it",
                )
        self._begin([])
        super().__init__(optimizer, last_epoch)

    def step(self, metrics: Mapping[str, float] | int | None = None) -> None:
        """Go on to the next iteration; call it once after each ``optimizer.step()``.

        Args:
            metrics: the evaluation made after this iteration, if one was: ``train_loss``, ``test_loss``, ``accuracy``,
                and any other that a closed-loop policy monitors. An integer is the iteration to go to, as for
                PyTorch's own schedulers, whose SequentialLR begins each by ``step(0)`` in older releases.

        Raises:
            UsageError: another metric, none of that which a policy monitors, or no mapping.
        """
        if isinstance(metrics, Mapping):
            self._observe(metrics)
            super().step()
        elif metrics is None or (isinstance(metrics, int) and not any(own.closed_loop for own in self.policies)):
            super().step(metrics)
        else:
            raise UsageError(
                f"is given {metrics!r}, which does not say what it is",
                where="PolicyLR.step",
                remedy='name it, as {"test_loss": 0.3}',
            )

    def get_lr(self) -> list[float | Tensor]:
        """The rates of iteration ``last_epoch``, one for each parameter group."""
        t = self.last_epoch if self.iterations is None else min(self.last_epoch, self.iterations - 1)
        rates = [float(controller.rates(t, t + 1)[0]) for controller in self._controllers]
        for policy, rate in zip(self.policies, rates, strict=True):
            if not (math.isfinite(rate) and rate >= 0):
                raise UsageError(
                    f"the rate at t = {t} is {rate!r}, but must be finite and not negative",
                    where=policy.name,
                    remedy="change the policy, or shorten the run",
                )
        return list(rates)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from: plain values alone, as ``torch.load(weights_only=True)`` reads them."""
        return {
            "policies": [policy.text for policy in self.policies],
            "iterations": self.iterations,
            "last_epoch": self.last_epoch,
            "step_count": self._step_count,
            "evaluations": [dict(row) for row in self._evaluations],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a saved state: the optimizer has its rates at once, in whichever order the two are loaded.

        Raises:
            UsageError: the state is of other policies or another number of iterations.
        """
        for name, own in (("policies", [policy.text for policy in self.policies]), ("iterations", self.iterations)):
            if state_dict.get(name) != own:
                raise UsageError(
                    f"the state is of {name} {state_dict.get(name)}, this scheduler of {own}",
                    where="PolicyLR",
                    remedy="make it as it was made when that was saved",
                )
        self._begin(state_dict["evaluations"])
        self._step_count = state_dict["step_count"]
        self.last_epoch = state_dict["last_epoch"]
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._last_lr = rates

    def _begin(self, evaluations: Sequence[Mapping[str, float]]) -> None:
        """Start the policies anew and show them these evaluations, on which alone their rates depend."""
        self._controllers = [policy.start(self.iterations or UNKNOWN_END) for policy in self.policies]
        self._evaluations: list[Mapping[str, float]] = []
        for row in evaluations:
            self._show(row)

    def _observe(self, metrics: Mapping[str, float]) -> None:
        known = {*MODES, *(monitor for policy in self.policies for monitor in policy.monitored)}
        unknown = sorted(set(metrics) - known)
        if unknown:
            raise UsageError(
                f'"{unknown[0]}" is no metric that a policy monitors',
                where="PolicyLR.step",
                remedy=f"give {', '.join(sorted(known))}, each a number",
            )
        for policy in self.policies:
            for monitor in policy.monitored - set(metrics):
                raise UsageError(
                    f"{policy.name} monitors {monitor}, which is not among the metrics",
                    where="PolicyLR.step",
                    remedy=f"give step() the {monitor}, too",
                )
        numbers = {name: float(value) for name, value in metrics.items()}
        self._show({"iteration": self.last_epoch + 1, **numbers})

    def _show(self, row: Mapping[str, float]) -> None:
        if self.iterations is not None and row["iteration"] >= self.iterations:
            return  # no iteration is left that could depend on it
        self._evaluations.append(row)
        columns = {column_of(name): value for name, value in row.items()}
        for controller in self._controllers:
            controller.observe(columns)

    _controllers: list[Controller]
