"""Set up what was packed on the machine with the GPU: in a folder of its own, beside whatever is installed there."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from gpu_check.places import DATA, TREE, WHEELS

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST = "lrbench-caffe.json"
FOREIGN = ("LRBENCH_CAFFE", "LRBENCH_DATA", "LRBENCH_DB", "PYTHONHOME")


def set_up(packed: Path, work: Path, toolkit: Path | None) -> dict[str, Any]:
    """Unpack everything under ``work`` and let this process and its children use it.

    Args:
        packed: the folder that ``pack`` wrote.
        work: an empty folder.
        toolkit: where to look for CUDA's libraries first.

    Returns:
        What was found, for the results.
    """
    home, site = work / "home", work / "site"
    for wheel in sorted((packed / WHEELS).glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    os.environ |= {
        "LRBENCH_HOME": str(home),
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{site}",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONUNBUFFERED": "1",
    }
    for name in FOREIGN:
        os.environ.pop(name, None)
    sys.path[:0] = [str(REPOSITORY), str(site)]
    found = unpack_tree(packed / TREE, home, toolkit)
    from gpu_check.images import prepare_slices

    prepare_slices(packed / DATA, home)
    return found | {"python": sys.version.split()[0], "cores": len(os.sched_getaffinity(0))}


def unpack_tree(archive: Path, home: Path, toolkit: Path | None) -> dict[str, Any]:
    """Unpack Caffe where LRBench looks for it, and name the folders of CUDA's libraries in its record."""
    partial = home / "caffe.partial"
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(partial, filter="tar")
    manifest = json.loads((partial / MANIFEST).read_text())
    cuda = manifest.get("cuda")
    if cuda is None:
        partial.rename(home / "caffe")
        return {"caffe": manifest["version"], "cuda": None}
    folders = cuda_folders(cuda["needs"], str(cuda["version"]).partition(".")[0], toolkit)
    cuda["libraries"] = sorted({str(folder) for folder in folders.values()})
    (partial / MANIFEST).write_text(json.dumps(manifest))
    partial.rename(home / "caffe-cuda")
    return {"caffe": manifest["version"], "cuda": cuda, "found": {name: str(path) for name, path in folders.items()}}


def cuda_folders(names: list[str], major: str, toolkit: Path | None) -> dict[str, Path]:
    """The folder of each of CUDA's run-time libraries, by the library's name; without those that are nowhere."""
    candidates = [toolkit, *(toolkit / name for name in ("lib", "lib64"))] if toolkit else []
    spec = importlib.util.find_spec("nvidia")
    for place in map(Path, (spec.submodule_search_locations or []) if spec else []):
        candidates += [place / f"cu{major}" / "lib", *sorted(place.glob("*/lib"))]
    roots = [os.environ.get("CUDA_HOME"), f"/usr/local/cuda-{major}", "/usr/local/cuda"]
    candidates += [Path(root) / name for root in roots if root for name in ("lib64", "targets/x86_64-linux/lib")]
    return {name: folder for name in names if (folder := next((c for c in candidates if (c / name).is_file()), None))}
