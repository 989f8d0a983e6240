"""The workload: what every run of an experiment shares but its solver, seed and policy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.data import Prepared, find_data_set
from lrbench.errors import SpecError
from lrbench.nets import check_net, find_net, net_sha256, read_net
from lrbench.nets.caffe_pb2 import NetParameter
from lrbench.spec.document import Document
from lrbench.spec.model import DataFolders, WorkloadSettings

MOST_SUGGESTED_BATCH = 1000


@dataclass(frozen=True)
class Workload:
    """Net, data set, sizes and intervals.

    Attributes:
        outputs: the net's outputs for each sample, or None where it takes running the net to know.
        dataset: the name of a data set, or folders with absolute paths.
    """

    net: NetParameter
    net_name: str
    net_path: Path
    net_sha256: str
    outputs: int | None
    dataset: str | DataFolders
    batch_size: int
    test_batch_size: int
    iterations: int
    test_interval: int
    display_interval: int

    def describe(self, data: Prepared) -> dict[str, Any]:
        """For run.json."""
        return {
            "net": {"name": self.net_name, "sha256": self.net_sha256},
            "dataset": {"name": data.name, "sha256": data.sha256, "label": data.label},
            "batch_size": self.batch_size,
            "test_batch_size": self.test_batch_size,
            "iterations": self.iterations,
            "test_interval": self.test_interval,
            "display_interval": self.display_interval,
        }

    def check_test_set(self, data: Prepared) -> None:
        """Raise SpecError for a test set of no whole number of batches: part would be measured twice or never."""
        if data.test_count % self.test_batch_size == 0:
            return
        nearest = fitting_batch(data.test_count, self.test_batch_size)
        remedy = f"set workload.test_batch_size, to {nearest} for instance"
        if nearest is None:
            remedy = f"leave out {data.test_count % self.test_batch_size} of them"
        raise SpecError(
            f"the test set of {data.label} has {data.test_count} samples, which is not a multiple of the test batch "
            f"of {self.test_batch_size}",
            remedy=remedy,
        )


def check_classes(outputs: int | None, net: Path, data: Prepared) -> None:
    """Raise SpecError for labels that the net has no output for: Caffe would read beyond its memory."""
    if outputs is not None and outputs < data.classes:
        raise SpecError(
            f"{net} has {outputs} outputs, but {data.label} has {data.classes} classes",
            remedy=f"set num_output of the layer before the loss to {data.classes}",
        )


def fitting_batch(samples: int, wanted: int) -> int | None:
    """The size nearest to ``wanted``, as a ratio, of which so many samples are whole batches; at most 1000.

    None where only sizes below a tenth of ``wanted`` are, as for a prime number of samples above 1000: evaluations in
    such batches would be slow.
    """
    sizes = (size for size in range(1, min(samples, MOST_SUGGESTED_BATCH) + 1) if samples % size == 0)
    best = min(sizes, key=lambda size: abs(math.log(size / wanted)))
    return best if best >= min(samples, wanted / 10) else None


def read_workload(settings: WorkloadSettings, document: Document, base: Path) -> Workload:
    """Find and check what the settings name; paths are relative to ``base``.

    Raises:
        UsageError: there is no such net or data set, or the net is not fit; with the spec's line.
    """
    with document.placing("workload", "net"):
        path = find_net(settings.net, base)
        net = read_net(path)
        parts = check_net(net, str(path))
    dataset = settings.dataset
    if isinstance(dataset, DataFolders):
        given = dataset.model_dump(exclude_none=True)
        dataset = DataFolders(**{key: str(base / folder) for key, folder in given.items()})
    else:
        with document.placing("workload", "dataset"):
            find_data_set(dataset)
    return Workload(
        net=net,
        net_name=path.stem,
        net_path=path,
        net_sha256=net_sha256(net),
        outputs=parts.classes,
        dataset=dataset,
        batch_size=settings.batch_size,
        test_batch_size=settings.test_batch_size or settings.batch_size,
        iterations=settings.iterations,
        test_interval=settings.test_interval,
        display_interval=settings.display_interval,
    )
