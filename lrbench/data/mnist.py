"""MNIST: four files in the idx format, plain or gzipped."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lrbench.data.arrays import Arrays, Split
from lrbench.data.sources import Differences, RemoteFile, Sources, download
from lrbench.errors import DataError
from lrbench.storage import reason

TITLE = "MNIST"
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
SUBFOLDERS = ("mnist", "MNIST/raw", "MNIST", "raw")
CUT_SHORT = "copy or download it again"


@dataclass(frozen=True)
class IdxFile:
    """One of the four files: its name, its count, the shape of one item, and the SHA-256 of its plain content."""

    name: str
    count: int
    shape: tuple[int, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Bytes of the plain file: magic number, one number for each dimension, one byte for each value."""
        return 4 * (2 + len(self.shape)) + self.count * int(np.prod(self.shape))

    @property
    def names(self) -> tuple[str, ...]:
        """The names it goes by; some copies of MNIST have a dot before ``idx``."""
        dotted = self.name.replace("-idx", ".idx")
        return self.name, f"{self.name}.gz", dotted, f"{dotted}.gz"


FILES = (
    IdxFile(
        "train-images-idx3-ubyte", 60_000, (28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    IdxFile("train-labels-idx1-ubyte", 60_000, (), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    IdxFile(
        "t10k-images-idx3-ubyte", 10_000, (28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    IdxFile("t10k-labels-idx1-ubyte", 10_000, (), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)


def read(sources: Sources) -> Arrays:
    """60000 training and 10000 test images of 1x28x28.

    Source: Y. LeCun, C. Cortes, C. Burges. The checksums are those of the plain files, since the gzip wrappers
    differ from mirror to mirror.

    Raises:
        DataError: a file is missing, cut short, malformed or altered, or none could be downloaded.
    """
    paths = sources.find(SUBFOLDERS, [file.names for file in FILES]) or _download(sources)
    contents = [plain_content(path, file.size) for path, file in zip(paths, FILES, strict=True)]
    differ = [hashlib.sha256(content).hexdigest() != file.sha256 for content, file in zip(contents, FILES, strict=True)]
    values = [parse_idx(content, file, path) for content, file, path in zip(contents, FILES, paths, strict=True)]
    altered = ", ".join(path.name for path, differs in zip(paths, differ, strict=True) if differs)
    differences = Differences(pixels=differ[0] or differ[2], labels=differ[1] or differ[3])
    label = differences.judge(TITLE, f"{paths[0].parent} ({altered})", allow_altered=sources.allow_altered)
    train, test = (
        Split(images[:, np.newaxis], labels.astype(np.int64))
        for images, labels in ((values[0], values[1]), (values[2], values[3]))
    )
    return Arrays(label, train, test, classes=10)


def _download(sources: Sources) -> list[Path]:
    if sources.folder is not None:
        sources.tell(f"no {TITLE} files in {sources.folder}, so they are downloaded")
    found = []
    for file in FILES:
        urls = tuple(f"{mirror}{file.name}.gz" for mirror in MIRRORS)
        remote = RemoteFile(f"{file.name}.gz", urls, partial(_intact, file))
        found.append(download(remote, sources.downloads / "mnist", sources.progress))
    return found


def _intact(file: IdxFile, path: Path) -> bool:
    try:
        return hashlib.sha256(plain_content(path, file.size)).hexdigest() == file.sha256
    except DataError:
        return False


def plain_content(path: Path, size: int) -> bytes:
    """The content of a plain or gzipped file, never more than one byte beyond ``size``.

    Raises:
        DataError: the file cannot be read, or its compressed content is cut short or damaged.
    """
    try:
        with path.open("rb") as stream:
            zipped = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
            content = stream.read(size)
            return content + stream.read(1)
    except EOFError:
        raise DataError("is cut short", where=str(path), remedy=CUT_SHORT) from None
    except (OSError, zlib.error) as error:
        raise DataError(f"cannot be read: {reason(error)}", where=str(path), remedy=CUT_SHORT) from error


def parse_idx(content: bytes, file: IdxFile, path: Path) -> np.ndarray:
    """The values of an idx file, shape (count, *shape).

    The format: two zero bytes, the type (8 for uint8), the number of dimensions; then the dimensions as 4-byte
    big-endian numbers; then the values in row-major order.

    Raises:
        DataError: another magic number, count, shape or size than the file must have.
    """
    dimensions = (file.count, *file.shape)
    header = struct.pack(f">{1 + len(dimensions)}I", 0x800 + len(dimensions), *dimensions)
    if len(content) < len(header):
        raise DataError(f"is cut short: {len(content)} of {file.size} bytes", where=str(path), remedy=CUT_SHORT)
    if content[:4] != header[:4]:
        raise DataError(
            f"is no idx file of this kind: it starts with {content[:4].hex()}, not {header[:4].hex()}",
            where=str(path),
            remedy=CUT_SHORT,
        )
    if content[: len(header)] != header:
        found = struct.unpack(f">{len(dimensions)}I", content[4 : len(header)])
        raise DataError(f"says it holds {found}, not {dimensions} values", where=str(path), remedy=CUT_SHORT)
    if len(content) != file.size:
        state = "is cut short" if len(content) < file.size else "is too long"
        raise DataError(f"{state}: it should have {file.size} bytes", where=str(path), remedy=CUT_SHORT)
    values = np.frombuffer(content, np.uint8, offset=len(header)).reshape(dimensions)
    if not file.shape and values.max() > 9:
        raise DataError(f"has the label {values.max()}, where labels are 0 to 9", where=str(path), remedy=CUT_SHORT)
    return values
