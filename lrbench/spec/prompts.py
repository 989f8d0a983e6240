"""Answers to the prompts of ``lrbench init``, each checked when it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from lrbench.data import Prepared, data_set_names, find_data_set, find_lmdbs, find_prepared, open_folder
from lrbench.errors import DataError, NetError, UsageError, did_you_mean
from lrbench.limits import MOST_ITERATIONS
from lrbench.nets import (
    NetParameter,
    NetParts,
    check_images,
    check_net,
    find_net,
    read_net,
    refuse_stochastic_pooling,
)
from lrbench.spec.solver_types import SOLVER_TYPES, SolverType
from lrbench.spec.starter_spec import FEWEST_ITERATIONS, TEST_BATCH
from lrbench.spec.workload import MOST_SUGGESTED_BATCH, check_classes, fitting_batch


@dataclass(frozen=True)
class NetAnswer:
    """A net that can be trained: as it was named, where it lies, what it is, and its parts."""

    named: str
    path: Path
    net: NetParameter
    parts: NetParts

    def written(self, folder: Path) -> str:
        """Return the net's name in a spec in that folder."""
        return self.named if self.named == self.path.stem else _from(folder, self.path)


@dataclass(frozen=True)
class DataAnswer:
    """A data set, by name or in LMDB folders; ``prepared`` is None where it has to be prepared first."""

    name: str | None
    prepared: Prepared | None

    @property
    def stem(self) -> str:
        """Stem of the name of a file about the data set."""
        return self.name or (self.prepared.folder.resolve().name if self.prepared is not None else "") or "data"

    def written(self, folder: Path) -> str | Mapping[str, str]:
        """Return the data set's name or paths in a spec in that folder."""
        if self.name is not None or self.prepared is None:
            return str(self.name)
        paths = {"train": self.prepared.train, "test": self.prepared.test, "mean": self.prepared.mean}
        return {key: _from(folder, path) for key, path in paths.items() if path is not None}


def read_net_answer(text: str) -> NetAnswer:
    """Read one of LRBench's nets by name, or a prototxt file; raise NetError unless it can be trained on a CPU."""
    path = find_net(text, Path())
    net = read_net(path)
    parts = check_net(net, str(path))
    refuse_stochastic_pooling(net, str(path))
    return NetAnswer(text, path, net, parts)


def read_data_answer(text: str, home: Path, net: NetAnswer) -> DataAnswer:
    """A data set by name, or a folder with LMDBs, which is read whole; it has to fit the net as far as is known.

    Raises:
        UsageError: there is no such data set or folder, it is damaged, or the net does not fit it.
    """
    folder = Path(text).expanduser()
    if text in data_set_names() or not folder.is_dir():
        try:
            shape = find_data_set(text).shape
        except DataError as error:
            remedy = f"{error.remedy} (for a folder of your own, give its path)"
            raise DataError(error.message, where=error.where, remedy=remedy) from None
        answer = DataAnswer(text, find_prepared(text, home))
    else:
        answer, shape = DataAnswer(None, open_folder(*find_lmdbs(folder))), None
    if answer.prepared is not None:
        shape = answer.prepared.shape
    if shape is not None:
        check_images(net.net, shape, str(net.path))
    if answer.prepared is not None:
        check_classes(net.parts.classes, net.path, answer.prepared)
        if net.parts.wants_mean and answer.prepared.mean is None:
            raise NetError(
                "subtracts a mean_file, but the data set has none",
                where=str(net.path),
                remedy="put mean.binaryproto beside the LMDB folders, or use mean_value in the net",
            )
    return answer


def check_batch_size(size: int, data: Prepared | None) -> int:
    """Return the size; raise UsageError if it is below 1 or above the number of training images."""
    if size < 1:
        raise UsageError(f"the batch size is {size}, but must be at least 1")
    if data is not None and size > data.train_count:
        raise UsageError(
            f"the batch size is {size}, but {data.label} has {data.train_count} training images",
            remedy=f"give {data.train_count} or less",
        )
    return size


def check_test_count(data: Prepared) -> int:
    """Return a test batch near 100 that divides the test set; raise DataError if only very small ones do."""
    fitting = fitting_batch(data.test_count, TEST_BATCH)
    if fitting is None:
        raise DataError(
            f"{data.label} has {data.test_count} test images, which no test batch of {TEST_BATCH // 10} to "
            f"{MOST_SUGGESTED_BATCH} divides",
            remedy=f"leave out {data.test_count % TEST_BATCH} of them, for batches of {TEST_BATCH}",
        )
    return fitting


def check_iterations(number: int) -> int:
    """Return the number of iterations; raise UsageError unless the runs of a first spec can have as many."""
    if not FEWEST_ITERATIONS <= number <= MOST_ITERATIONS:
        raise UsageError(f"a run has {FEWEST_ITERATIONS} to {MOST_ITERATIONS:,} iterations here, not {number:,}")
    return number


def check_solver(name: str) -> SolverType:
    """Return the solver type of that name, whatever its case; raise UsageError if there is none."""
    for known in SOLVER_TYPES:
        if known.lower() == name.lower():
            return known
    raise UsageError(
        f"there is no solver {name!r}",
        remedy=did_you_mean(name, SOLVER_TYPES) or f"there are {', '.join(SOLVER_TYPES)}",
    )


def _from(folder: Path, path: Path) -> str:
    """Return the path as a spec in that folder writes it: from there, with a ``./`` that marks a path."""
    if path.is_absolute():
        return str(path)
    text = relpath(path.absolute(), folder.absolute())
    return text if text.startswith(".") else f"./{text}"
