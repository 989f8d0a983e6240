"""Caffe's solvers in PyTorch: what happens to gradients on their way into an update, in Caffe's own order.

    g = sum of the gradients of iter_size batches
    g *= clip / |g|                if |g| > clip, |g| being the L2 norm over all parameters together
    g /= iter_size                 so clip_gradients bounds the sum, not the mean
    g += decay * w                 L2; decay = weight_decay * decay_mult
    g += decay * sign(w)           L1
    w -= update(g)                 the type's own rule, at the rate eta = rate * lr_mult

Source: ``SGDSolver::ApplyUpdate`` and what it calls, src/caffe/solvers/sgd_solver.cpp of Caffe 1.0.
A parameter with lr_mult 0 has no gradient in Caffe, so it counts in no norm, is not regularised and never moves.

The settings are rounded to float32 first, as Caffe holds them so; of 1 - momentum2 that is up to 1e-5. Where a policy
gives the momentum, it is that of the iteration in every formula; of Adam it is b1, in the correction too.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from lrbench.spec.model import SolverSettings
from lrbench.spec.solver_types import SolverType

Tensors = list[Tensor]


class Learnable(Protocol):
    """Factors of one parameter's learning rate and weight decay: ``param`` of its layer."""

    @property
    def lr_mult(self) -> float:
        """Factor of the learning rate; 0 freezes the parameter."""

    @property
    def decay_mult(self) -> float:
        """Factor of the weight decay."""


@dataclass(frozen=True)
class Now:
    """Values of one step that an update depends on, beside tensors and settings.

    Each is a tensor without axes on the parameters' device, read when the step runs, so that a recorded CUDA graph
    follows it, and never waited for.

    Attributes:
        rate: the learning rate, float64.
        iteration: updates done before this one, from 0, an integer.
        momentum: float32; None: that of the settings.
    """

    rate: Tensor
    iteration: Tensor
    momentum: Tensor | None = None


class Solver(ABC):
    """An update rule and its settings; all that changes from step to step is in the tensors it is given."""

    slots: ClassVar[int] = 1
    """History tensors that each parameter has."""

    def __init__(self, settings: SolverSettings, specs: Sequence[Learnable]) -> None:
        self._momentum = single(settings.momentum) if isinstance(settings.momentum, float) else math.nan
        self._momentum2 = single(settings.momentum2)
        self._delta = single(settings.delta)
        self._rms_decay = single(settings.rms_decay)
        self._clip = None if settings.clip_gradients is None else single(settings.clip_gradients)
        self._iter_size = settings.iter_size
        self._signs_decay = settings.regularization_type == "L1"
        self._count = len(specs)
        self._moving = [index for index, spec in enumerate(specs) if spec.lr_mult]
        moving = [specs[index] for index in self._moving]
        self._multiplied = [index for index, spec in enumerate(moving) if spec.lr_mult != 1]
        self._multipliers = [single(moving[index].lr_mult) for index in self._multiplied]
        self._decays: dict[float, list[int]] = {}
        for index, spec in enumerate(moving):
            decay = single(single(settings.weight_decay) * single(spec.decay_mult))
            if decay:
                self._decays.setdefault(decay, []).append(index)

    def state(self, parameters: Sequence[Tensor]) -> Tensors:
        """The state before the first step: zeros like the parameters, once for each slot, in .solverstate's order."""
        return [torch.zeros_like(parameter) for _ in range(self.slots) for parameter in parameters]

    @torch.no_grad()
    def step(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        state: Sequence[Tensor],
        now: Now,
    ) -> None:
        """One update, in place.

        Args:
            parameters: in the order of the specs.
            gradients: the sum over iter_size batches; used up, so none may share memory with another. Those of
                parameters with lr_mult 0 are not looked at.
            state: what :meth:`state` made.
            now: rate, iteration and momentum of the step.
        """
        moving = [parameters[index] for index in self._moving]
        own = [_present(gradients[index]) for index in self._moving]
        histories = [[state[slot * self._count + index] for index in self._moving] for slot in range(self.slots)]
        if self._clip is not None:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(own)))
            torch._foreach_mul_(own, torch.where(norm > self._clip, self._clip / norm, 1.0))
        if self._iter_size > 1:
            torch._foreach_mul_(own, single(1 / self._iter_size))
        for decay, indices in self._decays.items():
            decayed = [moving[index] for index in indices]
            if self._signs_decay:
                decayed = list(torch._foreach_sign(decayed))
            torch._foreach_add_([own[index] for index in indices], decayed, alpha=decay)
        torch._foreach_sub_(moving, self._updates(own, histories, now))

    @abstractmethod
    def _updates(self, gradients: Tensors, histories: list[Tensors], now: Now) -> Tensors:
        """Compute the values to subtract from the parameters; histories are updated and gradients used up."""

    def _momentum_at(self, now: Now) -> float | Tensor:
        """The momentum of the step."""
        return self._momentum if now.momentum is None else now.momentum

    def _at_rate(self, tensors: Tensors, rate: Tensor) -> None:
        """Multiply each by its local rate, eta = rate * lr_mult."""
        torch._foreach_mul_(tensors, rate.to(tensors[0].dtype))
        if self._multiplied:
            torch._foreach_mul_([tensors[index] for index in self._multiplied], self._multipliers)


def single(value: float) -> float:
    """The float32 nearest to a value."""
    return float(np.float32(value))


def _rest(momentum: float | Tensor) -> float | Tensor:
    """1 - momentum, rounded once."""
    return (1 - momentum.double()).float() if isinstance(momentum, Tensor) else single(1 - momentum)


