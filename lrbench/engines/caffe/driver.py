"""NVIDIA's driver on this machine, as libcuda tells of it: its version, and the GPUs that it offers."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LIBRARY = "libcuda.so.1"
CHILD = Path(__file__).with_name("libcuda.py")
FIRST_DRIVERS = {11: "450", 12: "525", 13: "580"}
"""The first driver for each major version of CUDA, by NVIDIA's table of compatibility within a major version."""
ASK_SECONDS = 60


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name and its compute capability without the dot, such as 90."""

    name: str
    architecture: int


@dataclass(frozen=True)
class Driver:
    """The driver.

    Attributes:
        version: the newest CUDA version that it runs, such as (13, 0).
        gpus: the GPUs that it offers to this process, in the order of their ids.
    """

    version: tuple[int, int]
    gpus: tuple[Gpu, ...]


@lru_cache(maxsize=1)
def driver_folder() -> Path | None:
    """The folder of the driver's library; None where there is no driver."""
    try:
        ctypes.CDLL(LIBRARY)
        mapped = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    files = [line.split(maxsplit=5)[-1] for line in mapped]
    return next((Path(file).parent for file in files if Path(file).name.startswith("libcuda.so")), None)


@lru_cache(maxsize=1)
def find_driver() -> Driver | None:
    """The driver and its GPUs; None where there is no driver, or it offers no GPU.

    libcuda is started in a process of its own, so that this one holds no part of a GPU.
    """
    try:
        answer = subprocess.run(
            [sys.executable, str(CHILD)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ASK_SECONDS,
            check=False,
        )
        found = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    major, minor = divmod(found["version"], 1000)
    return Driver((major, minor // 10), tuple(Gpu(name, architecture) for name, architecture in found["gpus"]))


def first_driver(major: int) -> str:
    """The first driver that runs this major version of CUDA."""
    return FIRST_DRIVERS.get(major, "of that version")


def written(version: tuple[int, int]) -> str:
    """A version of CUDA as text, such as 13.0."""
    return f"{version[0]}.{version[1]}"
