import gzip
import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest

from lrbench.data import Sources, load, mnist, prepare
from lrbench.errors import DataError

TRAIN, TEST = 12, 6


def idx(values):
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with a small MNIST, which counts as the published one."""
    generator = np.random.default_rng(1)
    folder = tmp_path / "files"
    folder.mkdir()
    files = []
    for file, count in zip(mnist.FILES, (TRAIN, TRAIN, TEST, TEST), strict=True):
        high = 256 if file.shape else 10
        content = idx(generator.integers(0, high, (count, *file.shape), dtype=np.uint8))
        (folder / file.name).write_bytes(content)
        files.append(replace(file, count=count, sha256=hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(mnist, "FILES", tuple(files))
    return folder


def images_in(path):
    return np.frombuffer(path.read_bytes(), np.uint8, offset=16).reshape(-1, 1, 28, 28)


def test_images_and_labels_come_in_file_order(small):
    arrays = mnist.read(Sources(small, small))
    assert arrays.label == "MNIST"
    np.testing.assert_array_equal(arrays.train.images, images_in(small / "train-images-idx3-ubyte"))
    np.testing.assert_array_equal(arrays.test.images, images_in(small / "t10k-images-idx3-ubyte"))
    assert bytes(arrays.test.labels.tolist()) == (small / "t10k-labels-idx1-ubyte").read_bytes()[8:]


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw"])
def test_files_are_found_in_subfolders_gzipped_and_under_dotted_names(small, tmp_path, place):
    folder = tmp_path / "root" / place
    folder.mkdir(parents=True)
    for file in mnist.FILES:
        content = (small / file.name).read_bytes()
        (folder / f"{file.name.replace('-idx', '.idx')}.gz").write_bytes(gzip.compress(content))
    assert len(mnist.read(Sources(tmp_path / "root", tmp_path)).train.images) == TRAIN


def test_a_missing_file_is_named(small):
    (small / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=f"{small}: has no t10k-labels-idx1-ubyte beside"):
        mnist.read(Sources(small, small))


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: is not a folder"):
        mnist.read(Sources(tmp_path / "nowhere", tmp_path))


def test_what_is_not_in_the_folder_is_downloaded_and_that_is_said(small, file_server, tmp_path, monkeypatch):
    for file in mnist.FILES:
        (small / f"{file.name}.gz").write_bytes(gzip.compress((small / file.name).read_bytes()))
    monkeypatch.setattr(mnist, "MIRRORS", (file_server(tmp_path / "nothing"), file_server(small)))
    told = []
    empty = tmp_path / "empty"
    empty.mkdir()
    prepared = prepare("mnist", tmp_path / "home", empty, progress=lambda *args: told.append(args))
    assert prepared.train_count == TRAIN
    assert told[0] == (0, 0, f"no MNIST files in {empty}, so they are downloaded")
    kept = sorted(path.name for path in (tmp_path / "home" / "downloads" / "mnist").glob("[!.]*"))
    assert kept == sorted(f"{file.name}.gz" for file in mnist.FILES)


def test_a_mirror_that_serves_other_digits_is_refused(small, file_server, tmp_path, monkeypatch):
    for file in mnist.FILES:
        content = (small / file.name).read_bytes()
        (small / f"{file.name}.gz").write_bytes(gzip.compress(content[:-1] + b"\x00"))
    monkeypatch.setattr(mnist, "MIRRORS", (file_server(small),))
    with pytest.raises(DataError, match=r"images-idx3-ubyte\.gz: could not be downloaded .*not the published file"):
        prepare("mnist", tmp_path / "home", allow_altered=True)


def spoil(path, change):
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("train-images-idx3-ubyte", lambda c: c[:-1], "train-images-idx3-ubyte: is cut short"),
        ("train-images-idx3-ubyte", lambda c: c[:10], "train-images-idx3-ubyte: is cut short: 10 of"),
        ("train-images-idx3-ubyte", lambda c: b"", "train-images-idx3-ubyte: is cut short: 0 of"),
        ("train-images-idx3-ubyte", lambda c: c + b"x", "train-images-idx3-ubyte: is too long"),
        ("train-images-idx3-ubyte", lambda c: b"PNG " + c[4:], "starts with 504e4720, not 00000803"),
        ("train-images-idx3-ubyte", lambda c: gzip.compress(c)[:-9], "train-images-idx3-ubyte: is cut short"),
        ("train-images-idx3-ubyte", lambda c: gzip.compress(c[:-1]), "train-images-idx3-ubyte: is cut short"),
        ("train-images-idx3-ubyte", lambda c: gzip.compress(c)[:-8] + bytes(8), "CRC check failed"),
        ("train-images-idx3-ubyte", lambda c: c[:4] + bytes([0, 0, 0, 7]) + c[8:], r"says it holds \(7, 28, 28\), not"),
        ("t10k-labels-idx1-ubyte", lambda c: c[:-1] + b"\x0a", "has the label 10, where labels are 0 to 9"),
    ],
)
def test_a_malformed_file_is_refused_even_where_altered_ones_are_allowed(small, name, change, said):
    spoil(small / name, change)
    with pytest.raises(DataError, match=said):
        mnist.read(Sources(small, small, allow_altered=True))


@pytest.mark.parametrize(
    ("names", "refusal", "label"),
    [
        (["t10k-images-idx3-ubyte"], "the labels are right, the pixels are not", "MNIST (other pixels than published)"),
        (["t10k-labels-idx1-ubyte"], "the pixels are right, the labels are not", "MNIST (other labels than published)"),
        (
            ["train-labels-idx1-ubyte", "train-images-idx3-ubyte"],
            "the pixels and labels are not",
            "MNIST (other pixels and labels than published)",
        ),
    ],
)
def test_one_altered_byte_is_refused_unless_allowed_and_then_labelled(small, names, refusal, label):
    for name in names:
        spoil(small / name, lambda c: c[:-1] + bytes([(c[-1] + 1) % 10]))
    with pytest.raises(DataError, match=refusal) as refused:
        mnist.read(Sources(small, small))
    assert names[-1] in str(refused.value)
    assert "--allow-altered takes them" in str(refused.value)
    assert mnist.read(Sources(small, small, allow_altered=True)).label == label


@pytest.fixture(scope="module")
def real(tmp_path_factory, real_data):
    return prepare("mnist", tmp_path_factory.mktemp("home"), real_data)


def test_real_mnist_is_prepared_with_the_fingerprint_it_has_everywhere(real):
    assert (real.label, real.train_count, real.test_count) == ("MNIST", 60000, 10000)
    assert (real.shape, real.classes, real.mean) == ((1, 28, 28), 10, None)
    assert real.sha256 == "55467a018e7e86694840bc43dacf87b081483ad29f1a33cadf185dceebb1d6fe"


@pytest.mark.parametrize(
    ("split", "stem", "md5"),
    [("train", "train", "6bbc9ace898e44ae57da46a324031adb"), ("test", "t10k", "2646ac647ad5339dbf082846283269ea")],
)
def test_real_mnist_reads_back_as_it_was_published(real, real_data, split, stem, md5):
    images, labels = load(real, split)
    header = bytes([0, 0, 8, 3, *len(images).to_bytes(4, "big"), 0, 0, 0, 28, 0, 0, 0, 28])
    assert hashlib.md5(header + images.tobytes()).hexdigest() == md5
    published = gzip.decompress((real_data / "mnist" / f"{stem}-labels-idx1-ubyte.gz").read_bytes())[8:]
    assert bytes(labels.tolist()) == published


def test_a_real_file_that_is_cut_short_is_named(tmp_path, real_data):
    for path in (real_data / "mnist").glob("*.gz"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spoil(tmp_path / "train-images-idx3-ubyte.gz", lambda c: c[: len(c) // 2])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: is cut short; copy or download it again"):
        prepare("mnist", tmp_path / "home", tmp_path)
    assert not (tmp_path / "home" / "data" / "mnist").exists()
