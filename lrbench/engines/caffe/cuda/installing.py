"""``lrbench caffe install --cuda``: the toolkit chosen, this machine checked, and Caffe built or unpacked."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from lrbench.data import Progress
from lrbench.engines.caffe.archive import unpack
from lrbench.engines.caffe.cuda.build import BUILD_BYTES, CudaOptions, build
from lrbench.engines.caffe.cuda.toolkit import (
    DOWNLOAD_BYTES,
    PACKAGED_ARCHITECTURES,
    PACKAGED_VERSION,
    UNPACKED_BYTES,
    Toolkit,
    fetch_toolkit,
    find_libraries,
    own_toolkits,
    packaged_toolkit,
    read_toolkit,
    toolkit_folder,
)
from lrbench.engines.caffe.gpu import Driver, find_driver, first_driver, read_record, written
from lrbench.errors import EngineUnavailable, UsageError

USUAL_ARCHITECTURES = (75, 80, 90)
"""Turing, Ampere and Hopper. Code for a capability runs on later ones of the same generation, PTX on all later ones."""


def check_machine(home: Path, toolkit_bytes: int) -> None:
    """Raise EngineUnavailable where this machine is not x86-64, or the disk is too full.

    Args:
        home: LRBench's data folder.
        toolkit_bytes: size on the disk of a toolkit that is still to be installed.
    """
    if platform.machine() != "x86_64":
        raise EngineUnavailable(
            f"Caffe is built for x86-64, and this machine is {platform.machine()}",
            remedy="use the PyTorch engine here: lrbench run --engine torch",
        )
    above = next(folder for folder in (home, *home.parents) if folder.is_dir())
    needed, free = BUILD_BYTES + toolkit_bytes, shutil.disk_usage(above).free
    if free < needed:
        raise EngineUnavailable(
            f"the build needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            where=str(above),
            remedy="free some space, or choose another place with LRBENCH_HOME",
        )


def check_driver(version: tuple[int, int], driver: Driver | None) -> None:
    """Raise EngineUnavailable where the driver here runs only an older major version of CUDA than the toolkit's."""
    if driver is not None and driver.version[0] < version[0]:
        raise EngineUnavailable(
            f"the driver here runs CUDA up to {written(driver.version)}, and the toolkit is CUDA {written(version)}, "
            f"which needs driver {first_driver(version[0])} or later",
            remedy=f"update the driver, or name a toolkit of CUDA {driver.version[0]} with --toolkit",
        )


def choose_architectures(
    named: tuple[int, ...], known: tuple[int, ...], version: tuple[int, int], driver: Driver | None
) -> tuple[int, ...]:
    """The architectures to build for: those named, else those of the GPUs here, else the usual ones.

    Architectures are compute capabilities without the dot, such as 80; ``known`` are the toolkit's, in rising order.

    Raises:
        UsageError: one that is named is not among the toolkit's.
        EngineUnavailable: a GPU here is too old for the toolkit.
    """
    compiles = f"CUDA {written(version)} compiles for {', '.join(map(str, known))}"
    if unknown := sorted(set(named) - set(known)):
        raise UsageError(
            f"--arch {unknown[0]}: {compiles}", remedy="choose among these, or name another toolkit with --toolkit"
        )
    if named:
        return tuple(sorted(set(named)))
    present = {gpu.architecture for gpu in driver.gpus} if driver else set()
    if present and min(present) < known[0]:
        raise EngineUnavailable(
            f"a GPU here has architecture {min(present)}, and {compiles}",
            remedy="name an older toolkit with --toolkit, or other GPUs' architectures with --arch",
        )
    usual = [number for number in USUAL_ARCHITECTURES if number in known]
    return tuple(sorted({max(number for number in known if number <= gpu) for gpu in present} or usual or known[-1:]))


LICENSE = (
    "the CUDA toolkit that is to be downloaded from PyPI (585 MB) is proprietary: NVIDIA's CUDA Toolkit End "
    "User License Agreement governs it"
)
LICENSE_HINT = (
    "read it at docs.nvidia.com/cuda/eula and add --accept-nvidia-license, or name a toolkit that is there "
    "with --toolkit"
)


