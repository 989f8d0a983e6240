"""Pack what a machine with a GPU and no network lacks: Caffe without NVIDIA's libraries, wheels, slices of data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gpu_check.images import SLICES, encoded
from gpu_check.places import DATA, TREE, WHEELS
from lrbench.api.environment import data_folder, home
from lrbench.data.registry import find_data_set
from lrbench.data.sources import Sources
from lrbench.engines.caffe.environment import MANIFEST, packaged_environment

LARGEST_BYTES = 55 << 20
REQUIREMENTS = (
    "click",
    "filelock",
    "lmdb",
    "optuna",
    "orjson",
    "platformdirs",
    "protobuf",
    "psutil",
    "pydantic",
    "pyyaml",
    "requests",
    "rich",
    "sqlalchemy",
    "tabulate",
)
"""Of LRBench's dependencies, those without NumPy, SciPy and matplotlib, which the other machine has."""
LEFT_OUT = {"numpy"}
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux2010_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux1_x86_64",
)
IMAGE_LIBRARY = "libopencv_imgcodecs.so.4.5"
"""Of OpenCV: it reads and writes encoded images, and needs half of the tree. No net of the check has any."""
TRACE = """
import json, os, sys
opened = set()
sys.addaudithook(lambda event, given: opened.add(given[0]) if event == "open" and isinstance(given[0], str) else None)
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import worker
worker.use_gpu = lambda caffe, device_id: caffe.set_mode_cpu()
worker.probe_gpu(0)
opened |= {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
opened |= {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if "/" in line}
print(json.dumps(sorted(opened)), flush=True)
os._exit(0)
"""


def pack(folder: Path, tree: Path, python: str) -> None:
    """Write all that travels into ``folder``.

    Args:
        folder: made if it is not there.
        tree: an installed Caffe.
        python: the version of the other machine's Python, such as 3.12.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pack_tree(tree, folder / TREE)
    fetch_wheels(folder / WHEELS, python)
    pack_data(folder / DATA)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 2**20:.1f} MiB")
    if size > LARGEST_BYTES:
        sys.exit(f"more than {LARGEST_BYTES >> 20} MiB")


def pack_tree(tree: Path, archive: Path) -> None:
    """Pack the part of a Caffe tree that pycaffe and the ``caffe`` tool load."""
    root = tree.resolve()
    with tempfile.TemporaryDirectory(prefix="lrbench-pack-") as name:
        stand_in = make_stand_in(root, Path(name))
        files = used_files(root, stand_in.parent)
        print(f"{tree}: {len(files)} files, {sum(map(os.path.getsize, files)) / 1e6:.0f} MB")
        plain = Path(name) / "caffe.tar"
        with tarfile.open(plain, "w") as tar:
            for file in sorted(files):
                tar.add(file, file.relative_to(root))
            tar.add(stand_in, root.joinpath("usr/lib/x86_64-linux-gnu", IMAGE_LIBRARY).relative_to(root))
            for link, target in links_to(files, root):
                add_link(tar, link.relative_to(root), target)
        with archive.open("wb") as packed:
            subprocess.run(["xz", "-T0", "-3", "-c", str(plain)], stdout=packed, check=True)


def make_stand_in(root: Path, folder: Path) -> Path:
    """A library in place of OpenCV's for encoded images, whose functions end the process."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    missing = symbols(libraries / "libcaffe.so.1.0.0", "--undefined-only") & symbols(
        libraries / IMAGE_LIBRARY, "--defined-only"
    )
    source = folder / "stand_in.c"
    source.write_text("".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in sorted(missing)))
    library = folder / "libraries" / IMAGE_LIBRARY
    library.parent.mkdir()
    subprocess.run(
        ["cc", "-shared", "-nostdlib", f"-Wl,-soname,{IMAGE_LIBRARY}", "-o", str(library), str(source)], check=True
    )
    return library


