"""CUDA toolkits: the one that is named, this machine's own, or NVIDIA's packages from PyPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lrbench.data import Progress
from lrbench.engines.caffe.gpu import written
from lrbench.engines.caffe.install import complaint, watched
from lrbench.errors import EngineUnavailable, UsageError

PACKAGES = Path(__file__).with_name("toolkit.txt")
"""NVIDIA's packages of CUDA 13.0 for pip, with their hashes."""
PACKAGED_VERSION = (13, 0)
PACKAGED_ARCHITECTURES = (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121)
DOWNLOAD_BYTES = 585_000_000
UNPACKED_BYTES = 1_015_000_000
HEADERS = ("cuda_runtime.h", "cublas_v2.h", "curand.h", "curand_kernel.h")
LIBRARIES = ("cublas", "curand", "cudart")
BESIDE = {"cublas": "cublasLt"}
"""A library that another one loads, from the same folder."""
USUAL_FOLDER = Path("/usr/local/cuda")
LIBRARY_FOLDERS = ("lib64", "lib", "targets/x86_64-linux/lib", "")
PLACE_HINT = "name the folder of a whole CUDA toolkit, the one that holds bin/nvcc, include and lib64"


@dataclass(frozen=True)
class Toolkit:
    """A CUDA toolkit that can build Caffe.

    Attributes:
        nvcc: its compiler.
        version: major and minor.
        includes: folders of its headers.
        libraries: files of cuBLAS, cuRAND and the CUDA run-time library.
    """

    nvcc: Path
    version: tuple[int, int]
    includes: tuple[Path, ...]
    libraries: tuple[Path, ...]

    @property
    def standard(self) -> str:
        """The version of C++ that its headers ask for."""
        return "c++17" if self.version >= (13, 0) else "c++14"

    @property
    def library_folders(self) -> tuple[Path, ...]:
        """The folders of its libraries."""
        return tuple(dict.fromkeys(file.parent for file in self.libraries))

    def architectures(self) -> tuple[int, ...]:
        """The compute capabilities that it compiles for, without the dot, such as 75 and 90, in rising order."""
        found = re.findall(r"compute_(\d+)\b", _ask(self.nvcc, "--list-gpu-arch"))
        return tuple(sorted({int(number) for number in found}))


def read_toolkit(folder: Path) -> Toolkit:
    """The toolkit in ``folder``.

    Raises:
        UsageError: a part of it is missing; the message names the part.
    """
    folder = folder.expanduser().absolute()
    nvcc = folder / "bin/nvcc"
    if not os.access(nvcc, os.X_OK):
        raise _not_whole(folder, "it has no bin/nvcc" if folder.is_dir() else "no such folder")
    include = next(
        (path for path in (folder / "include", folder / "targets/x86_64-linux/include") if path.is_dir()),
        folder / "include",
    )
    if include.resolve() == Path("/usr/include"):
        raise UsageError(
            "its headers lie among the system's, in /usr/include, which do not fit Caffe's compiler",
            where=str(folder),
            remedy="name a toolkit in a folder of its own, or leave --toolkit out",
        )
    for header in HEADERS:
        if not (include / header).is_file():
            raise _not_whole(folder, f"it has nvcc, but no {header}")
    libraries = tuple(find_libraries(folder, {name: f"lib{name}.so*" for name in LIBRARIES}).values())
    found = re.search(r"release (\d+)\.(\d+)", _ask(nvcc, "--version"))
    if found is None:
        raise _not_whole(folder, "its nvcc does not tell its version")
    return Toolkit(
        nvcc,
        (int(found.group(1)), int(found.group(2))),
        tuple(path for path in (include, include / "cccl") if path.is_dir()),
        libraries,
    )


