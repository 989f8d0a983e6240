"""The solver types and the parameters of each; loads no pydantic, for what must not wait for it."""

from __future__ import annotations

from typing import Literal, get_args

SolverType = Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"]
SOLVER_TYPES: tuple[SolverType, ...] = get_args(SolverType)
# Which of the parameters that not all solvers share each type reads; Caffe aborts on momentum with AdaGrad and RMSProp.
SOLVER_PARAMETERS = {
    "SGD": {"momentum"},
    "Nesterov": {"momentum"},
    "AdaGrad": {"delta"},
    "RMSProp": {"delta", "rms_decay"},
    "AdaDelta": {"momentum", "delta"},
    "Adam": {"momentum", "momentum2", "delta"},
}
PARTICULAR = sorted(set().union(*SOLVER_PARAMETERS.values()))

SOLVER_FIELDS = (
    "momentum",
    "momentum2",
    "delta",
    "rms_decay",
    "weight_decay",
    "regularization_type",
    "clip_gradients",
    "iter_size",
)
"""The parameters of a solver beside its type and rates, by Caffe's names, which a spec shares."""