def symbols(library: Path, which: str) -> set[str]:
    """The dynamic symbols of a library, without versions; none where it is not there."""
    answer = subprocess.run(["nm", "-D", which, str(library)], capture_output=True, text=True, check=False)
    return {line.split()[-1].partition("@")[0] for line in answer.stdout.splitlines() if line.strip()}


def used_files(root: Path, stand_in: Path) -> set[Path]:
    """Files of the tree that are loaded when Caffe trains, and those that its record and its programs are."""
    environment = packaged_environment(root)
    python, tool = (with_folder(command, stand_in) for command in (environment.python, environment.tool or ()))
    worker = Path(__file__).resolve().parents[2] / "lrbench/engines/caffe/worker.py"
    traced = subprocess.run(
        environment.command((*python, "-c", TRACE, str(worker)), threads=1), check=True, capture_output=True, text=True
    ).stdout
    listed = subprocess.run([*tool[:-1], "--list", tool[-1]], check=True, capture_output=True, text=True).stdout
    names = [
        *json.loads(traced.splitlines()[-1]),
        tool[0],
        tool[-1],
        *(word for line in listed.splitlines() for word in line.split() if word.startswith("/")),
    ]
    standard = [path for part in ("", "encodings") for path in (root / "usr/lib/python3.9" / part).glob("*.py")]
    records = [
        root / MANIFEST,
        *(root / "usr/lib").glob("lrbench-*.json"),
        root / "usr/share/doc/caffe/changelog.Debian.gz",
    ]
    found = {Path(os.path.realpath(name)) for name in (*names, *standard, *records)}
    return {
        path
        for path in found
        if path.is_relative_to(root)
        and path.is_file()
        and path.suffix != ".pyc"
        and not path.name.startswith(("libcu", "libnv"))
    }


def with_folder(command: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """A command through the tree's loader that looks into ``folder`` first."""
    place = command.index("--library-path") + 1
    return (*command[:place], f"{folder}:{command[place]}", *command[place + 1 :])


def links_to(files: set[Path], root: Path) -> list[tuple[Path, str]]:
    """The tree's symbolic links that lead to any of the files or a folder of them, with relative targets."""
    folders = {parent for file in files for parent in file.parents}
    found = []
    for folder, subfolders, names in os.walk(root):
        for name in (*subfolders, *names):
            link = Path(folder, name)
            if link.is_symlink() and name != IMAGE_LIBRARY:
                target = Path(os.path.realpath(link))
                if target in files or (target in folders and target != root and target.is_relative_to(root)):
                    found.append((link, os.path.relpath(target, folder)))
    return found


def add_link(tar: tarfile.TarFile, name: Path, target: str) -> None:
    header = tarfile.TarInfo(str(name))
    header.type, header.linkname = tarfile.SYMTYPE, target
    tar.addfile(header)


def fetch_wheels(folder: Path, python: str) -> None:
    """Download LRBench's dependencies and theirs, in the versions installed here, for another Python."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            python,
            "--implementation",
            "cp",
            *abis,
            *platforms,
            "-d",
            str(folder),
            *installed_versions(REQUIREMENTS),
        ],
        check=True,
    )


def installed_versions(names: Iterable[str]) -> list[str]:
    """The distributions and all that they need, as name==version."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found or name in LEFT_OUT:
            continue
        distribution = metadata.distribution(name)
        found[name] = distribution.version
        needed = map(Requirement, distribution.requires or [])
        waiting += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def pack_data(file: Path) -> None:
    """The first images of MNIST as they are, and those of CIFAR-10 as JPEG, in one npz file."""
    arrays: dict[str, Any] = {}
    for name, counts in SLICES.items():
        read = find_data_set(name).read(Sources(data_folder(), home() / "downloads", allow_altered=True))
        for part, split, count in (("train", read.train, counts[0]), ("test", read.test, counts[1])):
            images = split.images[:count]
            arrays[f"{name}_{part}_labels"] = split.labels[:count].astype(np.uint8)
            arrays |= {f"{name}_{part}_images": images} if name == "mnist" else {f"{name}_{part}_jpeg": encoded(images)}
    np.savez_compressed(file, **arrays)
