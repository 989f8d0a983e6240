"""The arguments of a training: what is refused, and what follows from them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrbench.program.random_states import is_generator
from lrbench.program.training_batches import check_loader, has_state

if TYPE_CHECKING:
    import torch


def check_parts(model: Any, optimizer: Any, batches: Any, evaluate_on: Any) -> None:
    """Raise TypeError or ValueError unless these can be trained and evaluated."""
    import torch

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"Training: model is {type(model).__name__}, but must be a torch.nn.Module")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"Training: optimizer is {type(optimizer).__name__}, but must be of torch.optim")
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise TypeError(
            f"Training: optimizer is {type(optimizer).__name__}, whose step() needs a closure: give another"
        )
    check_loader(batches, "batches")
    if evaluate_on is not None:
        check_loader(evaluate_on, "evaluate_on")
    if evaluate_on is batches and (has_state(batches) or getattr(batches, "persistent_workers", False)):
        raise ValueError(
            "Training: evaluate_on is the loader of batches, whose position an evaluation would move: give a second one"
        )


def check_settings(accumulate: Any, clip_norm: Any, ema: Any, state: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError unless these are possible."""
    if not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"Training: accumulate is {accumulate!r}, but must be an integer of at least 1")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"Training: clip_norm is {clip_norm!r}, but must be above 0")
    if ema is not None and not 0 <= ema < 1:
        raise ValueError(f"Training: ema is {ema!r}, but must be at least 0 and below 1")
    for name, part in state.items():
        if not has_state(part) and not is_generator(part):
            raise TypeError(
                f"Training: state[{name!r}] is {type(part).__name__}, which has no state_dict and load_state_dict"
            )


def rate_ratios(optimizer: torch.optim.Optimizer) -> list[float]:
    """The initial rate of each parameter group divided by that of the first.

    Raises:
        ValueError: the first group's is 0.
    """
    initial = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    if initial[0] == 0:
        raise ValueError(
            "Training: optimizer has an initial lr of 0 in its first parameter group, to which the rates of the others "
            "are relative: give that group an lr above 0"
        )
    return [1.0, *(rate / initial[0] for rate in initial[1:])]


def scaler_in(state: Mapping[str, Any]) -> Any:
    """Return the GradScaler among the objects, None if there is none.

    Raises:
        ValueError: there are two.
    """
    import torch

    scalers = [name for name, part in state.items() if isinstance(part, torch.amp.GradScaler)]
    if len(scalers) > 1:
        raise ValueError(f"Training: state has {len(scalers)} GradScalers, {' and '.join(scalers)}: give one")
    return state[scalers[0]] if scalers else None
