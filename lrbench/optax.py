"""Policies in JAX: ``schedule``, a function of the step that any optimizer of optax takes for its learning rate.

Example::

    import lrbench.optax

    optimizer = optax.sgd(lrbench.optax.schedule("COSDECAY(k0=0.1)", iterations=10_000))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lrbench.exporting.whole_run import every_rate
from lrbench.policies import Policy

try:
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("lrbench.optax needs JAX: pip install 'lrbench[optax]'") from error

if TYPE_CHECKING:
    from jax import Array
    from jax.typing import ArrayLike


def schedule(policy: Policy | str, iterations: int) -> Callable[[ArrayLike], Array]:
    """A function from a step, counted from 0, to the policy's rate; ``jax.jit``, ``vmap`` and ``scan`` can trace it.

    The rates of the whole run are computed in float64 and each is rounded once, to float32 unless JAX has 64 bits
    enabled: a formula of float32 steps would lose digits where gamma is near 1 or the step is large. From
    ``iterations`` on the last rate stays.

    Args:
        policy: an open-loop policy, or its text.
        iterations: the run's steps, at most 10 million (4 bytes each).

    Raises:
        PolicyError: a policy that is impossible in a run of that length, or closed-loop.
    """
    rates = jnp.asarray(every_rate(policy, iterations))

    def rate(step: ArrayLike) -> Array:
        return rates[jnp.clip(jnp.asarray(step), 0, iterations - 1).astype(jnp.int32)]

    return rate
