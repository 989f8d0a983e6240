"""Policies in Keras 3, on any of its backends: ``PolicySchedule``, a learning-rate schedule.

Example::

    from lrbench.keras import PolicySchedule

    model.compile(optimizer=keras.optimizers.SGD(PolicySchedule("COSDECAY(k0=0.1)", iterations=10_000)), ...)
"""

from __future__ import annotations

from typing import Any

from lrbench.exporting.whole_run import every_rate
from lrbench.policies import Policy

try:
    import keras
except ImportError as error:
    raise ImportError("lrbench.keras needs Keras 3 and one of its backends: pip install 'lrbench[keras]'") from error


@keras.saving.register_keras_serializable(package="lrbench")
class PolicySchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A policy's rate for each training step, counted from 0.

    The rates of the whole run are computed in float64 and each is rounded to float32 once: a formula of float32 steps
    would lose digits where gamma is near 1 or the step is large. From ``iterations`` on the last rate stays.

    Args:
        policy: an open-loop policy, or its text.
        iterations: the run's training steps, at most 10 million (4 bytes each).

    Raises:
        PolicyError: a policy that is impossible in a run of that length, or closed-loop.
    """

    def __init__(self, policy: Policy | str, iterations: int) -> None:
        self.policy = Policy.of(policy)
        self.iterations = iterations
        self._rates = keras.ops.convert_to_tensor(every_rate(self.policy, iterations), dtype="float32")

    def __call__(self, step: Any) -> Any:
        """The rate of a training step, a float32 tensor."""
        index = keras.ops.cast(keras.ops.clip(keras.ops.convert_to_tensor(step), 0, self.iterations - 1), "int32")
        return keras.ops.take(self._rates, index)

    def get_config(self) -> dict[str, Any]:
        """The policy's text and the iterations, of which ``from_config`` makes the same schedule."""
        return {"policy": self.policy.text, "iterations": self.iterations}
