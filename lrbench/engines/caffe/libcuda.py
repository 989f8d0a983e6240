"""Asks libcuda for the driver's version and its GPUs, in a process of its own; stands alone."""

from __future__ import annotations

import ctypes
import json
import sys

MAJOR, MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""


def ask() -> None:
    """Print the driver's version and each GPU's name and architecture; fail where there is no driver."""
    cuda = ctypes.CDLL("libcuda.so.1")
    version, count, device, number = (ctypes.c_int() for _ in range(4))
    _check(cuda.cuInit(0))
    _check(cuda.cuDriverGetVersion(ctypes.byref(version)))
    _check(cuda.cuDeviceGetCount(ctypes.byref(count)))
    gpus = []
    for index in range(count.value):
        _check(cuda.cuDeviceGet(ctypes.byref(device), index))
        name = ctypes.create_string_buffer(256)
        _check(cuda.cuDeviceGetName(name, len(name), device))
        parts = []
        for attribute in (MAJOR, MINOR):
            _check(cuda.cuDeviceGetAttribute(ctypes.byref(number), attribute, device))
            parts.append(number.value)
        gpus.append((name.value.decode(errors="replace"), 10 * parts[0] + parts[1]))
    json.dump({"version": version.value, "gpus": gpus}, sys.stdout)


def _check(status: int) -> None:
    if status != 0:
        raise SystemExit(f"libcuda: error {status}")


if __name__ == "__main__":
    ask()
