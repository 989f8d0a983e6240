"""The programs that build Caffe with CUDA: their commands, and how they are run.

Debian's own compiler, linker and protoc of the release are used, from the unpacked tree. None of them is started
directly, as they need the tree's libraries: a script for each starts it through the tree's own loader.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lrbench.data import Progress
from lrbench.engines.caffe.cuda.toolkit import Toolkit
from lrbench.engines.caffe.environment import start_through_loader
from lrbench.engines.caffe.install import complaint
from lrbench.errors import EngineUnavailable

TRIPLET = "x86_64-linux-gnu"
GCC = f"usr/lib/gcc/{TRIPLET}/10"
PROGRAMS = {
    "g++": f"usr/bin/{TRIPLET}-g++-10",
    "cc1plus": f"{GCC}/cc1plus",
    "cc1": f"{GCC}/cc1",
    "collect2": f"{GCC}/collect2",
    "as": f"usr/bin/{TRIPLET}-as",
    "ld": f"usr/bin/{TRIPLET}-ld.bfd",
    "protoc": "usr/bin/protoc",
}
DEFINES = (
    "USE_LMDB",
    "USE_LEVELDB",
    "USE_HDF5",
    "USE_OPENCV",
    "CAFFE_VERSION=1.0.0",
    "NDEBUG",
    "BOOST_BIND_GLOBAL_PLACEHOLDERS",
)
"""Debian's own choices, so that both builds read the same data and have the same layers."""
PYTHON_FILES = ("layer_factory.cpp", "_caffe.cpp")
LIBRARIES = (
    "blas hdf5_serial_hl hdf5_serial lmdb leveldb protobuf glog gflags boost_system boost_filesystem boost_thread "
    "boost_python39 opencv_core opencv_imgproc opencv_imgcodecs python3.9 pthread m"
)
LOG_HINT = "see the log; a toolkit of another version (--toolkit) may fit"


class Command(NamedTuple):
    """One program of the build: what it makes, for messages, and its command line."""

    title: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Build:
    """The folders, toolkit and architectures of a build.

    Attributes:
        tree: the unpacked Debian packages, compiler included.
        source: Caffe's source, changed for CUDA.
        work: a folder for what is made.
        toolkit: the CUDA toolkit.
        architectures: compute capabilities without the dot, such as 80 and 90, in rising order.
    """

    tree: Path
    source: Path
    work: Path
    toolkit: Toolkit
    architectures: tuple[int, ...]

    @property
    def wrapped(self) -> Path:
        """The folder of the scripts that start the compiler's programs."""
        return self.work / "bin"

    @property
    def library(self) -> Path:
        """The library that is made."""
        return self.work / "libcaffe.so.1.0.0"

    @property
    def tool(self) -> Path:
        """The command-line tool that is made."""
        return self.work / "caffe"

    @property
    def module(self) -> Path:
        """The Python extension module that is made."""
        return self.work / f"_caffe.cpython-39-{TRIPLET}.so"


def write_programs(build: Build) -> None:
    """Write a script for each of the compiler's programs, and for protoc."""
    build.wrapped.mkdir(parents=True)
    start = start_through_loader(build.tree)
    for name, path in PROGRAMS.items():
        command = [*start, str(build.tree / path)]
        if name == "g++":
            command += ["-B", f"{build.wrapped}/", f"--sysroot={build.tree}"]
        script = build.wrapped / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        script.chmod(0o755)


def source_files(source: Path) -> list[Path]:
    """The C++ and CUDA files of libcaffe, without tests and without cuDNN's layers."""
    found = (path for suffix in ("*.cpp", "*.cu") for path in (source / "src/caffe").rglob(suffix))
    return sorted(path for path in found if "test" not in path.parent.parts and not path.name.startswith("cudnn"))


def protocol_commands(build: Build) -> list[Command]:
    """The commands that translate caffe.proto to C++."""
    protocol = build.source / "src/caffe/proto"
    options = (f"--proto_path={protocol}", f"--cpp_out={build.work / 'include/caffe/proto'}")
    return [Command("caffe.proto", (str(build.wrapped / "protoc"), *options, str(protocol / "caffe.proto")))]


def object_file(build: Build, source: Path) -> Path:
    """The object file of a source file."""
    within = source.relative_to(build.source if source.is_relative_to(build.source) else build.work)
    return build.work / "objects" / f"{'.'.join(within.parts)}.o"