def check_installed(root: Path, options: CudaOptions) -> None:
    """Refuse what is asked of a build that is installed already and does not have it.

    Raises:
        UsageError: the toolkit named is not whole, or the build lacks an architecture that is named.
    """
    if options.toolkit is not None:
        read_toolkit(options.toolkit)
    try:
        record = read_record(root)
    except ValueError:
        return  # damaged: it is found to be so when it is started
    missing = sorted(set(options.architectures) - set(record.architectures)) if record else []
    if record and missing:
        raise UsageError(
            f"is built for GPU architecture {', '.join(map(str, record.architectures))}, not for "
            f"{', '.join(map(str, missing))}",
            where=str(root),
            remedy="add --force to build it again, or leave --arch out",
        )


def build_tree(folder: Path, options: CudaOptions, progress: Progress) -> tuple[Path, ...]:
    """Build Caffe with CUDA into ``folder``; returns the folders of CUDA's run-time libraries.

    After an error the folder may hold a part of the tree.

    Raises:
        UsageError: the toolkit named is not whole, or the licence is not accepted.
        EngineUnavailable: this machine cannot build or run it, or a step failed.
        OSError: a file cannot be written.
    """
    driver = find_driver()
    about = "no NVIDIA driver offers a GPU here: this Caffe will train on the CPU until one does"
    if driver is not None:
        gpus = ", ".join(f"{gpu.name} (architecture {gpu.architecture})" for gpu in driver.gpus)
        about = f"the NVIDIA driver here runs CUDA up to {written(driver.version)}; GPUs: {gpus}"
    progress(0, 0, about)
    found = _find_toolkit(options, progress)
    known = found.architectures() if found else PACKAGED_ARCHITECTURES
    version = found.version if found else PACKAGED_VERSION
    check_driver(version, driver)
    architectures = choose_architectures(options.architectures, known, version, driver)
    check_machine(options.home, 0 if found else DOWNLOAD_BYTES + UNPACKED_BYTES)
    if found is None and not options.license_accepted:
        raise UsageError(LICENSE, remedy=LICENSE_HINT)
    options.log.write_text("")
    toolkit = found or read_toolkit(fetch_toolkit(options.home, options.log, progress))
    progress(
        0,
        0,
        f"building with CUDA {written(version)} of {toolkit.nvcc.parents[1]} for GPU architecture "
        f"{', '.join(map(str, architectures))}; log: {options.log}",
    )
    build(folder, toolkit, architectures, options, progress)
    return toolkit.library_folders


def unpack_tree(
    folder: Path, archive: Path, sha256: str | None, options: CudaOptions, progress: Progress
) -> tuple[Path, ...]:
    """Unpack a CUDA build that ``lrbench caffe pack --cuda`` wrote; returns the folders of CUDA's run-time libraries.

    The libraries are those of the toolkit named, else of this machine's own, else of NVIDIA's packages.

    Raises:
        UsageError: the archive is none of a CUDA build, the toolkit lacks a library, or the licence is not accepted.
        EngineUnavailable: NVIDIA's packages cannot be installed.
        OSError: a file cannot be written.
    """
    unpack(archive, folder, sha256)
    record = read_record(folder)
    if record is None:
        raise UsageError("holds a Caffe for the CPU", where=str(archive), remedy="leave --cuda out")
    needs = {name[3:].partition(".")[0]: name for name in record.needs}
    if options.toolkit is not None:
        return _folders(find_libraries(options.toolkit, needs))
    for place in (*own_toolkits(options.variables), toolkit_folder(packaged_toolkit(options.home))):
        try:
            return _folders(find_libraries(place, needs))
        except UsageError:
            continue  # another version, or not whole
    if not options.license_accepted:
        raise UsageError(LICENSE, remedy=LICENSE_HINT)
    return _folders(find_libraries(fetch_toolkit(options.home, options.log, progress), needs))


def _folders(libraries: Mapping[str, Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(file.parent for file in libraries.values()))


def _find_toolkit(options: CudaOptions, progress: Progress) -> Toolkit | None:
    """The toolkit named, else this machine's own if it is whole, else NVIDIA's packages if they are there."""
    if options.toolkit is not None:
        return read_toolkit(options.toolkit)
    for own in own_toolkits(options.variables):
        try:
            return read_toolkit(own)
        except UsageError as error:
            progress(0, 0, f"a CUDA toolkit of this machine is passed over: {error.where}: {error.message}")
    packaged = toolkit_folder(packaged_toolkit(options.home))
    return read_toolkit(packaged) if packaged.is_dir() else None
