"""A solver's state as Caffe's ``.solverstate`` holds it: the iteration, and every parameter's history in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lrbench.errors import EngineFailed
from lrbench.nets.caffe_pb2 import BlobProto, BlobShape, SolverState


def to_solver_state(state: Sequence[Tensor], iteration: int, weights: str) -> SolverState:
    """The message that Caffe writes after ``iteration`` updates; ``weights`` names its .caffemodel file.

    Exact for a state of float32.
    """
    return SolverState(iter=iteration, learned_net=weights, history=[_blob(history) for history in state])


def from_solver_state(message: SolverState, state: Sequence[Tensor]) -> int:
    """Fill ``state`` with what the message holds, and return the iteration.

    Raises:
        EngineFailed: the message is of another net or another type of solver; the state is as it was.
    """
    found = [(tuple(blob.shape.dim), len(blob.data)) for blob in message.history]
    if found != [(tuple(history.shape), history.numel()) for history in state]:
        raise EngineFailed(
            "the solver's state is of another net or another type of solver", remedy="train this run anew"
        )
    for history, blob in zip(state, message.history, strict=True):
        values = np.array(blob.data, np.float32).reshape(history.shape)
        history.copy_(torch.from_numpy(values))
    return message.iter


def _blob(history: Tensor) -> BlobProto:
    values = history.detach().cpu().contiguous().flatten().tolist()
    return BlobProto(shape=BlobShape(dim=history.shape), data=values)
