"""Snippets: Python for PyTorch, Keras and JAX that computes a policy's rates and imports nothing of LRBench."""

from __future__ import annotations

from lrbench._version import __version__
from lrbench.exporting.dialects import Jax, Keras, PlainPython
from lrbench.exporting.functions import functions_of
from lrbench.exporting.whole_run import UNKNOWN_END
from lrbench.policies import Policy

_TORCH = '''
class PolicyLR(LRScheduler):
    """Sets the rate of each iteration: call step() once after each optimizer.step()."""

    def get_lr(self):
        return [learning_rate(self.last_epoch)] * len(self.optimizer.param_groups)
'''

_KERAS = '''
@keras.saving.register_keras_serializable()
class PolicySchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of each training step: keras.optimizers.SGD(PolicySchedule())."""

    def __call__(self, step):
        return ops.cast(learning_rate(ops.convert_to_tensor(step)), "float32")

    def get_config(self):
        return {}
'''


def torch_text(policy: Policy, iterations: int | None) -> str:
    """A module with ``learning_rate(t)`` and ``PolicyLR(optimizer)``, an LRScheduler with a state_dict."""
    functions = functions_of(policy, PlainPython(), iterations or UNKNOWN_END)
    use = "PolicyLR(optimizer), stepped once an iteration, gives an optimizer its rates, whatever lr it was made with."
    return _module(use, iterations, ["from torch.optim.lr_scheduler import LRScheduler"], f"{functions}\n{_TORCH}")


def keras_text(policy: Policy, iterations: int | None) -> str:
    """A module with ``learning_rate(step)`` and ``PolicySchedule()``, a LearningRateSchedule that can be saved."""
    functions = functions_of(policy, Keras(iterations or UNKNOWN_END), iterations or UNKNOWN_END)
    use = "PolicySchedule() is the learning_rate of an optimizer; it counts training steps."
    return _module(use, iterations, ["import keras", "from keras import ops"], f"{functions}\n{_KERAS}")


def optax_text(policy: Policy, iterations: int | None) -> str:
    """A module with ``learning_rate(t)``, which optax's optimizers take as it is and ``jax.jit`` can trace."""
    functions = functions_of(policy, Jax(iterations or UNKNOWN_END), iterations or UNKNOWN_END)
    use = "optax.sgd(learning_rate), or any other optimizer of optax, takes the function as it is."
    imports = ["import jax.numpy as jnp"] if "jnp." in functions else []
    return _module(use, iterations, imports, functions)


def _module(use: str, iterations: int | None, imports: list[str], body: str) -> str:
    budget = "" if iterations is None else f" of {iterations} iterations"
    opening = f'"""The learning rates of a run{budget}, written by LRBench {__version__}.\n\n{use}\n"""\n'
    standard = ["import math", ""] if "math." in body else []
    both = standard + imports if imports else standard[:1]
    return "\n".join([opening, *both, "", "", body] if both else [opening, "", body])
