"""Snippets: Python for PyTorch, Keras and JAX that computes a policy's rates and imports nothing of LRBench."""

from __future__ import annotations

from lrbench._version import __version__
from lrbench.errors import PolicyError
from lrbench.exporting.dialects import Jax, Keras, PlainPython
from lrbench.exporting.functions import functions_of
from lrbench.exporting.whole_run import UNKNOWN_END
from lrbench.policies import Policy
from lrbench.policies.plateau_detection import mode_of
from lrbench.policies.values import Values

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

_TORCH_PLATEAU = '''"""{policy}, written by LRBench {version}.

Call step({monitor}) of scheduler(optimizer) after each evaluation.
"""

from torch.optim.lr_scheduler import ReduceLROnPlateau


def scheduler(optimizer):
    for group in optimizer.param_groups:
        group["lr"] = {k0!r}
    return ReduceLROnPlateau(
        optimizer, mode={mode!r}, factor={factor!r}, patience={waits}, threshold={threshold!r},
        threshold_mode={threshold_mode!r}, cooldown={cooldown}, min_lr={min_rate!r}, eps=0,
    )  # PyTorch acts at the evaluation after the patience-th: its patience is one less than the policy's
'''

_KERAS_PLATEAU = '''"""{policy}, written by LRBench {version}.

Start the optimizer at LEARNING_RATE, and give fit() the callback; an evaluation is the end of an epoch.
"""

import keras

LEARNING_RATE = {k0!r}


def callback():
    return keras.callbacks.ReduceLROnPlateau(
        monitor={column!r}, mode={mode!r}, factor={factor!r}, patience={patience}, min_delta={threshold!r},
        cooldown={cooldowns}, min_lr={min_rate!r},
    )  # the last of Keras's cooldown epochs counts again: its cooldown is one more than the policy's
'''
_KERAS_COLUMNS = {"train_loss": "loss", "test_loss": "val_loss"}


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


def plateau_text(policy: Policy, target: str) -> str:
    """A module that makes the framework's own ReduceLROnPlateau with the policy's behaviour.

    Raises:
        PolicyError: the policy is another closed-loop one, or the target has none that agrees.
    """
    factor, plain = policy.split()
    if plain.name != "PLATEAU":
        remedy = "train with lrbench.torch.PolicyLR, which takes every policy"
        raise PolicyError(
            "it reacts to evaluations, and only PLATEAU by itself can be exported", where=policy.name, remedy=remedy
        )
    if target not in {"torch", "keras"}:
        raise PolicyError(
            f"it reacts to evaluations, and nothing in {target} agrees with it",
            where=policy.name,
            remedy="export it to torch or keras",
        )
    v = Values(**plain.parameters)
    if target == "keras" and v.threshold_mode == "rel" and v.threshold:
        raise PolicyError(
            f"Keras knows a threshold as a difference only, not threshold={v.threshold} as a share",
            where=policy.name,
            remedy="set threshold_mode=abs, or threshold=0",
        )
    fields = dict(
        vars(v),
        waits=v.patience - 1,
        cooldowns=v.cooldown and v.cooldown + 1,
        mode=mode_of(v),
        column=_KERAS_COLUMNS.get(v.monitor, f"val_{v.monitor}"),
    )
    fields.update(k0=v.k0 * factor, min_rate=v.min_rate * factor)
    return (_TORCH_PLATEAU if target == "torch" else _KERAS_PLATEAU).format(
        policy=policy, version=__version__, **fields
    )