def find_libraries(folder: Path, patterns: Mapping[str, str]) -> dict[str, Path]:
    """The library files in a toolkit, or in a folder of NVIDIA's packages for Python, by their short names.

    Args:
        folder: the toolkit, a folder of libraries, or the folder ``nvidia`` of site-packages or one in it.
        patterns: the file name of each library, with ``*``.

    Raises:
        UsageError: one is missing.
    """
    places = [folder / name for name in LIBRARY_FOLDERS] + sorted(folder.glob("*/lib"))
    found = {}
    for name, pattern in patterns.items():
        files = [file for place in places for file in sorted(place.glob(pattern)) if file.is_file()]
        if not files:
            raise _not_whole(folder, f"it has no lib{name}.so")
        beside = BESIDE.get(name)
        if beside and not list(files[0].parent.glob(f"lib{beside}.so*")):
            raise _not_whole(folder, f"it has lib{name}.so, but no lib{beside}.so beside it")
        found[name] = files[0]
    return found


def shared_name(library: Path) -> str:
    """The name that programs ask for at run time, such as ``libcublas.so.13``."""
    found = re.match(r"lib\w+\.so\.\d+", library.resolve().name)
    return found.group() if found else library.name


def own_toolkits(environment: Mapping[str, str]) -> list[Path]:
    """Folders where this machine may have a toolkit: CUDA_HOME's, that of the ``nvcc`` on the PATH, the usual one."""
    nvcc = shutil.which("nvcc", path=environment.get("PATH", os.defpath))
    folders = [
        environment.get("CUDA_HOME") or environment.get("CUDA_PATH"),
        Path(nvcc).resolve().parents[1] if nvcc else None,
        USUAL_FOLDER,
    ]
    return [Path(folder) for folder in dict.fromkeys(folders) if folder and Path(folder, "bin/nvcc").is_file()]


def packaged_toolkit(home: Path) -> Path:
    """The folder of NVIDIA's packages that ``fetch_toolkit`` installs, inside LRBench's data folder ``home``."""
    return home / f"cuda-{written(PACKAGED_VERSION)}"


def toolkit_folder(packages: Path) -> Path:
    """The toolkit among the packages that ``fetch_toolkit`` installed."""
    return packages / f"nvidia/cu{PACKAGED_VERSION[0]}"


def fetch_toolkit(home: Path, log: Path, progress: Progress, packages: Path = PACKAGES) -> Path:
    """Install NVIDIA's packages of CUDA with pip, hashes checked, whole or not at all; returns the toolkit's folder.

    Raises:
        EngineUnavailable: pip is missing or failed.
        OSError: the packages cannot be written.
    """
    target = packaged_toolkit(home)
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.is_dir():
            partial_folder = target.with_name(f"{target.name}.partial")
            try:
                shutil.rmtree(partial_folder, ignore_errors=True)
                _install_packages(partial_folder, log, progress, packages)
                partial_folder.rename(target)
            finally:
                shutil.rmtree(partial_folder, ignore_errors=True)
    return toolkit_folder(target)


def _install_packages(target: Path, log: Path, progress: Progress, packages: Path) -> None:
    temporary = target / "tmp"
    temporary.mkdir(parents=True)
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--no-compile"]
    options += ["--disable-pip-version-check", f"--target={target}"]
    command = ["env", f"TMPDIR={temporary}", sys.executable, "-m", "pip", "install", *options, "-r", str(packages)]
    answer = watched(command, target, DOWNLOAD_BYTES + 2 * UNPACKED_BYTES, "NVIDIA's CUDA packages", progress)
    with log.open("a") as file:
        file.write(answer.stdout)
    shutil.rmtree(temporary)
    if answer.returncode != 0:
        raise EngineUnavailable(
            f"pip could not install NVIDIA's CUDA packages: {complaint(answer, 'ERROR')}",
            where=str(log),
            remedy="see the log, or name a toolkit that is there with --toolkit",
        )


def _not_whole(place: Path, problem: str) -> UsageError:
    return UsageError(problem, where=str(place), remedy=PLACE_HINT)


def _ask(nvcc: Path, option: str) -> str:
    try:
        answer = subprocess.run(
            [str(nvcc), option], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise _not_whole(nvcc, f"it does not start: {error.strerror}") from error
    return answer.stdout
