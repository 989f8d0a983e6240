"""The data sets by name: those of LRBench, and those that other packages bring.

Another package adds one by an entry point of the group ``lrbench.data_sets`` that names a ``DataSet``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import MappingProxyType

from lrbench.data import cifar10, digits, mnist
from lrbench.data.arrays import Arrays
from lrbench.data.sources import Sources
from lrbench.entry_points import entry_points, load
from lrbench.errors import DataError, did_you_mean

GROUP = "lrbench.data_sets"


@dataclass(frozen=True)
class DataSet:
    """Name and reader of a data set.

    Attributes:
        title: what reports call it when its files are the published ones.
        summary: what it is, in one line.
        read: finds or downloads the files, checks them and gives the arrays.
        shape: channels, height and width of its images, where that is known before they are read.
    """

    title: str
    summary: str
    read: Callable[[Sources], Arrays]
    shape: tuple[int, int, int] | None = None


DATA_SETS: Mapping[str, DataSet] = MappingProxyType(
    {
        "mnist": DataSet(mnist.TITLE, "handwritten digits, 60000 + 10000 images of 1x28x28", mnist.read, (1, 28, 28)),
        "cifar10": DataSet(
            cifar10.TITLE, "photographs in ten classes, 50000 + 10000 images of 3x32x32", cifar10.read, (3, 32, 32)
        ),
        "cifar10_padded": DataSet(
            cifar10.PADDED_TITLE,
            "CIFAR-10 as 3x40x40, for ResNet's random 32x32 crop",
            cifar10.read_padded,
            (3, 40, 40),
        ),
        "digits": DataSet(
            digits.TITLE, "scikit-learn's handwritten digits, 1297 + 500 images as 1x28x28", digits.read, (1, 28, 28)
        ),
    }
)


def data_set_names() -> list[str]:
    """Every known name; nothing of another package is loaded for it."""
    return [*DATA_SETS, *(name for name in _others() if name not in DATA_SETS)]


def find_data_set(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        DataError: there is none, or the package that brings it cannot be loaded.
    """
    if name in DATA_SETS:
        return DATA_SETS[name]
    other = _others().get(name)
    if other is None:
        known = data_set_names()
        raise DataError(
            f"no data set is called {name!r}", remedy=did_you_mean(name, known) or f"known are {', '.join(known)}"
        )
    found = load(other, DataError)
    if not isinstance(found, DataSet):
        raise DataError(f"{other.value} is not an lrbench.data.DataSet", where=f"data set {name}")
    return found


def _others() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
