import os
import subprocess
import sys

import lmdb
import numpy as np
import pytest

from lrbench.data import Split
from lrbench.data.store import (
    copy_records,
    mean_bytes,
    read_mean,
    read_split,
    records,
    release_dead_readers,
    write_split,
)
from lrbench.errors import DataError
from lrbench.nets import caffe_pb2


@pytest.fixture
def split():
    generator = np.random.default_rng(4)
    return Split(generator.integers(0, 256, (2500, 2, 3, 5), dtype=np.uint8), generator.integers(0, 1000, 2500))


def put(folder, values):
    with lmdb.open(str(folder), map_size=1 << 20) as database, database.begin(write=True) as transaction:
        for index, value in enumerate(values):
            transaction.put(b"%08d" % index, value)


def datum(**fields):
    return caffe_pb2.Datum(**{"channels": 1, "height": 2, "width": 2, "data": b"abcd", **fields}).SerializeToString()


def test_what_is_written_is_read_back(split, tmp_path):
    done: list[int] = []
    write_split(tmp_path, split, done.append)
    assert done == [1000, 2000, 2500]
    found = read_split(tmp_path)
    np.testing.assert_array_equal(found.images, split.images)
    np.testing.assert_array_equal(found.labels, split.labels)


def test_the_records_are_what_caffe_expects(split, tmp_path):
    write_split(tmp_path, split, lambda _: None)
    with lmdb.open(str(tmp_path), readonly=True) as database, database.begin() as transaction:
        keys = [key for key, _ in transaction.cursor()]
        record = caffe_pb2.Datum.FromString(transaction.get(b"00001234") or b"")
    assert keys == [b"%08d" % index for index in range(2500)]
    assert (record.channels, record.height, record.width, record.label) == (2, 3, 5, split.labels[1234])
    assert record.data == split.images[1234].tobytes()


def test_reading_leaves_the_folder_as_it_is(split, tmp_path):
    write_split(tmp_path, split, lambda _: None)
    read_split(tmp_path)
    assert os.listdir(tmp_path) == ["data.mdb"]


def test_threads_that_read_at_the_same_time_share_what_is_open(split, tmp_path):
    """A process may open an LMDB once only, through whichever path."""
    stored, other, copied = (tmp_path / name for name in ("stored", "other", "copied"))
    for folder in (stored, other, copied):
        folder.mkdir()
    write_split(stored, split, lambda _: None)
    os.link(stored / "data.mdb", other / "data.mdb")
    with records(stored) as (count, found):
        assert next(found).label == split.labels[0]
        copy_records(stored, copied, np.arange(count)[::-1])
        np.testing.assert_array_equal(read_split(other).labels, split.labels)
        release_dead_readers(stored)
        assert next(found).label == split.labels[1]
    np.testing.assert_array_equal(read_split(copied).labels, split.labels[::-1])
    with lmdb.open(str(stored), readonly=True):
        pass  # it was closed after the last of them


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "holds no records"),
        ([datum(), b"\xff\xff"], "record 1 is not a Caffe Datum"),
        ([datum(), datum(encoded=True)], "record 1 is an encoded image file that cannot be decoded"),
        ([datum(data=b"abc")], "record 0 does not hold uint8 pixels of 1x2x2"),
        ([datum(data=b"", float_data=[1, 2, 3, 4])], "record 0 does not hold uint8 pixels"),
        ([datum(), datum(height=1, width=4)], r"record 1 is \(1, 1, 4\), the first \(1, 2, 2\)"),
    ],
)
def test_records_that_are_no_images_are_refused_with_their_number(values, said, tmp_path):
    put(tmp_path, values)
    with pytest.raises(DataError, match=f"^{tmp_path}: {said}"):
        read_split(tmp_path)


@pytest.mark.parametrize("left", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused_before_it_is_read(split, tmp_path, left):
    write_split(tmp_path, split, lambda _: None)
    path = tmp_path / "data.mdb"
    os.truncate(path, int(path.stat().st_size * left))
    with pytest.raises(DataError, match=r"data\.mdb is cut short: \d+ of \d+ bytes"):
        read_split(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 100_000], ids=["empty", "garbage"])
def test_a_file_that_is_no_lmdb_is_refused(content, tmp_path):
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match="is not a readable LMDB"):
        read_split(tmp_path)


def test_a_mean_image_is_read_back_in_both_of_caffes_forms(tmp_path):
    mean = np.random.default_rng(5).random((3, 2, 4), dtype=np.float32)
    (tmp_path / "old").write_bytes(mean_bytes(mean))
    values = mean.ravel().tolist()
    new = caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=[1, 3, 2, 4]), data=values)
    (tmp_path / "new").write_bytes(new.SerializeToString())
    for name in ("old", "new"):
        np.testing.assert_array_equal(read_mean(tmp_path / name), mean)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not a readable mean file: No such file"),
        (b"\xff\xff", "is not a readable mean file"),
        (b"", r"holds 0 values for the shape \(0, 0, 0\)"),
    ],
)
def test_a_file_without_a_mean_image_is_refused(content, said, tmp_path):
    if content is not None:
        (tmp_path / "mean").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_mean(tmp_path / "mean")


READER = """
import lmdb, os, sys
transaction = lmdb.open(sys.argv[1], readonly=True).begin()
print("reads", flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_the_places_of_killed_readers_are_free_again(split, tmp_path):
    """With 126 of them, all taken by processes that were killed while another read on, Caffe aborts."""
    write_split(tmp_path, split, lambda _: None)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reads\n"
    for reader in readers[1:]:
        reader.communicate()
    with lmdb.open(str(tmp_path), readonly=True) as database:
        assert {str(reader.pid) for reader in readers} <= set(database.readers().split())
    release_dead_readers(tmp_path)
    with lmdb.open(str(tmp_path), readonly=True) as database:
        assert {str(reader.pid) for reader in readers} & set(database.readers().split()) == {str(readers[0].pid)}
    readers[0].communicate()
