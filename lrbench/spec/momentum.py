"""Momentum of a solver: a number, or an open-loop policy that gives the momentum of each iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from lrbench.errors import PolicyError
from lrbench.spec.settings import inconsistent
from lrbench.spec.yaml_loader import shown

if TYPE_CHECKING:  # for completion, which needs no policies, NumPy takes too long to import
    import numpy as np
    from numpy.typing import NDArray

    from lrbench.policies import Policy


def _number(value: float) -> float:
    if not value < 1:
        raise PydanticKnownError("less_than", {"lt": 1.0})
    if not value >= 0:
        raise PydanticKnownError("greater_than_equal", {"ge": 0.0})
    return float(value)


def _canonical(value: Any) -> Any:
    """Return a number as a float, and a policy, given as text or as a mapping, as its canonical text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    if not isinstance(value, dict) and not (isinstance(value, str) and "(" in value):
        raise PydanticCustomError("momentum", "a number from 0 to below 1, or a policy")
    from lrbench.policies import Policy

    try:
        policy = Policy.of(value)
    except PolicyError as error:
        problem = f"is {shown(value)}, which is neither a number nor a policy: {error.message}"
        raise inconsistent((), problem, error.remedy or "for example momentum: 0.9") from None
    if policy.closed_loop:
        problem = f"is {policy.text}, which reacts to evaluations, but the momentum of each iteration is set beforehand"
        raise inconsistent((), problem, "use an open-loop policy, such as ONECYCLE(k0=0.95, k1=0.85, k2=0.95)")
    return policy.text


Momentum = Annotated[
    float | str,
    BeforeValidator(_canonical),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "string"}]}),
]
"""A number, or the canonical text of a policy."""


def check_momentum(policy: Policy, iterations: int) -> None:
    """Raise PolicyError where the momentum of an iteration of a run is not at least 0 and below 1."""
    from lrbench.policies.policy import CHECKED_AT_ONCE

    policy.check(iterations)
    for start in range(0, iterations, CHECKED_AT_ONCE):
        values = momentum_of(policy, start, min(start + CHECKED_AT_ONCE, iterations), iterations)
        if values.max() >= 1:
            first = int((values >= 1).argmax())
            raise PolicyError(
                f"its value at t = {start + first} is {float(values[first]):g}, but a momentum is below 1",
                remedy="change its parameters, such as to ONECYCLE(k0=0.95, k1=0.85, k2=0.95)",
            )


def momentum_of(policy: Policy, start: int, end: int, iterations: int) -> NDArray[np.float32]:
    """Return the momentum of the iterations from ``start`` to ``end - 1`` of a run, in float32, as Caffe holds it."""
    import numpy as np

    return policy.rates(np.arange(start, end), iterations).astype(np.float32)