def _add_scaled(sums: Tensors, tensors: Tensors, factor: float | Tensor) -> None:
    """Sum + factor tensor, in place."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(sums, torch._foreach_mul(tensors, factor))
    else:
        torch._foreach_add_(sums, tensors, alpha=factor)


def _add_squares(sums: Tensors, tensors: Tensors, factor: float | Tensor) -> None:
    """Sum + factor tensor^2, in place."""
    if isinstance(factor, Tensor):
        torch._foreach_addcmul_(sums, tensors, torch._foreach_mul(tensors, factor))
    else:
        torch._foreach_addcmul_(sums, tensors, tensors, value=factor)


def _present(gradient: Tensor | None) -> Tensor:
    if gradient is None:
        raise ValueError("a parameter that learns has no gradient")
    return gradient


class SGD(Solver):
    """h = momentum h + eta g; update = h.

    The rate is inside the momentum, so that a change of rate acts on new gradients alone; in PyTorch's own SGD it
    multiplies the whole history.
    """

    def _updates(self, gradients: Tensors, histories: list[Tensors], now: Now) -> Tensors:
        (history,) = histories
        self._at_rate(gradients, now.rate)
        torch._foreach_mul_(history, self._momentum_at(now))
        torch._foreach_add_(history, gradients)
        return history


class Nesterov(SGD):
    """h' = momentum h + eta g; update = (1 + momentum) h' - momentum h, which is eta g + momentum h'."""

    def _updates(self, gradients: Tensors, histories: list[Tensors], now: Now) -> Tensors:
        history = super()._updates(gradients, histories, now)
        _add_scaled(gradients, history, self._momentum_at(now))
        return gradients


class AdaGrad(Solver):
    """h = h + g^2; update = eta g / (sqrt(h) + delta)."""

    def _updates(self, gradients: Tensors, histories: list[Tensors], now: Now) -> Tensors:
        (history,) = histories
        torch._foreach_addcmul_(history, gradients, gradients)
        return self._over_root(gradients, history, now.rate)

    def _over_root(self, gradients: Tensors, history: Tensors, rate: Tensor) -> Tensors:
        """Eta g / (sqrt(h) + delta)."""
        roots = list(torch._foreach_sqrt(history))
        torch._foreach_add_(roots, self._delta)
        torch._foreach_div_(gradients, roots)
        self._at_rate(gradients, rate)
        return gradients


class RMSProp(AdaGrad):
    """h = rms_decay h + (1 - rms_decay) g^2; update = eta g / (sqrt(h) + delta)."""

    def _updates(self, gradients: Tensors, histories: list[Tensors], now: Now) -> Tensors:
        (history,) = histories
        torch._foreach_mul_(history, self._rms_decay)
        torch._foreach_addcmul_(history, gradients, gradients, value=single(1 - self._rms_decay))
        return self._over_root(gradients, history, now.rate)


class AdaDelta(Solver):
    """h = momentum h + (1 - momentum) g^2; u = g sqrt((delta + s) / (delta + h));

    s = momentum s + (1 - momentum) u^2; update = eta u. The rate is Caffe's addition; the paper has none.
    """

    slots = 2

    def _updates(self, gradients: Tensors, histories: list[Tensors], now: Now) -> Tensors:
        squares, square_updates = histories
        momentum = self._momentum_at(now)
        rest = _rest(momentum)
        torch._foreach_mul_(squares, momentum)
        _add_squares(squares, gradients, rest)
        ratios = list(torch._foreach_add(square_updates, self._delta))
        torch._foreach_div_(ratios, torch._foreach_add(squares, self._delta))
        torch._foreach_sqrt_(ratios)
        torch._foreach_mul_(gradients, ratios)
        torch._foreach_mul_(square_updates, momentum)
        _add_squares(square_updates, gradients, rest)
        self._at_rate(gradients, now.rate)
        return gradients


class Adam(Solver):
    """m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;

    update = eta sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + delta), with b1 = momentum, b2 = momentum2 and t counting
    from 1. Delta is added to the uncorrected root, as in the paper's last remark on efficiency; PyTorch's own Adam
    adds it to the corrected one.
    """

    slots = 2

    def _updates(self, gradients: Tensors, histories: list[Tensors], now: Now) -> Tensors:
        first, second = histories
        momentum = self._momentum_at(now)
        torch._foreach_mul_(first, momentum)
        _add_scaled(first, gradients, _rest(momentum))
        torch._foreach_mul_(second, self._momentum2)
        torch._foreach_addcmul_(second, gradients, gradients, value=single(1 - self._momentum2))
        updates = gradients  # their memory, to spare fresh one, which costs more than the arithmetic
        torch._foreach_copy_(updates, second)
        torch._foreach_sqrt_(updates)
        torch._foreach_add_(updates, self._delta)
        torch._foreach_reciprocal_(updates)
        torch._foreach_mul_(updates, first)
        # The correction for histories that began at zero is in float64 until it is applied.
        steps = now.iteration.double() + 1
        exact = momentum.double() if isinstance(momentum, Tensor) else momentum
        self._at_rate(updates, now.rate * (torch.sqrt(1 - self._momentum2**steps) / (1 - exact**steps)))
        return updates


_RULES: dict[SolverType, type[Solver]] = {
    "SGD": SGD,
    "Nesterov": Nesterov,
    "AdaGrad": AdaGrad,
    "RMSProp": RMSProp,
    "AdaDelta": AdaDelta,
    "Adam": Adam,
}


def make_solver(settings: SolverSettings, specs: Sequence[Learnable]) -> Solver:
    """The solver of the settings' type.

    Args:
        settings: as in a spec.
        specs: one for each parameter, in the order in which ``step`` is given them.
    """
    return _RULES[settings.type](settings, specs)