def compile_command(build: Build, source: Path) -> Command:
    """The command that compiles one file."""
    compiler, standard, user = str(build.wrapped / "g++"), f"-std={build.toolkit.standard}", build.tree / "usr"
    if source.suffix == ".cu":
        # Machine code for each architecture, and PTX, which other GPUs compile when it is loaded. All come of the
        # first one's PTX: Caffe's kernels gain nothing from later ones, and each would compile them again.
        first = build.architectures[0]
        codes = ",".join([*(f"sm_{number}" for number in build.architectures), f"compute_{first}"])
        start = [str(build.toolkit.nvcc), "-ccbin", compiler, standard, "-O2", "-Xcompiler", "-fPIC,-w"]
        start += ["-gencode", f"arch=compute_{first},code=[{codes}]"]
    else:
        start = [compiler, standard, "-O2", "-fPIC", "-w", "-pthread"]
    defines = [f"-D{name}" for name in DEFINES]
    if source.name in PYTHON_FILES:
        defines.append("-DWITH_PYTHON_LAYER")
    includes = [
        build.work / "include",
        build.source / "include",
        *build.toolkit.includes,
        user / f"include/{TRIPLET}/openblas-pthread",
        user / "include/hdf5/serial",
        user / "include/opencv4",
        user / "include/python3.9",
        user / "lib/python3/dist-packages/numpy/core/include",
    ]
    options = (*start, *defines, *(f"-I{folder}" for folder in includes))
    return Command(source.name, (*options, "-c", str(source), "-o", str(object_file(build, source))))


def link_commands(build: Build, objects: Sequence[Path]) -> tuple[list[Command], list[Command]]:
    """The commands that link: first libcaffe, then at once the tool and the Python module, which need it."""
    compiler = str(build.wrapped / "g++")
    folders = [
        build.tree / name for name in (f"usr/lib/{TRIPLET}/openblas-pthread", f"usr/lib/{TRIPLET}", f"lib/{TRIPLET}")
    ]
    flags = [
        "-pthread",
        "-s",
        "-Wl,--as-needed",
        *[f"-L{folder}" for folder in folders],
        *[f"-Wl,-rpath-link,{folder}" for folder in (*folders, *build.toolkit.library_folders)],
    ]
    libraries = [*map(str, build.toolkit.libraries), *[f"-l{name}" for name in LIBRARIES.split()]]
    tool, module = (
        str(object_file(build, build.source / name)) for name in ("tools/caffe.cpp", "python/caffe/_caffe.cpp")
    )
    library = [compiler, "-shared", f"-Wl,-soname,{build.library.name}", *flags, "-o", str(build.library)]
    inputs = [str(build.library), *libraries]
    return [Command(build.library.name, (*library, *map(str, objects), *libraries))], [
        Command("caffe", (compiler, *flags, "-o", str(build.tool), tool, *inputs)),
        Command(build.module.name, (compiler, "-shared", *flags, "-o", str(build.module), module, *inputs)),
    ]


def run_all(commands: Sequence[Command], jobs: int, log: Path, progress: Progress, title: str) -> None:
    """Run commands in any order, ``jobs`` at a time, and stop at the first that fails.

    Args:
        log: receives each command and what it prints.
        progress: called after each command, with ``title``.

    Raises:
        EngineUnavailable: a command failed; the message holds the first line that names an error.
    """
    done = 0
    progress(0, len(commands), title)
    with ThreadPoolExecutor(jobs) as pool:
        waiting: set[Future[None]] = {pool.submit(_run, command, log) for command in commands}
        try:
            while waiting:
                ended, waiting = wait(waiting, return_when=FIRST_EXCEPTION, timeout=1)
                for future in ended:
                    future.result()
                done += len(ended)
                progress(done, len(commands), title)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _run(command: Command, log: Path) -> None:
    answer = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", *command.arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    with log.open("a") as file:  # one write, so that what runs beside it does not come in between
        file.write(f"$ {shlex.join(command.arguments)}\n{answer.stdout}")
    if answer.returncode != 0:
        said = complaint(answer, "(?i:error)|cannot find")
        raise EngineUnavailable(f"{command.title} cannot be built: {said}", where=str(log), remedy=LOG_HINT)
