"""Training losses, read only where an evaluation needs them: no device is synchronised at an iteration."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def detached(loss: Any) -> Any:
    """Return the loss without the graph that it was computed by, which would keep that graph in memory.

    One number of PyTorch on the CPU is read at once, which waits for no device and costs less than a detached tensor.
    """
    if getattr(loss, "is_cpu", False) and loss.numel() == 1:
        return loss.item()
    detach = getattr(loss, "detach", None)
    return loss if detach is None else detach()


def read(losses: Sequence[Any]) -> list[float]:
    """Return the losses as numbers, PyTorch's tensors in one transfer; nothing where none was told.

    Raises:
        ValueError: a loss is not one number, or some are None.
    """
    if losses and all(loss is None for loss in losses):
        return []
    if any(loss is None for loss in losses):
        raise ValueError("run.step(loss) takes the loss of every iteration, or of none")
    torch = sys.modules.get("torch")
    try:
        if torch is not None and losses and all(isinstance(loss, torch.Tensor) for loss in losses):
            return [float(value) for value in torch.stack([loss.reshape(()) for loss in losses]).tolist()]
        return [float(loss) for loss in losses]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"run.step(loss) takes the loss of the iteration as one number: {error}") from error
