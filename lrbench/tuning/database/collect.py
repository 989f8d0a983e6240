"""Collection of the runs in results folders into entries of a policy database."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lrbench.comparable import engine_settings, workload_settings
from lrbench.data import evaluated_on
from lrbench.errors import ResultsError, path_text
from lrbench.metrics.objective import ACCURACY, Objective
from lrbench.metrics.registry import TIMES_TO_TARGET, all_metrics
from lrbench.runs.declarations import OWN_DATA, evaluated_part
from lrbench.runs.description import RunDescription
from lrbench.runs.files import DamagedRun
from lrbench.runs.records import RunRecord, find_runs, read_run
from lrbench.spec.program import inputs_sha256
from lrbench.tuning.database.entry import ENTRY, Entry, StoredWorkload, first_problem, joined
from lrbench.tuning.database.measured import new_bests

_WORKLOAD = TypeAdapter(StoredWorkload)


@dataclass(frozen=True)
class Collected:
    """Entries of the runs that have an outcome, and the runs that are left out.

    Attributes:
        unfinished: number of runs without an outcome, by status, such as ``failed``.
        problems: a line for each run that cannot be read.
    """

    entries: list[Entry]
    unfinished: dict[str, int]
    problems: list[str]


def collect(paths: Sequence[Path], note: str | None = None) -> Collected:
    """Read the runs at or under the paths; the runs of one policy on one workload make one entry.

    Raises:
        ResultsError: a path that is no folder, or in which there is no run.
    """
    for path in paths:
        if not find_runs([path]):
            raise ResultsError("there is no run in this folder", where=path_text(path), remedy="give a results folder")
    entries: list[Entry] = []
    unfinished: collections.Counter[str] = collections.Counter()
    problems: list[str] = []
    added_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    for path in find_runs(paths):
        try:
            record = read_run(path)
        except DamagedRun as damage:
            problems.append(str(damage.at(path_text(path))))
            continue
        if record.problem:
            problems.append(f"{path_text(path)}: {record.problem}")
        elif not record.status.done:
            unfinished["cut off" if record.cut_off else record.status.status] += 1
        else:
            try:
                entries.append(entry_of_run(record, added_at, note))
            except ValidationError as error:
                problems.append(f"{path_text(path)}: run.json does not say what it should: {first_problem(error)}")
    return Collected(joined(entries), dict(unfinished), problems)


def workload_of_run(run: RunDescription) -> StoredWorkload:
    """Return the workload of a run.

    Raises:
        pydantic.ValidationError: something is missing or of the wrong type.
    """
    settings, engine = workload_settings(run), engine_settings(run)
    return _WORKLOAD.validate_python(
        {
            "net_name": settings["net_name"],
            "net_sha256": settings["net"],
            **_data(run, settings),
            **{size: settings[size] for size in ("batch_size", "iterations", "test_interval")},
            # The policy's text has the solver's lr_scale in it.
            "solver": {name: value for name, value in run.solver.items() if name != "lr_scale"},
            **{f"engine_{part}": engine[part] for part in ("name", "driver", "device", "precision")},
        }
    )


def _data(run: RunDescription, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a run, and the part of them that it is evaluated on: of a program as it declares them."""
    program, dataset = run.workload.get("program"), run.workload.get("dataset")
    if isinstance(program, dict):
        return {
            "dataset_name": str(run.facts.get("dataset") or OWN_DATA),
            "dataset_label": OWN_DATA,
            "dataset_sha256": inputs_sha256(program.get("inputs") or {}),
            "evaluated_on": evaluated_part(run),
        }
    name = dataset.get("name") if isinstance(dataset, dict) else None
    return {
        "dataset_name": name,
        "dataset_label": settings["dataset_name"],
        "dataset_sha256": settings["dataset"],
        "evaluated_on": evaluated_on(str(name)),
    }


def entry_of_run(record: RunRecord, added_at: str, note: str | None = None) -> Entry:
    """Return the entry of one run with an outcome.

    The kind of machine is kept and not its name, which is nobody's business.

    Raises:
        pydantic.ValidationError: run.json lacks something, or has it of the wrong type.
    """
    run, status, engine, machine = record.run, record.status, record.run.engine, record.run.machine
    objective = Objective.parse(run.objective) or ACCURACY
    metrics = all_metrics(record.evaluations, None, objective)
    other = {} if objective.is_accuracy else {"objective": objective.stored()}
    measured = {
        "run_id": run.run_id,
        "seed": run.seed,
        "status": status.status,
        "reason": status.reason,
        "iteration": status.iteration,
        "metrics": {name: value for name, value in metrics.items() if name not in TIMES_TO_TARGET},
        "curve": new_bests(record.evaluations),
        "experiment": run.experiment,
        "run_at": run.created,
        "added_at": added_at,
        "lrbench_version": run.versions.get("lrbench"),
        "engine_version": engine.get("version"),
        "cpu": machine.get("cpu"),
        "gpu": engine.get("gpu", machine.get("gpu")),
        "cores": machine.get("cores"),
        "threads": run.threads,
        **other,
        "bests": new_bests(record.evaluations, objective) if other else (),
        "facts": dict(run.facts),
        "note": note or ("rates computed with an earlier count of cycles" if run.counting == 1 else None),
    }
    return ENTRY.validate_python(
        {
            "workload": workload_of_run(run),
            "policy": run.policy,
            "function": run.function,
            "lr_scale": run.lr_scale,
            "runs": [measured],
        }
    )
