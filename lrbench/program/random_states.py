"""States of random generators: Python's, numpy's and PyTorch's global ones, and those that a training holds itself."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

LONGEST_CONTAINER = 32
"""Longer lists, tuples and dicts hold data, no generators."""


class RandomStates:
    """Captures and restores the states of all random generators that a training may draw from.

    These are the global generators of Python, numpy (once ``numpy.random`` is imported) and PyTorch (CPU, CUDA once it
    is in use, MPS where it is available), and ``generators``, by name.
    """

    def __init__(self, generators: Mapping[str, Any]) -> None:
        self._generators = generators

    def capture(self) -> dict[str, Any]:
        """Return the states; they may hold numpy arrays, see ``plain``."""
        import torch

        states: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
        if "numpy.random" in sys.modules:
            states["numpy"] = sys.modules["numpy.random"].get_state(legacy=False)
        if torch.cuda.is_initialized():
            states["cuda"] = torch.cuda.get_rng_state_all()
        if torch.backends.mps.is_available():
            states["mps"] = torch.mps.get_rng_state()
        states["generators"] = {name: _state(generator) for name, generator in self._generators.items()}
        return states

    def restore(self, states: Mapping[str, Any]) -> None:
        """Set every generator to its captured state.

        A device that this process does not have is passed over, as nothing here draws from it.
        """
        import torch

        random.setstate(states["python"])
        torch.set_rng_state(states["torch"])
        if "numpy" in states:
            import numpy

            numpy.random.set_state(states["numpy"])
        if torch.cuda.is_available():
            for device, state in zip(range(torch.cuda.device_count()), states.get("cuda", ())):
                torch.cuda.set_rng_state(state, device)
        if "mps" in states and torch.backends.mps.is_available():
            torch.mps.set_rng_state(states["mps"])
        for name, state in states["generators"].items():
            if name in self._generators:
                _set_state(self._generators[name], state)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Restore, at the end of the block, the states of its beginning."""
        states = self.capture()
        try:
            yield
        finally:
            self.restore(states)


def plain(states: Any) -> Any:
    """Return captured states as tensors, numbers, texts and containers alone, numpy's arrays as lists."""
    if isinstance(states, dict):
        return {key: plain(value) for key, value in states.items()}
    return states.tolist() if _is_numpy(states) else states


def is_generator(value: object) -> bool:
    """Whether it is a random generator of Python, numpy or PyTorch."""
    if isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom)
    kind = type(value)
    return (kind.__module__.split(".")[0], kind.__name__) in {
        ("torch", "Generator"),
        ("numpy", "Generator"),
        ("numpy", "RandomState"),
    }


def find_generators(roots: Mapping[str, object]) -> dict[str, Any]:
    """Return the random generators in attributes of the objects, and of the objects in these, by the path to each.

    Lists, tuples and dicts are searched up to a length of 32. Neural networks are not searched.
    """
    found: dict[str, Any] = {}
    left = list(roots.items())
    seen: dict[int, object] = {}
    while left:
        path, value = left.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if is_generator(value):
            found[path] = value
        else:
            left += [(f"{path}.{name}", inner) for name, inner in _contents(value)]
    return found


def _contents(value: object) -> list[tuple[Any, object]]:
    """The attributes of an object, or the elements of a short container."""
    import torch

    if isinstance(value, (type, ModuleType, FunctionType, torch.nn.Module, torch.Tensor)):
        return []
    if isinstance(value, (list, tuple)):
        return list(enumerate(value)) if len(value) <= LONGEST_CONTAINER else []
    if isinstance(value, dict):
        return list(value.items()) if len(value) <= LONGEST_CONTAINER else []
    return list(getattr(value, "__dict__", {}).items())


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if hasattr(generator, "bit_generator"):
        return generator.bit_generator.state
    return generator.get_state(legacy=False) if _is_numpy(generator) else generator.get_state()


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def _is_numpy(value: object) -> bool:
    return type(value).__module__.split(".")[0] == "numpy"
