"""The experiment of a run on disk, made again from its run.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lrbench.errors import LRBenchError, SpecError
from lrbench.nets import find_net, net_sha256, read_net
from lrbench.policies import parse_policy
from lrbench.runs.description import RunDescription
from lrbench.spec.document import Document
from lrbench.spec.experiment import Experiment
from lrbench.spec.reading import experiment_of

WITH_SPEC = "give the spec that the run was made by: --spec SPEC"
_ENGINE = ("name", "driver", "device", "precision", "deterministic")


def experiment_of_run(description: RunDescription, folder: Path) -> Experiment:
    """Return the experiment that has this run alone, of a net of LRBench or of the run's own folder.

    Raises:
        SpecError: the run is of a program, or its net or data set is found by its spec only.
    """
    where = str(folder)
    if "net" not in description.workload:
        raise SpecError("the run is of a program, whose file run.json does not have", where=where, remedy=WITH_SPEC)
    workload = {key: value for key, value in description.workload.items() if key not in ("net", "dataset")}
    value: dict[str, Any] = {
        "name": description.experiment,
        "workload": {
            "net": str(_net(description.workload["net"], folder)),
            "dataset": description.workload["dataset"]["name"],
            **workload,
            "order": description.order,
        },
        "solver": {key: value for key, value in description.solver.items() if key != "lr_scale"},
        "engine": {key: description.engine[key] for key in _ENGINE if key in description.engine},
        "seeds": [description.seed],
        "policies": [parse_policy(description.policy).scaled(description.lr_scale).text],
        "stopping": dict(description.stopping),
    }
    if description.objective:
        value["objective"] = dict(description.objective)
    if description.target:
        value["target"] = dict(description.target)
    elif description.target_accuracy is not None:
        value["target_accuracy"] = description.target_accuracy
    try:
        return experiment_of(Document(str(folder / "run.json"), value, {}), folder)
    except LRBenchError as error:
        raise SpecError(f"run.json does not say enough: {error.message}", where=where, remedy=WITH_SPEC) from error


def _net(known: dict[str, Any], folder: Path) -> Path:
    """The net of LRBench of that name, else that in the run's folder, whichever is the one that was trained."""
    for name in (known["name"], "net.prototxt"):
        try:
            path = find_net(name, folder)
            if net_sha256(read_net(path)) == known["sha256"]:
                return path
        except LRBenchError:
            continue
    raise SpecError(f"the net {known['name']} of the run is not at hand", where=str(folder), remedy=WITH_SPEC)
