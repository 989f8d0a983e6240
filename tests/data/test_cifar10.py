import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from lrbench.data import cifar10, load, prepare
from lrbench.data.store import read_mean
from lrbench.errors import DataError

RECORDS = 8
NAMES = list(cifar10.FILES)
SPLITS: dict[Literal["train", "test"], list[str]] = {"train": NAMES[:5], "test": NAMES[5:]}


def publish(monkeypatch, folder):
    """Let the files in this folder count as the published ones."""
    contents = {name: (folder / name).read_bytes() for name in NAMES}
    records = [np.frombuffer(content, np.uint8).reshape(-1, 3073) for content in contents.values()]
    labels = b"".join(record[:, 0].tobytes() for record in records)
    sums = np.concatenate(records)[:, 1:].reshape(-1, 3, 1024).sum(axis=(0, 2), dtype=np.int64)
    for name, value in (
        ("FILES", {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}),
        ("LABELS_SHA256", hashlib.sha256(labels).hexdigest()),
        ("PIXEL_SUMS", tuple(sums.tolist())),
    ):
        monkeypatch.setattr(cifar10, name, value)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with a small CIFAR-10, which counts as the published one."""
    generator = np.random.default_rng(2)
    folder = tmp_path / "files"
    folder.mkdir()
    for name in NAMES:
        records = generator.integers(0, 256, (RECORDS, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (folder / name).write_bytes(records.tobytes())
    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    monkeypatch.setattr(cifar10, "FILE_BYTES", RECORDS * 3073)
    publish(monkeypatch, folder)
    return folder


def raw(folder: Path, names: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    records = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(-1, 3073) for name in names])
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def spoil(path, position, value=None):
    content = bytearray(path.read_bytes())
    content[position] = (content[position] + 1) % 10 if value is None else value
    path.write_bytes(content)


def test_images_labels_and_mean_are_those_of_the_files_in_order(small, tmp_path):
    prepared = prepare("cifar10", tmp_path / "home", small)
    assert (prepared.label, prepared.train_count, prepared.test_count) == ("CIFAR-10", 5 * RECORDS, RECORDS)
    for split, names in SPLITS.items():
        images, labels = raw(small, names)
        np.testing.assert_array_equal(load(prepared, split).images, images)
        np.testing.assert_array_equal(load(prepared, split).labels, labels)
    assert prepared.mean is not None
    np.testing.assert_allclose(read_mean(prepared.mean), raw(small, NAMES[:5])[0].mean(axis=0), rtol=1e-7)


def test_padding_vanishes_with_the_mean_and_leaves_the_original_in_the_centre(small, tmp_path):
    prepared = prepare("cifar10_padded", tmp_path / "home", small)
    assert prepared.shape == (3, 40, 40)
    assert prepared.mean is not None
    mean, centre = read_mean(prepared.mean), np.s_[:, 4:36, 4:36]
    for split, names in SPLITS.items():
        images = load(prepared, split).images
        np.testing.assert_array_equal(images[(slice(None), *centre)], raw(small, names)[0])
        outside = images - mean
        outside[(slice(None), *centre)] = 0
        assert not outside.any()
    channels = raw(small, NAMES[:5])[0].mean(axis=(0, 2, 3))
    assert np.abs(mean[:, 0, 0] - channels).max() <= 0.5


def test_the_published_pixel_sums_agree_with_the_published_means():
    train, test = (0.49139968, 0.48215841, 0.44653091), (0.49421428, 0.48513139, 0.45040909)
    expected = [255 * 1024 * (50_000 * first + 10_000 * second) for first, second in zip(train, test, strict=True)]
    np.testing.assert_allclose(cifar10.PIXEL_SUMS, expected, rtol=2e-8)


@pytest.mark.parametrize(
    ("positions", "refusal", "label"),
    [
        ([1], "the labels are right, the pixels are not the published ones", "CIFAR-10 (other pixels than published)"),
        (
            [3073],
            "the pixels are right, the labels are not the published ones",
            "CIFAR-10 (other labels than published)",
        ),
        ([0, 1], "the pixels and labels are not the published", "CIFAR-10 (other pixels and labels than published)"),
    ],
)
def test_one_altered_byte_is_refused_unless_allowed_and_then_labelled(small, tmp_path, positions, refusal, label):
    for position in positions:
        spoil(small / "data_batch_3.bin", position)
    with pytest.raises(DataError, match=rf"files \(data_batch_3\.bin\): {refusal}") as refused:
        prepare("cifar10", tmp_path / "home", small)
    assert f"--allow-altered takes them, and reports then say {label!r}" in str(refused.value)
    prepared = prepare("cifar10", tmp_path / "home", small, allow_altered=True)
    assert prepared.label == label
    assert prepare("cifar10", tmp_path / "home").label == label


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: os.truncate(path, RECORDS * 3073 - 1), r"test_batch\.bin is cut short: 24583 of 24584 bytes"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), r"test_batch\.bin is too long"),
        (lambda path: spoil(path, 2 * 3073, 10), r"record 2 of test_batch\.bin has the label 10"),
        (lambda path: path.unlink(), r"has no test_batch\.bin beside"),
    ],
)
def test_malformed_files_are_refused_even_where_altered_ones_are_allowed(small, tmp_path, change, said):
    change(small / "test_batch.bin")
    with pytest.raises(DataError, match=said):
        prepare("cifar10", tmp_path / "home", small, allow_altered=True)


def pack(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = tarfile.SYMTYPE, str(content)
                archive.addfile(member)


@pytest.fixture
def members(small):
    return [(f"cifar-10-batches-bin/{name}", (small / name).read_bytes()) for name in NAMES]


def test_the_archive_gives_what_the_files_give_and_unpacks_nothing(small, members, tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    pack(folder / cifar10.ARCHIVE, [("../escaped.bin", b"x"), ("cifar-10-batches-bin/extra.bin", b"x"), *members])
    packed = prepare("cifar10", tmp_path / "home1", folder)
    assert packed.sha256 == prepare("cifar10", tmp_path / "home2", small).sha256
    assert [path.name for path in folder.iterdir()] == [cifar10.ARCHIVE]
    assert not (tmp_path / "escaped.bin").exists()


def test_a_link_in_the_archive_is_not_followed(small, members, tmp_path):
    pack(tmp_path / cifar10.ARCHIVE, [(members[0][0], small / NAMES[0]), *members[1:]])
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz: lacks data_batch_1\.bin"):
        prepare("cifar10", tmp_path / "home", tmp_path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.REGTYPE, "its member 'zeros' has 4294967296 bytes"),
        (tarfile.XHDTYPE, "it unpacks to more than 3000000 bytes"),
        (tarfile.GNUTYPE_LONGNAME, "it unpacks to more than 3000000 bytes"),
    ],
)
def test_a_member_far_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch, kind, said):
    monkeypatch.setattr(cifar10, "LARGEST_ARCHIVE", 3_000_000)
    member = tarfile.TarInfo("zeros")
    member.type, member.size = kind, 1 << 32
    with gzip.open(tmp_path / cifar10.ARCHIVE, "wb", compresslevel=1) as file:
        file.write(member.tobuf())
        for _ in range(20):  # of the 4 GiB as much as would be read by mistake
            file.write(bytes(1 << 20))
    with pytest.raises(DataError, match=f"cifar-10-binary.tar.gz: is no archive of CIFAR-10: {said}; copy or download"):
        prepare("cifar10", tmp_path / "home", tmp_path, allow_altered=True)


def test_an_archive_that_is_cut_short_is_refused(members, tmp_path):
    path = tmp_path / cifar10.ARCHIVE
    pack(path, members)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz: cannot be read, it may be cut short"):
        prepare("cifar10", tmp_path / "home", tmp_path, allow_altered=True)


def test_one_download_serves_both_forms(small, members, file_server, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    pack(site / cifar10.ARCHIVE, members)
    monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", hashlib.sha256((site / cifar10.ARCHIVE).read_bytes()).hexdigest())
    monkeypatch.setattr(cifar10, "URLS", (f"{file_server(site)}{cifar10.ARCHIVE}",))
    assert prepare("cifar10", tmp_path / "home").label == "CIFAR-10"
    (site / cifar10.ARCHIVE).unlink()
    assert prepare("cifar10_padded", tmp_path / "home").label == "CIFAR-10 padded to 40x40"


def test_real_labels_with_other_pixels_are_told_apart(jpeg, tmp_path):
    with pytest.raises(DataError, match="cifar-10-batches-bin: the labels are right, the pixels are not"):
        prepare("cifar10", tmp_path, jpeg.parent)
    assert not (tmp_path / "data" / "cifar10").exists()


def test_real_altered_images_are_taken_when_allowed(jpeg, tmp_path):
    prepared = prepare("cifar10", tmp_path, jpeg, allow_altered=True)
    assert prepared.label == "CIFAR-10 (other pixels than published)"
    assert (prepared.train_count, prepared.test_count, prepared.shape) == (50_000, 10_000, (3, 32, 32))
    images, labels = load(prepared, "train")
    np.testing.assert_array_equal(images, raw(jpeg, NAMES[:5])[0])
    np.testing.assert_array_equal(np.bincount(labels), [5000] * 10)
    published = 255 * np.array([0.49139968, 0.48215841, 0.44653091])
    assert prepared.mean is not None
    assert np.abs(read_mean(prepared.mean).mean(axis=(1, 2)) - published).max() < 0.1
