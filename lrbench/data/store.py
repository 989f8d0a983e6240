"""A split as LMDB, the form that Caffe's Data layer reads: a folder of serialized ``Datum`` records in key order."""

from __future__ import annotations

import io
import mmap
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from lrbench.data.arrays import Mean, Split
from lrbench.errors import DataError
from lrbench.nets import caffe_pb2
from lrbench.storage import read_regular, reason

RECORDS_A_TRANSACTION = 1000
DECODED_MODES = ("L", "RGB")
"""Pillow's names of the kinds of images that encoded records may hold."""


@dataclass
class _Reading:
    """An LMDB that is open to read, and the number of those that read it."""

    database: Any
    users: int = 0


_readings: dict[tuple[int, int], _Reading] = {}
"""The LMDBs that are open to read, by device and inode: a process may open each only once, whichever its path."""
_opening = threading.Lock()


@contextmanager
def _reading(folder: Path) -> Iterator[Any]:
    """An LMDB folder that is open to read, without locks; threads that read it at the same time share it."""
    with _opening:
        file = (folder / "data.mdb").stat()
        key = file.st_dev, file.st_ino
        if key not in _readings:
            _readings[key] = _Reading(lmdb.open(str(folder), readonly=True, lock=False, create=False, readahead=False))
        shared = _readings[key]
        shared.users += 1
    try:
        yield shared.database
    finally:
        with _opening:
            shared.users -= 1
            if not shared.users:
                del _readings[key]
                shared.database.close()


def write_split(folder: Path, split: Split, done: Callable[[int], None]) -> None:
    """Write the images in order under the keys 00000000, 00000001, ... and wait until they are on the disk.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    count, page = len(split.images), mmap.PAGESIZE
    record: int = split.images[0].nbytes + 128
    ample = 2 * count * (record // page + 2) * page + (1 << 24)  # a bound on address space, not on the disk
    try:
        # No lock file: nobody else knows the folder yet, and to write one on a full disk would be fatal (SIGBUS).
        with lmdb.open(str(folder), map_size=ample, lock=False, sync=False, metasync=False) as database:
            for start in range(0, count, RECORDS_A_TRANSACTION):
                stop = min(start + RECORDS_A_TRANSACTION, count)
                with database.begin(write=True) as transaction:
                    for index in range(start, stop):
                        transaction.put(b"%08d" % index, _datum(split, index), append=True)
                done(stop)
            database.sync(True)
    except (lmdb.Error, OSError) as error:
        raise _unwritable(folder, error) from error


def release_dead_readers(folder: Path) -> None:
    """Free the places of killed processes in an LMDB's table of readers.

    The table has 126 places. It is emptied when nobody has the LMDB open, which may be late where runs overlap; once it
    is full, Caffe aborts. A folder whose lock file cannot be written, or that this process reads now, keeps its table.
    """
    with (
        suppress(lmdb.Error),
        _opening,
        lmdb.open(str(folder), readonly=True, create=False, readahead=False) as database,
    ):
        database.reader_check()


def copy_records(source: Path, folder: Path, order: NDArray[np.int64]) -> None:
    """Write the records of an LMDB as they are into an empty folder, in another order, and wait until they are on disk.

    Args:
        order: element s is the index of the record that is written as number s.

    Raises:
        DataError: the source is no LMDB, or the folder cannot be written.
    """
    with records(source) as (_, _):
        pass  # its size is checked: reading beyond the end of the file would kill the process
    ample = 2 * (source / "data.mdb").stat().st_size + (1 << 24)
    try:
        with (
            _reading(source) as stored,
            lmdb.open(str(folder), map_size=ample, lock=False, sync=False, metasync=False) as database,
            stored.begin(buffers=True) as reading,
        ):
            keys = [bytes(key) for key in reading.cursor().iternext(values=False)]
            for start in range(0, len(order), RECORDS_A_TRANSACTION):
                with database.begin(write=True) as transaction:
                    for place, index in enumerate(order[start : start + RECORDS_A_TRANSACTION].tolist(), start=start):
                        transaction.put(b"%08d" % place, reading.get(keys[index], b""), append=True)
            database.sync(True)
    except (lmdb.Error, OSError) as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: Exception) -> DataError:
    free = shutil.disk_usage(folder.parent).free // 1_000_000  # LMDB calls a full disk an input/output error
    return DataError(
        f"cannot be written: {reason(error)} ({free} MB are free there)",
        where=str(folder),
        remedy="free some space or choose another place with LRBENCH_HOME",
    )


def _datum(split: Split, index: int) -> bytes:
    channels, height, width = split.shape
    return caffe_pb2.Datum(
        channels=channels,
        height=height,
        width=width,
        data=split.images[index].tobytes(),
        label=int(split.labels[index]),
    ).SerializeToString()


@contextmanager
def records(folder: Path) -> Iterator[tuple[int, Iterator[caffe_pb2.Datum]]]:
    """The number of records of an LMDB folder, and the records in the order in which Caffe reads them.

    Nothing is written there, not even a lock file.

    Raises:
        DataError: the folder holds no LMDB, or one that is cut short or malformed.
    """
    if not (folder / "data.mdb").is_file():
        raise DataError(
            "holds no data.mdb",
            where=str(folder),
            remedy="make an LMDB there (LevelDB is not read), such as with convert_imageset -backend lmdb",
        )
    try:
        with _reading(folder) as database:
            # Reading a page beyond the end of the file would kill the process (SIGBUS), so the size is checked first.
            expected = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
            found = (folder / "data.mdb").stat().st_size
            if found < expected:
                text = f"data.mdb is cut short: {found} of {expected} bytes"
                raise DataError(text, where=str(folder), remedy="make or copy it again")
            with database.begin() as transaction:
                yield transaction.stat()["entries"], _parsed(transaction, folder)
    except (lmdb.Error, OSError) as error:
        raise DataError(f"is not a readable LMDB: {error}", where=str(folder), remedy="make it again") from error


def _parsed(transaction: Any, folder: Path) -> Iterator[caffe_pb2.Datum]:
    for index, (_, value) in enumerate(transaction.cursor()):
        datum = caffe_pb2.Datum()
        try:
            datum.ParseFromString(value)
        except DecodeError:
            raise DataError(f"record {index} is not a Caffe Datum", where=str(folder)) from None
        if datum.encoded:
            _decode(datum, f"record {index}", folder)
        if len(datum.data) != datum.channels * datum.height * datum.width or not datum.data:
            shape = f"{datum.channels}x{datum.height}x{datum.width}"
            raise DataError(f"record {index} does not hold uint8 pixels of {shape}", where=str(folder))
        yield datum


def _decode(datum: caffe_pb2.Datum, name: str, folder: Path) -> None:
    """Put the pixels of an image file in its place, channels in the order blue, green, red, as OpenCV has them.

    Raises:
        DataError: it is no image file, or not one of 8-bit grey or colour pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(datum.data)) as image:
            if image.mode not in DECODED_MODES:
                raise DataError(
                    f"{name} is an image file of mode {image.mode}, not of grey or RGB pixels of 8 bits",
                    where=str(folder),
                    remedy="convert the images to one of these first",
                )
            pixels = np.asarray(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{name} is an encoded image file that cannot be decoded: {error}",
            where=str(folder),
            remedy="make the LMDB again",
        ) from error
    planes = pixels[None] if pixels.ndim == 2 else pixels[:, :, ::-1].transpose(2, 0, 1)
    datum.channels, datum.height, datum.width = planes.shape
    datum.data, datum.encoded = planes.tobytes(), False


