"""The update rule of each of Caffe's solver types.

g is the gradient, clipped, normalised and regularised; eta the local rate, rate * lr_mult; h what the rule
remembers of each parameter. All are element by element. Source: src/caffe/solvers/*_solver.cpp of Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lrbench.engines.torch.solvers import Learnable, Solver, Tensors, single
from lrbench.spec.model import SolverSettings
from lrbench.spec.solver_types import SolverType


class SGD(Solver):
    """h = momentum h + eta g; update = h.

    The rate is inside the momentum, so that a change of rate acts on new gradients alone; in PyTorch's own SGD it
    multiplies the whole history.
    """

    def _updates(self, gradients: Tensors, histories: list[Tensors], rate: Tensor, iteration: Tensor) -> Tensors:
        (history,) = histories
        self._at_rate(gradients, rate)
        torch._foreach_mul_(history, self._momentum)
        torch._foreach_add_(history, gradients)
        return history


class Nesterov(Solver):
    """h' = momentum h + eta g; update = (1 + momentum) h' - momentum h, which is eta g + momentum h'."""

    def _updates(self, gradients: Tensors, histories: list[Tensors], rate: Tensor, iteration: Tensor) -> Tensors:
        (history,) = histories
        self._at_rate(gradients, rate)
        torch._foreach_mul_(history, self._momentum)
        torch._foreach_add_(history, gradients)
        torch._foreach_add_(gradients, history, alpha=self._momentum)
        return gradients


class AdaGrad(Solver):
    """h = h + g^2; update = eta g / (sqrt(h) + delta)."""

    def _updates(self, gradients: Tensors, histories: list[Tensors], rate: Tensor, iteration: Tensor) -> Tensors:
        (history,) = histories
        torch._foreach_addcmul_(history, gradients, gradients)
        return self._over_root(gradients, history, rate)

    def _over_root(self, gradients: Tensors, history: Tensors, rate: Tensor) -> Tensors:
        """Eta g / (sqrt(h) + delta)."""
        roots = list(torch._foreach_sqrt(history))
        torch._foreach_add_(roots, self._delta)
        torch._foreach_div_(gradients, roots)
        self._at_rate(gradients, rate)
        return gradients


class RMSProp(AdaGrad):
    """h = rms_decay h + (1 - rms_decay) g^2; update = eta g / (sqrt(h) + delta)."""

    def _updates(self, gradients: Tensors, histories: list[Tensors], rate: Tensor, iteration: Tensor) -> Tensors:
        (history,) = histories
        torch._foreach_mul_(history, self._rms_decay)
        torch._foreach_addcmul_(history, gradients, gradients, value=single(1 - self._rms_decay))
        return self._over_root(gradients, history, rate)


class AdaDelta(Solver):
    """h = momentum h + (1 - momentum) g^2; u = g sqrt((delta + s) / (delta + h));

    s = momentum s + (1 - momentum) u^2; update = eta u. The rate is Caffe's addition; the paper has none.
    """

    slots = 2

    def _updates(self, gradients: Tensors, histories: list[Tensors], rate: Tensor, iteration: Tensor) -> Tensors:
        squares, square_updates = histories
        rest = single(1 - self._momentum)
        torch._foreach_mul_(squares, self._momentum)
        torch._foreach_addcmul_(squares, gradients, gradients, value=rest)
        ratios = list(torch._foreach_add(square_updates, self._delta))
        torch._foreach_div_(ratios, torch._foreach_add(squares, self._delta))
        torch._foreach_sqrt_(ratios)
        torch._foreach_mul_(gradients, ratios)
        torch._foreach_mul_(square_updates, self._momentum)
        torch._foreach_addcmul_(square_updates, gradients, gradients, value=rest)
        self._at_rate(gradients, rate)
        return gradients


class Adam(Solver):
    """m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;

    update = eta sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + delta), with b1 = momentum, b2 = momentum2 and t counting
    from 1. Delta is added to the uncorrected root, as in the paper's last remark on efficiency; PyTorch's own Adam
    adds it to the corrected one.
    """

    slots = 2

    def _updates(self, gradients: Tensors, histories: list[Tensors], rate: Tensor, iteration: Tensor) -> Tensors:
        first, second = histories
        torch._foreach_mul_(first, self._momentum)
        torch._foreach_add_(first, gradients, alpha=single(1 - self._momentum))
        torch._foreach_mul_(second, self._momentum2)
        torch._foreach_addcmul_(second, gradients, gradients, value=single(1 - self._momentum2))
        updates = gradients  # their memory, to spare fresh one, which costs more than the arithmetic
        torch._foreach_copy_(updates, second)
        torch._foreach_sqrt_(updates)
        torch._foreach_add_(updates, self._delta)
        torch._foreach_reciprocal_(updates)
        torch._foreach_mul_(updates, first)
        self._at_rate(updates, self._corrected(rate, iteration))
        return updates

    def _corrected(self, rate: Tensor, iteration: Tensor) -> Tensor:
        """The rate times the correction for histories that began at zero; in float64 until it is applied."""
        steps = iteration.double() + 1
        return rate * (torch.sqrt(1 - self._momentum2**steps) / (1 - self._momentum**steps))


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
