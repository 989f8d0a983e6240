"""The fit of a CUDA build of Caffe to this machine's driver and GPUs; a message names what does not fit."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lrbench.engines.caffe.driver import Driver, driver_folder, first_driver, written

CUDA_RECORD = "usr/lib/lrbench-cuda.json"
"""In the tree of a CUDA build: what ``CudaBuild`` holds, without the folders of libraries."""
_MEANINGS = {
    35: "there is no NVIDIA driver here, or one that is too old for the CUDA version of this Caffe",
    100: "the NVIDIA driver offers no GPU here (CUDA_VISIBLE_DEVICES may hide it)",
    101: "no GPU has this id",
    209: "it holds no code for this GPU's architecture",
    222: "it holds no code for this GPU's architecture",
}
"""By CUDA's error number: insufficient driver, no device, invalid device, no kernel image, unsupported PTX version."""


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

    def runs_on(self, architecture: int) -> bool:
        """Return whether the build has machine code, or PTX of the same or an earlier architecture, for a GPU."""
        return architecture >= self.architectures[0]


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
    if not build.runs_on(gpu.architecture):
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
