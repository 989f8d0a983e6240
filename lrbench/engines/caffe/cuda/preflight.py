"""The preflight of a CUDA build: processor, disk, driver and GPUs are checked before anything is downloaded."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from lrbench.engines.caffe.cuda.source import BUILD_BYTES
from lrbench.engines.caffe.driver import Driver, first_driver, written
from lrbench.errors import EngineUnavailable, UsageError

USUAL_ARCHITECTURES = (75, 80, 90)
"""Turing, Ampere and Hopper. Code for a capability runs on later ones of the same generation, PTX on all later ones."""


def check_machine(home: Path, toolkit_bytes: int) -> None:
    """Refuse a machine that Caffe cannot be built on.

    Args:
        home: LRBench's data folder.
        toolkit_bytes: what the toolkit takes on the disk if it is still to be installed.

    Raises:
        EngineUnavailable: it is not x86-64, or the disk is too full.
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
    """Refuse a toolkit that is newer than the driver here.

    Args:
        version: the toolkit's version of CUDA.
        driver: the driver, if there is one.

    Raises:
        EngineUnavailable: the driver runs an older major version of CUDA only.
    """
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

    Args:
        named: compute capabilities without the dot, such as 80 and 90.
        known: those that the toolkit compiles for, in rising order.
        version: the toolkit's version of CUDA.
        driver: the driver, if there is one.

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
