"""NVIDIA's driver and GPUs on this machine, as libcuda reports them, and the fit of a CUDA build of Caffe to them."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

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


CUDA_RECORD = "usr/lib/lrbench-cuda.json"
"""File in the tree of a CUDA build that holds its ``CudaBuild``, without the folders of libraries."""
_MEANINGS = {
    35: "there is no NVIDIA driver here, or one that is too old for the CUDA version of this Caffe",
    100: "the NVIDIA driver offers no GPU here (CUDA_VISIBLE_DEVICES may hide it)",
    101: "no GPU has this id",
    209: "it holds no code for this GPU's architecture",
    222: "it holds no code for this GPU's architecture",
}
"""Keys are CUDA's error numbers: insufficient driver, no device, invalid device, no kernel image, unsupported PTX."""


class CudaBuild(BaseModel):
    """The description of a CUDA build in its manifest.

    Attributes:
        version: CUDA's version, such as "13.0".
        architectures: compute capabilities without the dot that it holds machine code for; of the first, PTX too.
        needs: names of CUDA's run-time libraries that it loads.
        libraries: the folders of these; relative ones are below LRBench's data folder.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    architectures: tuple[int, ...]
    needs: tuple[str, ...]
    libraries: tuple[Path, ...] = ()

    @property
    def major(self) -> int:
        """The major version of CUDA."""
        return int(self.version.partition(".")[0])


def read_record(tree: Path) -> CudaBuild | None:
    """Read the description of a CUDA build from its tree; None for the tree of a CPU build.

    Raises:
        ValueError: the record is damaged.
    """
    path = tree / CUDA_RECORD
    return CudaBuild.model_validate_json(path.read_bytes()) if path.is_file() else None


def misfit(build: CudaBuild, driver: Driver | None, device_id: int) -> str | None:
    """Return the reason why a build cannot use a GPU, as far as it shows without starting Caffe, or None.

    Args:
        build: the build.
        driver: the driver here; None where there is none that offers a GPU.
        device_id: the GPU.
    """
    for name in build.needs:
        if not any((folder / name).exists() for folder in build.libraries):
            places = ", ".join(map(str, build.libraries)) or "any folder"
            return f"CUDA's library {name} is missing: it is not in {places}"
    if driver is None:
        return "there is no NVIDIA driver here" if driver_folder() is None else _MEANINGS[100]
    if driver.version[0] < build.major:
        return (
            f"the driver here runs CUDA up to {written(driver.version)}, and this Caffe is built "
            f"with CUDA {build.version}, which needs driver {first_driver(build.major)} or later"
        )
    if device_id >= len(driver.gpus):
        return f"there is no GPU {device_id}: the driver offers {len(driver.gpus)}, counted from 0"
    gpu = driver.gpus[device_id]
    if gpu.architecture < build.architectures[0]:  # later ones run its machine code, or compile its PTX
        return (
            f"{gpu.name} has architecture {gpu.architecture}, and this Caffe is built for "
            f"{', '.join(map(str, build.architectures))}"
        )
    return None


def meaning(fatal_line: str) -> str:
    """Caffe's fatal line, or what it means where it reports a well-known error of CUDA."""
    if "CPU-only Caffe" in fatal_line:
        return "it is built for the CPU only"
    for number, words in _MEANINGS.items():
        if f"cudaSuccess ({number} vs. 0)" in fatal_line:
            return words
    return fatal_line
