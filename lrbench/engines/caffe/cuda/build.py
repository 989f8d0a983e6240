"""Build Caffe with CUDA, from Debian's source package, into a tree that runs like the packaged one."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lrbench.data import Progress
from lrbench.engines.caffe.cuda.compiling import (
    TRIPLET,
    Build,
    compile_command,
    link_commands,
    object_file,
    protocol_commands,
    run_all,
    source_files,
    write_programs,
)
from lrbench.engines.caffe.cuda.toolkit import Toolkit, shared_name
from lrbench.engines.caffe.gpu import CUDA_RECORD, CudaBuild, written
from lrbench.engines.caffe.install import Additions, from_mirror
from lrbench.errors import EngineUnavailable

PACKAGES = (
    "g++-10 libboost-dev libboost-filesystem-dev libboost-python-dev libboost-system-dev libboost-thread-dev "
    "libgflags-dev libgoogle-glog-dev libhdf5-dev libleveldb-dev liblmdb-dev libopenblas-pthread-dev "
    "libopencv-core-dev libopencv-highgui-dev libopencv-imgcodecs-dev libopencv-imgproc-dev libprotobuf-dev "
    "libprotoc-dev libsnappy-dev protobuf-compiler python3-dev python3-numpy"
)
"""Debian packages that compile Caffe, in addition to those that it runs with."""
SOURCE = "caffe-source"
TREE_BYTES = 1_600_000_000
BUILD_BYTES = 2_000_000_000
"""Disk space of the unpacked packages, and of the whole build."""
FETCH = f"""
set -e
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
sed 's/^deb /deb-src /' "$1/etc/apt/sources.list" > "$1/etc/apt/sources.list.d/source.list"
apt-get update
mkdir "$1/{SOURCE}"
cd "$1/{SOURCE}"
apt-get source --download-only caffe
"""
"""Run by mmdebstrap: its own mirror's index of sources is signed, and holds the hashes of the source package."""
OPENCV_4 = "#include <opencv2/imgcodecs/legacy/constants_c.h>\n"
CHANGES: dict[str, tuple[tuple[str, str], ...]] = {
    # Properties that CUDA 13 no longer has.
    "src/caffe/common.cpp": (
        ('  LOG(INFO) << "Clock rate:                    " << prop.clockRate;\n', ""),
        ('  LOG(INFO) << "Concurrent copy and execution: "\n      << (prop.deviceOverlap ? "Yes" : "No");\n', ""),
        (
            '  LOG(INFO) << "Kernel execution timeout:      "\n'
            '      << (prop.kernelExecTimeoutEnabled ? "Yes" : "No");\n',
            "",
        ),
    ),
    # The threads that read data ask for the GPU in CPU mode, too, and abort where there is no driver.
    "src/caffe/internal_thread.cpp": (
        (
            "  CUDA_CHECK(cudaGetDevice(&device));\n",
            "  if (Caffe::mode() == Caffe::GPU) CUDA_CHECK(cudaGetDevice(&device));\n",
        ),
        ("  CUDA_CHECK(cudaSetDevice(device));\n", "  if (mode == Caffe::GPU) CUDA_CHECK(cudaSetDevice(device));\n"),
    ),
    # Includes that nothing uses; they compile for minutes.
    "src/caffe/layers/softmax_layer.cu": (('#include "thrust/device_vector.h"\n', ""),),
    "src/caffe/util/math_functions.cu": (
        ("#include <thrust/device_vector.h>\n", ""),
        ("#include <thrust/functional.h>  // thrust::plus\n", ""),
        ("#include <thrust/reduce.h>\n", ""),
    ),
    # OpenCV 4 has the names of OpenCV 1 in a header of their own.
    "src/caffe/util/io.cpp": (
        ("#include <opencv2/highgui/highgui_c.h>\n", f"#include <opencv2/highgui/highgui_c.h>\n{OPENCV_4}"),
    ),
    "src/caffe/layers/window_data_layer.cpp": (
        ('#include "opencv2/highgui/highgui.hpp"\n', f'#include "opencv2/highgui/highgui.hpp"\n{OPENCV_4}'),
    ),
}
"""Changes by file: texts that occur exactly once, and their replacements."""


def fetch_tree(folder: Path, mirror: str | None, progress: Progress) -> None:
    """Unpack Debian's packages of Caffe, of what it is compiled with, and its source package, signatures checked.

    Raises:
        UsageError: ``mirror`` is not a URL.
        EngineUnavailable: mmdebstrap is missing or failed.
    """
    from_mirror(folder, mirror, progress=progress, additions=Additions(tuple(PACKAGES.split()), FETCH, TREE_BYTES))
    make_links_relative(folder)


