"""Loss of a batch, and the default evaluation: mean loss, and probabilities with labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lrbench.program.losses import read

if TYPE_CHECKING:
    import torch

PROBABILITIES_SUM_WITHIN = 1e-3
"""Outputs that are not negative and sum to 1 within this in every row are probabilities already."""


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Have the model in evaluation mode without gradients, and each of its modules in its own mode afterwards."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def evaluate_by_loss(
    model: torch.nn.Module, batches: Iterable[Any], loss: Callable[[Any, Any], torch.Tensor]
) -> dict[str, Any]:
    """Return ``test_loss``, with ``probabilities`` and ``labels`` where outputs (N, C) have integer targets.

    Raises:
        ValueError: there is no batch.
    """
    losses, samples, outputs_of_classes, labels = [], [], [], []
    for batch in moved(batches, device_of(model)):
        inputs, targets = pair(batch, "evaluate_on")
        outputs = model(inputs)
        losses.append(scalar(loss(outputs, targets), "loss"))
        samples.append(samples_in(batch))
        if are_classes(outputs, targets):
            outputs_of_classes.append(outputs.detach().float().cpu())
            labels.append(targets.detach().long().cpu())
    result: dict[str, Any] = {"test_loss": _mean(losses, samples)}
    if len(labels) == len(losses):
        result.update(_classification(outputs_of_classes, labels))
    return result


def evaluate_by_step(
    model: torch.nn.Module, batches: Iterable[Any], step: Callable[[Any, Any], torch.Tensor]
) -> dict[str, Any]:
    """Return ``test_loss``, the mean over samples of the losses that ``step`` gives.

    Raises:
        ValueError: there is no batch.
    """
    losses, samples = [], []
    for batch in moved(batches, device_of(model)):
        losses.append(scalar(step(model, batch), "step"))
        samples.append(samples_in(batch))
    return {"test_loss": _mean(losses, samples)}


def numbers(metrics: Any) -> dict[str, Any]:
    """Return the metrics of a user's ``evaluate`` as floats; ``probabilities`` and ``labels`` stay what they are.

    Raises:
        TypeError: it is no mapping, or a value is no number.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(
            f"Training: evaluate returned {type(metrics).__name__}, but must return a dict of metrics, as "
            '{"test_loss": 0.3}'
        )
    return {
        name: value if name in {"probabilities", "labels"} else _number(name, value) for name, value in metrics.items()
    }


def pair(batch: Any, name: str) -> tuple[Any, Any]:
    """Return the inputs and targets of a batch.

    Raises:
        TypeError: the batch is of another form.
    """
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[0], batch[1]
    form = f"{type(batch).__name__} of {len(batch)}" if isinstance(batch, (tuple, list)) else type(batch).__name__
    raise TypeError(f"Training: {name} gives a batch that is no pair (inputs, targets), but a {form}: give step=")


def scalar(loss: Any, name: str) -> torch.Tensor:
    """Return the loss.

    Raises:
        TypeError: it is not a tensor with one element.
    """
    import torch

    if not isinstance(loss, torch.Tensor):
        raise TypeError(f"Training: {name} returned {type(loss).__name__}, but must return a tensor of one number")
    if loss.numel() != 1:
        raise TypeError(
            f"Training: {name} returned a tensor of shape {tuple(loss.shape)}, but must return one of one number, as "
            "the mean is"
        )
    return loss


def device_of(model: torch.nn.Module) -> torch.device | None:
    """The device that batches are moved to: that of the model's first parameter, None where it has none."""
    return next((parameter.device for parameter in model.parameters()), None)


def moved(batches: Iterable[Any], device: torch.device | None) -> Iterator[Any]:
    """Give batches with their tensors on the device."""
    return (on_device(batch, device) for batch in batches)


def on_device(batch: Any, device: torch.device | None) -> Any:
    """Return a batch with its tensors on the device, in tuples, lists and dicts, too; as it is on the CPU."""
    import torch

    if device is None or device.type == "cpu":
        return batch
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(on_device(part, device) for part in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(on_device(part, device) for part in batch)
    if isinstance(batch, Mapping):
        return {key: on_device(part, device) for key, part in batch.items()}
    return batch


def samples_in(batch: Any) -> int:
    """The number of samples in a batch: the length of its first tensor.

    Raises:
        TypeError: it holds no tensor with a length.
    """
    left = [batch]
    while left:
        part = left.pop(0)
        if hasattr(part, "shape") and len(part.shape):
            return int(part.shape[0])
        if isinstance(part, Mapping):
            left = [*part.values(), *left]
        elif isinstance(part, (tuple, list)):
            left = [*part, *left]
    raise TypeError("Training: evaluate_on gives a batch without a tensor to count its samples by: give evaluate=")


def are_classes(outputs: Any, targets: Any) -> bool:
    """Whether outputs are (N, C) floats, with C at least 2, and targets N integers from 0 to C - 1."""
    import torch

    if not (isinstance(outputs, torch.Tensor) and isinstance(targets, torch.Tensor)):
        return False
    if outputs.ndim != 2 or targets.ndim != 1 or len(outputs) != len(targets) or outputs.shape[1] < 2:
        return False
    if not outputs.is_floating_point() or targets.dtype not in {torch.int64, torch.int32, torch.int16, torch.uint8}:
        return False
    return bool(((targets >= 0) & (targets < outputs.shape[1])).all())


def _classification(outputs: list[torch.Tensor], labels: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """The probabilities: the softmax of the outputs, unless these are probabilities already."""
    import torch

    whole = torch.cat(outputs)
    are_probabilities = bool((whole >= 0).all()) and bool(((whole.sum(1) - 1).abs() <= PROBABILITIES_SUM_WITHIN).all())
    return {"probabilities": whole if are_probabilities else whole.softmax(1), "labels": torch.cat(labels)}


def _mean(losses: list[torch.Tensor], samples: list[int]) -> float:
    if not losses:
        raise ValueError("Training: evaluate_on gives no batch: give a loader that is not empty")
    return math.fsum(loss * count for loss, count in zip(read(losses), samples)) / sum(samples)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"Training: evaluate returned {type(value).__name__} for {name}, but must return a number"
        ) from None
