"""Metrics that a program reports, as known from its earlier runs: nothing is executed to find them."""

from __future__ import annotations

from lrbench.engines.base import ProgramJob
from lrbench.runs.declarations import program_name
from lrbench.runs.description import RunDescription, read_description
from lrbench.runs.directory import RunDirectory
from lrbench.runs.files import RUN, DamagedRun


def metrics_reported_before(job: ProgramJob) -> list[str] | None:
    """Return the metrics of an earlier run of the same program and arguments in the job's experiment.

    None where there is no such run with an evaluation.
    """
    for path in sorted(job.folder.parent.glob(f"*/{RUN}")):
        try:
            run = read_description(path.parent)
        except DamagedRun:
            continue
        if _is_of(run, job):
            evaluations = RunDirectory(path.parent).evaluations()
            if evaluations:
                return list(evaluations[0].metrics)
    return None


def _is_of(run: RunDescription, job: ProgramJob) -> bool:
    is_file = job.function is None or job.carried is not None
    name = job.program.name if is_file else f"{job.program.name}:{job.function}"
    if program_name(run.workload) != name or run.workload["program"].get("sources") != dict(job.sources):
        return False
    return {key: value for key, value in run.solver.items() if key != "type"} == dict(job.arguments)
