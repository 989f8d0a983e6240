"""The workload that a recommendation is for, as far as it can be known without training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.data import Prepared
from lrbench.spec.experiment import Experiment


@dataclass(frozen=True)
class Asked:
    """What is to be trained, on what, with which solver.

    Attributes:
        dataset_sha256: None where the data set is not prepared here, so that it is known by its name alone.
        epoch: iterations of one pass over the training images; None where their number is not known.
        solver: the parameters that its type reads, ``type`` among them, without ``lr_scale``.
        lr_scale: what the spec multiplies the rates of a policy by under this solver.
        rates: the least and largest rate of the spec's ``search.rates``, as the net gets them; None where it has none.
    """

    net_name: str
    net_sha256: str
    dataset_name: str
    dataset_label: str
    dataset_sha256: str | None
    batch_size: int
    iterations: int
    test_interval: int
    epoch: float | None
    solver: Mapping[str, Any]
    lr_scale: float
    engine: str
    rates: tuple[float, float] | None

    @property
    def solver_type(self) -> str:
        """Such as ``SGD``."""
        return str(self.solver["type"])


def asked_workloads(experiment: Experiment, data: Prepared | None) -> list[Asked]:
    """The spec's workload with each of its solvers.

    Args:
        data: None where the data set is not prepared.
    """
    workload, settings = experiment.workload, experiment.settings
    name = data.name if data is not None else str(workload.dataset)
    rates = settings.search.rates
    return [
        Asked(
            net_name=workload.net_name,
            net_sha256=workload.net_sha256,
            dataset_name=name,
            dataset_label=data.label if data is not None else name,
            dataset_sha256=data.sha256 if data is not None else None,
            batch_size=workload.batch_size,
            iterations=workload.iterations,
            test_interval=workload.test_interval,
            epoch=data.train_count / (workload.batch_size * solver.iter_size) if data is not None else None,
            solver={name: value for name, value in solver.resolved().items() if name != "lr_scale"},
            lr_scale=solver.lr_scale,
            engine=settings.engine.name,
            rates=(rates[0] * solver.lr_scale, rates[1] * solver.lr_scale) if rates is not None else None,
        )
        for solver in settings.solver
    ]
