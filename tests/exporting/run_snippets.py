"""Runs snippets where LRBench is not to be had: ``run_snippets.py FOLDER ITERATIONS KIND...``.

FOLDER/KIND has a module 0.py, 1.py, ... for each policy; FOLDER/KIND.npy becomes the rates of each, a row each.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

sys.modules["lrbench"] = None  # type: ignore[assignment]


def modules(folder: Path) -> list[ModuleType]:
    found = []
    for number in range(len(list(folder.glob("*.py")))):
        spec = importlib.util.spec_from_file_location(f"{folder.name}_{number}", folder / f"{number}.py")
        assert spec is not None
        assert spec.loader is not None
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(module)
    return found


def torch(snippets: list[ModuleType], iterations: int) -> list[list[float]]:
    """The rates that an optimizer has at each of its steps."""
    import torch

    rows = []
    for snippet in snippets:
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=7.0)
        scheduler = snippet.PolicyLR(optimizer)
        row = []
        for _ in range(iterations):
            row.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        rows.append(row)
    return rows


def optax(snippets: list[ModuleType], iterations: int) -> list[np.ndarray]:
    """The rates that traced functions give of traced integers."""
    import jax
    import jax.numpy as jnp

    every = jax.jit(lambda t: [snippet.learning_rate(t) * jnp.ones_like(t, float) for snippet in snippets])
    return [np.asarray(row) for row in every(jnp.arange(iterations))]


def keras(snippets: list[ModuleType], iterations: int) -> list[np.ndarray]:
    """The rates that the schedules give, of tensors of the backend."""
    from keras import ops

    steps = ops.convert_to_tensor(np.arange(iterations, dtype=np.int32))
    rows = []
    for snippet in snippets:
        schedule = type(snippet.PolicySchedule()).from_config(snippet.PolicySchedule().get_config())
        rates = ops.convert_to_numpy(schedule(steps))
        assert rates.dtype == np.float32
        rows.append(np.broadcast_to(rates, (iterations,)))
        np.testing.assert_allclose(float(schedule(3)), rows[-1][3], rtol=1e-6, atol=4e-7 * rows[-1].max())
    return rows


if __name__ == "__main__":
    base, count, *kinds = sys.argv[1:]
    for kind in kinds:
        np.save(Path(base) / kind, np.array(globals()[kind](modules(Path(base) / kind), int(count))))
