"""States of random generators: Python's, numpy's and PyTorch's global ones, and those that a training holds itself."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
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
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
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
        if "cuda" in states and torch.cuda.is_available():
            for device, state in zip(range(torch.cuda.device_count()), states["cuda"]):
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
    """Return the random generators that the objects hold, by the path to each.

    An object holds its attributes and what these hold; a list, tuple or dict of at most 32 elements holds these; a
    function, and a method of an object's class, holds the variables outside it that it uses.
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


def _contents(value: Any) -> list[tuple[Any, object]]:
    """Return the parts of an object: its attributes, a short container's elements, or what a function refers to."""
    import torch

    kind = type(value)
    if isinstance(value, (list, tuple)):
        return list(enumerate(value)) if len(value) <= LONGEST_CONTAINER else []
    if isinstance(value, dict):
        return list(value.items()) if len(value) <= LONGEST_CONTAINER else []
    if isinstance(value, MethodType):
        return [("self", value.__self__), ("function", value.__func__)]
    if isinstance(value, FunctionType):
        return _referred_to(value)
    if isinstance(value, partial):
        return [("function", value.func), ("arguments", value.args), ("keywords", value.keywords)]
    if isinstance(value, torch.nn.Module):
        return [*vars(value).items(), *value._modules.items(), *_methods(kind)]
    home = kind.__module__
    of_library = home.split(".")[0] in {"torch", "numpy"} and not home.startswith("torch.utils.data")
    if of_library or isinstance(value, (type, ModuleType)):
        return []
    return [*getattr(value, "__dict__", {}).items(), *_methods(kind)]


def _methods(kind: type) -> list[tuple[str, object]]:
    return [
        (name, member)
        for parent in kind.__mro__
        for name, member in vars(parent).items()
        if isinstance(member, FunctionType)
    ]


def _referred_to(function: FunctionType) -> list[tuple[str, object]]:
    """The values of the variables outside a function that it uses; none for an installed library's function."""
    code = function.__code__
    if {"site-packages", "dist-packages"} & set(Path(code.co_filename).parts):
        return []
    found = [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        with suppress(ValueError):  # a variable that is not assigned yet
            found.append((name, cell.cell_contents))
    return found


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
