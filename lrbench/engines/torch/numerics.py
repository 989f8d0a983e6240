"""Numerics of a worker: the precision of products, and whether the same work gives the same bits again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from lrbench.spec.sections import Precision


def settle(precision: Precision, deterministic: bool) -> None:
    """Set this process up, before anything is computed.

    Products of float32 are rounded to float32, or with ``tf32`` their factors to TensorFloat-32 (10 bits of fraction
    instead of 23) first, on a GPU. With ``bf16`` the forward pass asks for it, see ``mixed``; all else is float32.
    Deterministic means that an operation without such an algorithm raises an error, and that cuDNN takes no
    algorithm by its speed on the day.
    """
    # The same as use_deterministic_algorithms, which would also load the compiler, for seconds of processor time.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # Else new memory would be filled with NaN first; whatever is computed here is written before it is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
    if hasattr(torch.backends, "fp32_precision"):  # since PyTorch 2.9; the older names below warn then
        factors = "tf32" if precision == "tf32" else "ieee"
        torch.backends.fp32_precision = "ieee"
        torch.backends.cuda.matmul.fp32_precision = factors
        torch.backends.cudnn.conv.fp32_precision = factors  # type: ignore[attr-defined]
    else:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"


def mixed(precision: Precision, inputs: Iterable[Tensor]) -> AbstractContextManager[None]:
    """Context in which, with ``bf16``, convolutions and inner products take and give bfloat16 (7 bits of fraction).

    Weights stay float32, and so do their gradients. Layers that sum many values widen to float32 themselves.
    """
    if precision != "bf16":
        return nullcontext()
    device = next(iter(inputs)).device
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)  # a cache would outlive a CUDA graph