def make_links_relative(root: Path) -> None:
    """Let absolute symbolic links point into the tree: the linker takes them for this machine's own files."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and (target := os.readlink(path)).startswith("/"):
                path.unlink()
                path.symlink_to(os.path.relpath(f"{root}{target}", folder))


def unpack_source(tree: Path, folder: Path) -> None:
    """Unpack the source package that ``fetch_tree`` left in the tree into ``folder``, and change it for CUDA.

    Raises:
        EngineUnavailable: the source is not the one that the changes are for.
    """
    archives = sorted((tree / SOURCE).glob("caffe_*.orig.tar.*"))
    if len(archives) != 1:
        raise EngineUnavailable(
            f"the mirror gave {len(archives)} source archives of Caffe, not one",
            remedy="name another mirror with --mirror",
        )
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, [member for member in archive if member.isfile()])
    apply_changes(folder)
    shutil.rmtree(tree / SOURCE)


def apply_changes(source: Path) -> None:
    """Make the changes that CUDA 13, OpenCV 4 and CPU runs without a driver need.

    Raises:
        EngineUnavailable: a text to change does not occur exactly once.
    """
    for name, changes in CHANGES.items():
        path = source / name
        text = path.read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise EngineUnavailable(
                    f"this source of Caffe is another than LRBench knows: {old.strip()!r} occurs "
                    f"{text.count(old)} times in it",
                    where=name,
                    remedy="name another mirror of the release with --mirror",
                )
            text = text.replace(old, new)
        path.write_text(text)


def remove_development_part(tree: Path) -> None:
    """Delete what only compiling needs: headers, static libraries, the compiler, documentation of all of it."""
    for part in ("usr/include", "usr/lib/gcc", "usr/share/doc-base", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(tree / part, ignore_errors=True)
    for path in [*tree.glob("usr/lib/**/*.a"), *tree.glob("usr/bin/*-linux-gnu-*")]:
        path.unlink()


@dataclass(frozen=True)
class CudaOptions:
    """The options of ``lrbench caffe install --cuda``.

    Attributes:
        home: LRBench's data folder.
        variables: the environment's variables, of which CUDA_HOME, CUDA_PATH and PATH lead to a toolkit.
        toolkit: the folder of the toolkit; None looks for one.
        architectures: compute capabilities without the dot; none takes those of the GPUs here.
        jobs: how many files are compiled at a time.
        mirror: URL of a Debian mirror; None is mmdebstrap's choice.
        license_accepted: whether NVIDIA's licence is accepted.
    """

    home: Path
    variables: Mapping[str, str]
    toolkit: Path | None = None
    architectures: tuple[int, ...] = ()
    jobs: int = 1
    mirror: str | None = None
    license_accepted: bool = False

    @property
    def log(self) -> Path:
        """The file that keeps the commands of the build and what they printed."""
        return self.home / "caffe-cuda.log"


def build(
    folder: Path, toolkit: Toolkit, architectures: tuple[int, ...], options: CudaOptions, progress: Progress
) -> None:
    """Build Caffe with CUDA into ``folder``, which is made; after an error it may hold a part of the tree.

    Args:
        architectures: compute capabilities without the dot, in rising order; those of ``options`` do not count.

    Raises:
        UsageError: the mirror is not a URL.
        EngineUnavailable: a step failed; the message names the step, the first error and the log.
        OSError: the tree cannot be written.
    """
    fetch_tree(folder, options.mirror, progress)
    made = Build(folder, folder / "caffe-build/source", folder / "caffe-build/made", toolkit, architectures)
    unpack_source(folder, made.source)
    compile_caffe(made, options.jobs, options.log, progress)
    put_in_tree(made)
    shutil.rmtree(folder / "caffe-build")
    remove_development_part(folder)


def compile_caffe(made: Build, jobs: int, log: Path, progress: Progress) -> None:
    """Make the library, the tool and the Python module.

    Raises:
        EngineUnavailable: a command failed.
    """
    write_programs(made)
    for part in ("objects", "include/caffe/proto"):
        (made.work / part).mkdir(parents=True)
    run_all(protocol_commands(made), 1, log, progress, "Caffe's protocol")
    protocol = made.work / "include/caffe/proto/caffe.pb.cc"
    library = [protocol, *source_files(made.source)]
    further = [made.source / "tools/caffe.cpp", made.source / "python/caffe/_caffe.cpp"]
    run_all([compile_command(made, file) for file in (*further, *library)], jobs, log, progress, "compiling")
    first, then = link_commands(made, [object_file(made, file) for file in library])
    run_all(first, 1, log, progress, "linking libcaffe")
    run_all(then, jobs, log, progress, "linking caffe and pycaffe")


def put_in_tree(made: Build) -> None:
    """Put what was made in the place of Debian's CPU build, with a record of what it needs."""
    for file, place in (
        (made.library, f"usr/lib/{TRIPLET}"),
        (made.tool, "usr/bin"),
        (made.module, "usr/lib/python3/dist-packages/caffe"),
    ):
        target = made.tree / place / file.name
        target.unlink()
        shutil.copyfile(file, target)
        target.chmod(0o755)
    record = CudaBuild(
        version=written(made.toolkit.version),
        architectures=made.architectures,
        needs=tuple(shared_name(library) for library in made.toolkit.libraries),
    )
    (made.tree / CUDA_RECORD).write_text(record.model_dump_json(exclude={"libraries"}))
