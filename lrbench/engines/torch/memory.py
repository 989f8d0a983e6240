"""Memory of the device that lanes are trained on: what is used, what is free, and when it has run out."""

from __future__ import annotations

import psutil
import torch

_ON_CPU = ("DefaultCPUAllocator: can't allocate memory", "could not create a primitive")
"""What PyTorch, and oneDNN in it, say where a CPU's memory does not suffice."""


def out_of_memory(error: Exception) -> bool:
    """Whether the device, or the machine, had too little memory for what was asked."""
    on_cpu = isinstance(error, RuntimeError) and any(words in str(error) for words in _ON_CPU)
    return on_cpu or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def used_bytes(device: torch.device) -> int:
    """The most that this process has held of a GPU since the last ``forget_peak``; on a CPU, its resident size now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return int(psutil.Process().memory_info().rss)


def free_bytes(device: torch.device) -> int:
    """What is free, this process's own not counted."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def forget_peak(device: torch.device) -> None:
    """Give cached memory back, and count anew from here."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
