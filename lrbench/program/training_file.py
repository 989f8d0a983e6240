"""The file of a saved training: tensors, numbers, texts and containers alone, read without unpickling anything else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "training.pt"
NUMBERS_AND_TEXTS = (bool, int, float, complex, str, bytes, type(None))


def write(folder: str | Path, saved: Mapping[str, Any]) -> None:
    """Write ``training.pt`` into an existing folder.

    Raises:
        TypeError: it holds what cannot be read again without unpickling; the text says where.
    """
    import torch

    torch.save({name: _plain(value, name) for name, value in saved.items()}, Path(folder) / FILE)


def read(folder: str | Path) -> dict[str, Any]:
    """Read ``training.pt``, with all tensors on the CPU."""
    import torch

    saved: dict[str, Any] = torch.load(Path(folder) / FILE, map_location="cpu", weights_only=True)
    return saved


def load_states(parts: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Load the saved state of each part.

    Raises:
        ValueError: the parts are others than those that were saved.
    """
    if set(parts) != set(states):
        raise ValueError(
            f"Training: saved with the states of {', '.join(sorted(states))}, but has {', '.join(sorted(parts))}: "
            "restore it with the arguments that it was saved with"
        )
    for name, part in parts.items():
        try:
            part.load_state_dict(states[name])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"Training: the saved {name} does not fit this {name}: {reason}") from error


def _plain(value: Any, where: str) -> Any:
    """Return the value with numpy's numbers as Python's."""
    import torch

    if isinstance(value, (torch.Tensor, torch.dtype, torch.device)) or type(value) in NUMBERS_AND_TEXTS:
        return value
    if type(value) in {dict, OrderedDict}:
        return type(value)((_plain(key, where), _plain(inner, f"{where}[{key!r}]")) for key, inner in value.items())
    if type(value) in {list, tuple, set, torch.Size}:
        return type(value)(_plain(inner, where) for inner in value)
    if type(value).__module__ == "numpy" and value.ndim == 0:
        return value.item()
    raise TypeError(
        f"Training: {where} holds a {type(value).__module__}.{type(value).__qualname__}, which cannot be saved: its "
        "state_dict must hold tensors, numbers, texts, lists, tuples, sets and dicts alone"
    )
