"""Build Caffe with CUDA into a tree that runs like the packaged one."""

from __future__ import annotations

import shutil
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
from lrbench.engines.caffe.cuda.source import fetch_tree, remove_development_part, unpack_source
from lrbench.engines.caffe.cuda.toolkit import Toolkit, shared_name
from lrbench.engines.caffe.driver import written
from lrbench.engines.caffe.gpu import CUDA_RECORD, CudaBuild


@dataclass(frozen=True)
class BuildRequest:
    """A build of Caffe: its toolkit, its architectures, and the settings of its making.

    Attributes:
        toolkit: the CUDA toolkit.
        architectures: compute capabilities without the dot, in rising order.
        jobs: how many files are compiled at a time.
        mirror: URL of a Debian mirror; None is mmdebstrap's choice.
        log: a file that receives all commands and what they print.
    """

    toolkit: Toolkit
    architectures: tuple[int, ...]
    jobs: int
    mirror: str | None
    log: Path


def build(folder: Path, request: BuildRequest, progress: Progress) -> None:
    """Build Caffe with CUDA into ``folder``, which is made.

    Args:
        folder: receives the tree; after an error it may hold a part of it.
        request: what to build.
        progress: told how far each step is.

    Raises:
        UsageError: the mirror is not a URL.
        EngineUnavailable: a step failed; the message names the step, the first error and the log.
        OSError: the tree cannot be written.
    """
    fetch_tree(folder, request.mirror, progress)
    made = Build(
        folder, folder / "caffe-build/source", folder / "caffe-build/made", request.toolkit, request.architectures
    )
    unpack_source(folder, made.source)
    compile_caffe(made, request.jobs, request.log, progress)
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
