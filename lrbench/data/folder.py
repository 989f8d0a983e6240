"""A user's own data set: LMDB folders, such as those that Caffe's ``convert_imageset`` makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrbench.data.arrays import Fingerprint
from lrbench.data.prepared import Prepared
from lrbench.data.store import read_mean, records
from lrbench.errors import DataError


@dataclass(frozen=True)
class _Survey:
    count: int
    shape: tuple[int, int, int]
    highest_label: int


def open_folder(train: Path, test: Path, mean: Path | None = None) -> Prepared:
    """The data set in two LMDB folders of ``Datum`` records with uint8 pixels or encoded image files.

    Nothing is written there.

    Every record is read once, for the number of classes (highest label + 1) and the fingerprint.

    Raises:
        DataError: a folder is no LMDB, is empty or damaged, or its records or the mean image do not fit.
    """
    digest = Fingerprint()
    first, second = _survey(train, digest), _survey(test, digest)
    if first.shape != second.shape:
        raise DataError(f"images are {_text(second.shape)}, those of {train} {_text(first.shape)}", where=str(test))
    if second.highest_label > first.highest_label:
        raise DataError(
            f"has the label {second.highest_label}, but {train} none above {first.highest_label}",
            where=str(test),
            remedy="use one numbering of the classes, from 0, for both",
        )
    mean_image = None if mean is None else read_mean(mean)
    if mean_image is not None and mean_image.shape != first.shape:
        raise DataError(f"is {_text(mean_image.shape)}, the images {_text(first.shape)}", where=str(mean))
    return Prepared(
        name=train.name,
        label=train.name,
        folder=train.parent,
        train=train,
        test=test,
        mean=mean,
        train_count=first.count,
        test_count=second.count,
        shape=first.shape,
        classes=first.highest_label + 1,
        sha256=digest.finish(mean_image),
    )


def find_lmdbs(folder: Path) -> tuple[Path, Path, Path | None]:
    """The LMDB folders of the training and of the test images, and the mean file, that lie in a folder, by their names.

    Raises:
        DataError: there is not one of each; a mean file may be missing.
    """
    found = sorted(path.parent for path in folder.glob("*/data.mdb"))
    train = [path for path in found if "train" in path.name.lower()]
    test = [path for path in found if path not in train and ("test" in path.name.lower() or "val" in path.name.lower())]
    if len(train) != 1 or len(test) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise DataError(
            f"should hold one LMDB with train in its name and one with test or val, but holds {there}",
            where=str(folder),
            remedy="rename them, or write both paths into the spec by hand",
        )
    means = sorted(folder.glob("*mean*.binaryproto"))
    return train[0], test[0], means[0] if len(means) == 1 else None


def _survey(folder: Path, digest: Fingerprint) -> _Survey:
    shape: tuple[int, int, int] | None = None
    highest = 0
    with records(folder) as (count, found):
        for index, datum in enumerate(found):
            here = (datum.channels, datum.height, datum.width)
            if shape is None:
                shape = here
                digest.begin(count, shape)
            if here != shape:
                raise DataError(
                    f"record {index} is {_text(here)}, the first {_text(shape)}",
                    where=str(folder),
                    remedy="make all images of one size, such as with convert_imageset -resize_height",
                )
            if datum.label < 0:
                raise DataError(
                    f"record {index} has the label {datum.label}", where=str(folder), remedy="number the classes from 0"
                )
            highest = max(highest, datum.label)
            digest.add(datum.label, datum.data)
    if shape is None:
        raise DataError("holds no records", where=str(folder))
    return _Survey(count, shape, highest)


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(str(length) for length in shape)
