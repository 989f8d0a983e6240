"""PLATEAU as the callback of the same kind that a framework has, where the two agree."""

from __future__ import annotations

from lrbench._version import __version__
from lrbench.errors import PolicyError
from lrbench.policies import Policy
from lrbench.policies.values import Values

_TORCH = '''"""{policy}, written by LRBench {version}.

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

_KERAS = '''"""{policy}, written by LRBench {version}.

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

_KERAS_COLUMNS = {"train_loss": "loss", "test_loss": "val_loss", "accuracy": "val_accuracy"}


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
        mode="max" if v.monitor == "accuracy" else "min",
        column=_KERAS_COLUMNS[v.monitor],
    )
    fields.update(k0=v.k0 * factor, min_rate=v.min_rate * factor)
    return (_TORCH if target == "torch" else _KERAS).format(policy=policy, version=__version__, **fields)
