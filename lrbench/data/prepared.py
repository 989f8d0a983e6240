"""A prepared data set: two LMDB folders, a mean image where nets want one, and a manifest that says what they hold.

The layout of its folder::

    <home>/data/<name>/
      train_lmdb/data.mdb  test_lmdb/data.mdb  mean.binaryproto
      manifest.json        written last; without it nothing counts as prepared
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lrbench.data.arrays import Split
from lrbench.data.registry import find_data_set
from lrbench.data.store import read_split
from lrbench.errors import DataError
from lrbench.storage import file_sha256, read_regular, write_durably

SCHEMA = 1
MANIFEST, TRAIN, TEST, MEAN = "manifest.json", "train_lmdb", "test_lmdb", "mean.binaryproto"


@dataclass(frozen=True)
class Prepared:
    """Description of a prepared data set for training.

    Attributes:
        name: the data set's name, or that of the training folder where the user brought his own.
        label: what reports call it, such as "MNIST" or "CIFAR-10 (other pixels than published)".
        folder: the folder that holds it all.
        train: LMDB folder of the training images.
        test: LMDB folder of the test images.
        mean: the training mean image as a ``BlobProto`` file, for Caffe's ``mean_file``.
        shape: (channels, height, width).
        sha256: fingerprint of the pixels, labels and mean in order (see ``Fingerprint``), the same on every machine.
    """

    name: str
    label: str
    folder: Path
    train: Path
    test: Path
    mean: Path | None
    train_count: int
    test_count: int
    shape: tuple[int, int, int]
    classes: int
    sha256: str


def load(prepared: Prepared, split: Literal["train", "test"]) -> Split:
    """The images, uint8 of shape (N, channels, height, width), and the labels of one split, read back from its LMDB.

    Raises:
        DataError: the LMDB is gone or damaged.
    """
    return read_split(prepared.train if split == "train" else prepared.test)


def prepared_folder(name: str, home: Path) -> Path:
    """Folder in which the data set of that name is prepared."""
    return home / "data" / name


def find_prepared(name: str, home: Path) -> Prepared | None:
    """The data set where it is prepared, else None. Of its files only the size is looked at: see ``verify_prepared``.

    Raises:
        DataError: the name is unknown, the manifest is damaged, or a file is missing or of another size.
    """
    find_data_set(name)
    return read_prepared(name, prepared_folder(name, home))


def read_prepared(name: str, folder: Path) -> Prepared | None:
    """Return the data set prepared in that folder under that name, else None; checked as by ``find_prepared``.

    Raises:
        DataError: the manifest is damaged, or a file is missing or of another size.
    """
    manifest = _manifest(folder)
    if manifest is None:
        return None
    try:
        prepared = _described(name, folder, manifest)
        _check_sizes(prepared, manifest["files"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder, name, f"{MANIFEST} lacks or misstates {error}") from error
    return prepared


def _described(name: str, folder: Path, manifest: dict[str, Any]) -> Prepared:
    channels, height, width = (int(length) for length in manifest["shape"])
    return Prepared(
        name=name,
        label=str(manifest["label"]),
        folder=folder,
        train=folder / TRAIN,
        test=folder / TEST,
        mean=folder / MEAN if MEAN in manifest["files"] else None,
        train_count=int(manifest["train_count"]),
        test_count=int(manifest["test_count"]),
        shape=(channels, height, width),
        classes=int(manifest["classes"]),
        sha256=str(manifest["sha256"]),
    )


def _check_sizes(prepared: Prepared, files: dict[str, Any]) -> None:
    """Compare each file's size with the manifest's: Caffe dies of a file that is cut short, without a word."""
    for file in _files(prepared):
        size = int(files[file]["bytes"])
        path = prepared.folder / file
        if not path.is_file():
            raise _damaged(prepared.folder, prepared.name, f"{file} is missing")
        if path.stat().st_size != size:
            raise _damaged(prepared.folder, prepared.name, f"{file} has {path.stat().st_size} bytes, not {size}")


def _files(prepared: Prepared) -> list[str]:
    return [f"{TRAIN}/data.mdb", f"{TEST}/data.mdb", *([MEAN] if prepared.mean else [])]


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads(read_regular(folder / MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _damaged(folder, folder.name, f"{MANIFEST} cannot be read") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise _damaged(folder, folder.name, f"{MANIFEST} is not of this version of LRBench")
    return manifest


def verify_prepared(prepared: Prepared) -> None:
    """Compare every file with its size and SHA-256 in the manifest.

    Raises:
        DataError: the manifest or a file is missing, cut short or altered.
    """
    manifest = _manifest(prepared.folder)
    if manifest is None:
        raise _damaged(prepared.folder, prepared.name, f"{MANIFEST} is missing")
    try:
        _check_sizes(prepared, manifest["files"])
        expected = {file: str(manifest["files"][file]["sha256"]) for file in _files(prepared)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(prepared.folder, prepared.name, f"{MANIFEST} lacks or misstates {error}") from error
    for file, sha256 in expected.items():
        if file_sha256(prepared.folder / file) != sha256:
            raise _damaged(prepared.folder, prepared.name, f"{file} was altered")


def _damaged(folder: Path, name: str, what: str) -> DataError:
    return DataError(what, where=str(folder), remedy=f"make it anew with: lrbench data prepare {name}")


def find_intact(name: str, home: Path) -> Prepared | None:
    """The data set where it is prepared and every file is as it was written, else None.

    Raises:
        DataError: the name is unknown, or what is prepared is damaged.
    """
    find_data_set(name)
    return read_intact(name, prepared_folder(name, home))


def read_intact(name: str, folder: Path) -> Prepared | None:
    """Return the data set prepared in that folder if no file has changed since, else None.

    Raises:
        DataError: what is prepared is damaged.
    """
    prepared = read_prepared(name, folder)
    if prepared is not None:
        verify_prepared(prepared)
    return prepared


def write_manifest(prepared: Prepared) -> None:
    """Say what the folder holds, after everything else in it is on the disk."""
    facts = {key: value for key, value in asdict(prepared).items() if key not in ("folder", "train", "test", "mean")}
    manifest = {
        "schema": SCHEMA,
        **facts,
        "files": {
            file: {"bytes": (prepared.folder / file).stat().st_size, "sha256": file_sha256(prepared.folder / file)}
            for file in _files(prepared)
        },
    }
    write_durably(prepared.folder / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
