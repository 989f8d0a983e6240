"""``lrbench doctor``: Check the installation and show how to fix it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from functools import partial

import click

from lrbench._version import __version__
from lrbench.api.environment import data_folder, home, site
from lrbench.errors import EngineUnavailable, LRBenchError, plain


@click.command()
def doctor() -> int:
    """Check the installation and show how to fix it.

    Exit code: 0 if runs on Caffe are possible, 2 if not or if prepared data are damaged.

    \b
    lrbench doctor
    """
    from lrbench.data import data_set_names

    cores = len(os.sched_getaffinity(0))
    click.echo(f"LRBench    {__version__}, Python {platform.python_version()} ({sys.executable})")
    click.echo(f"folder     {home()} (LRBENCH_HOME)")
    click.echo(f"cores      {cores} usable: lrbench run -j {cores}")
    usable = [
        _tell("LRBENCH_DATA   ", lambda: str(data_folder() or "not set: data sets are downloaded")),
        *[_tell(f"data       {name}: ", partial(_data, name)) for name in data_set_names()],
        _tell("Caffe      ", _caffe),
    ]
    if usable[-1]:
        _tell("GPUs       ", _caffe_on_gpus)
    _tell("PyTorch    ", _torch)
    return 0 if all(usable) else 2


def _tell(title: str, examine: Callable[[], str]) -> bool:
    """Print what ``examine`` returns, or its error, and return whether there was none."""
    from lrbench.storage import reason

    try:
        text, usable = examine(), True
    except LRBenchError as error:
        text, usable = str(error), False
    except OSError as error:
        text, usable = plain(f"{error.filename}: cannot be read: {reason(error)}"), False
    click.echo(title + text)
    return usable


def _data(name: str) -> str:
    from lrbench.data import find_prepared

    found = find_prepared(name, home())
    return f"prepared in {found.folder}" if found else f"not prepared; type: lrbench data prepare {name}"


def _caffe() -> str:
    from lrbench.engines.caffe.environment import find_environment, probe

    place = site()
    try:
        environment = find_environment(place.home, place.caffe)
        info = probe(environment)
    except EngineUnavailable as error:
        raise EngineUnavailable(f"absent or broken: {error}") from error
    source = "LRBENCH_CAFFE" if place.caffe else "lrbench caffe install"
    tool = "yes" if environment.tool else "no (this pycaffe comes without a `caffe` program)"
    return (
        f"{info.version}, Python {info.python_version}, {environment.origin} ({source})\n"
        f"           stepping driver: yes; native driver: {tool}"
    )


def _caffe_on_gpus() -> str:
    """The CUDA build of Caffe, and for each GPU whether a step of a tiny net ran on it, or why not."""
    from lrbench.engines.caffe.environment import CUDA_INSTALL_HINT, find_environment, probe_gpu
    from lrbench.engines.caffe.gpu import find_driver

    place = site()
    environment = find_environment(place.home, place.caffe, gpu=True)
    build = environment.cuda
    if build is None and not place.caffe:
        return f"Caffe is not built for them; {CUDA_INSTALL_HINT}"
    driver = find_driver()
    names = [f"GPU {number} ({gpu.name})" for number, gpu in enumerate(driver.gpus)] if driver else ["GPU 0"]
    told = []
    if build:
        architectures = ", ".join(map(str, build.architectures))
        told.append(f"Caffe built with CUDA {build.version} for architectures {architectures}, {environment.origin}")
    for number, name in enumerate(names):
        reason = probe_gpu(environment, number)
        told.append(f"{name}: yes" if reason is None else f"{name}: no ({reason})")
    return "\n           ".join(told)


def _torch() -> str:
    """Return the version of PyTorch, which is optional; it is not loaded, so no GPU is looked for."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{version('torch')}, selected by: lrbench run --engine torch"
    except PackageNotFoundError:
        return "not installed, and not needed for Caffe; type: pip install 'lrbench[torch]'"