def read_split(folder: Path) -> Split:
    """The images and labels of an LMDB folder.

    Raises:
        DataError: it is no LMDB, or its records are not uint8 images of one shape.
    """
    with records(folder) as (count, found):
        images, labels = None, np.empty(count, np.int64)
        for index, datum in enumerate(found):
            shape = (datum.channels, datum.height, datum.width)
            if images is None:
                images = np.empty((count, *shape), np.uint8)
            if images.shape[1:] != shape:
                raise DataError(f"record {index} is {shape}, the first {images.shape[1:]}", where=str(folder))
            images[index] = np.frombuffer(datum.data, np.uint8).reshape(shape)
            labels[index] = datum.label
    if images is None:
        raise DataError("holds no records", where=str(folder))
    return Split(images, labels)


def mean_bytes(mean: Mean) -> bytes:
    """The mean image as the serialized ``BlobProto`` that Caffe's ``mean_file`` names (legacy dimensions, num 1)."""
    channels, height, width = mean.shape
    return caffe_pb2.BlobProto(
        num=1, channels=channels, height=height, width=width, data=mean.ravel().tolist()
    ).SerializeToString()


def read_mean(path: Path) -> Mean:
    """A mean image, shape (channels, height, width), from a ``BlobProto`` file.

    Raises:
        DataError: the file is absent or holds no image.
    """
    blob = caffe_pb2.BlobProto()
    try:
        blob.ParseFromString(read_regular(path))
    except (OSError, DecodeError) as error:
        raise DataError(f"is not a readable mean file: {reason(error)}", where=str(path)) from error
    shape = tuple(blob.shape.dim)[-3:] if blob.HasField("shape") else (blob.channels, blob.height, blob.width)
    if len(shape) != 3 or not blob.data or len(blob.data) != int(np.prod(shape)):
        raise DataError(f"holds {len(blob.data)} values for the shape {shape}", where=str(path))
    return np.array(blob.data, np.float32).reshape(shape)
