"""Run an experiment from Python: the runs and folders are those of ``lrbench run``."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from pathlib import Path
from typing import Any

from lrbench.api.added_seeds import run_tasks
from lrbench.api.environment import data_folder, home, node_site, site
from lrbench.api.functions import SpecOrFunction, log_program, read_python
from lrbench.api.results import Results
from lrbench.data import prepare
from lrbench.data.sources import in_lines
from lrbench.errors import UsageError
from lrbench.executors import plan
from lrbench.executors.dispatcher import Outcome
from lrbench.executors.log_listener import LogListener, name_of
from lrbench.executors.registry import open_executor
from lrbench.executors.setup import (
    check_engine,
    check_tasks,
    find_data,
    find_engine,
    make_dispatcher,
    sessions_at_once,
    with_engine_version,
    with_stored_order,
)
from lrbench.runs.planned import write_planned

LOG = logging.getLogger("lrbench")


def run(
    spec: SpecOrFunction,
    *,
    results: str | os.PathLike[str] = "results",
    jobs: int | None = None,
    threads: int = 1,
    executor: str = "local",
    **values: Any,
) -> Results:
    """Run the experiment that a spec describes, or one of a training function, and return its results.

    As with ``lrbench run``, finished runs are skipped and interrupted runs resume from their last snapshot, so the call
    can be interrupted and repeated at any time, and the two can be used in turn on one results folder. Nothing is
    printed: messages go to the logger ``lrbench``. A failed run stops no other; its status tells.

        >>> results = lrbench.run("quickstart.yaml", seeds=[0], workload={"iterations": 10, "test_interval": 10},
        ...                       policies=[lrbench.Policy.parse("EXP(k0=0.02, gamma=0.99)")])
        >>> results.runs["status"].tolist()
        ['finished']

    A function that returns an ``lrbench.torch.Training`` is trained in processes of its own; passing it is the consent
    to execute it. They import the file that has it, so that a script calls ``lrbench.run`` under
    ``if __name__ == "__main__":``, or are sent the function of a notebook with all that it uses. The keys of
    ``workload`` may then be given by themselves: ``lrbench.run(training, policies=["FIX(k0=0.001)"], iterations=600,
    seeds=3, objective={"metric": "test_loss"})``.

    Args:
        spec: the path of a YAML file, what such a file holds, or a training function.
        results: the results folder, with one subfolder per experiment.
        jobs: sessions to train in parallel; None: as many as the cores and the memory allow, 1 for a function, and
            where seconds decide.
        threads: processor threads per session.
        executor: where the sessions run, as for ``lrbench run --executor``: ``local``, ``ray`` or ``ray://HOST:PORT``.
        values: set in the spec by key; a mapping sets the keys that it has. ``engine="torch"`` is short for
            ``engine={"name": "torch"}``.

    Raises:
        UsageError: the spec, net, data, engine or results folder is invalid, or the function cannot be sent to another
            process.
        Interrupted: Ctrl-C; completed work is kept.
    """
    check_counts(jobs=jobs, threads=threads)
    experiment, consent = read_python(spec, values)
    check_engine(experiment)
    with closing(open_executor(executor, node_site)) as place:
        engine = find_engine(experiment, place, site(consent), threads, jobs)
        data = find_data(experiment, lambda name: prepare(name, home(), data_folder(), progress=in_lines(LOG.info)))
        experiment = with_engine_version(with_stored_order(experiment, Path(results), LOG.info), engine)
        tasks = plan.tasks(experiment, data, Path(results), threads)
        check_tasks(tasks, engine, experiment)
        log_program(experiment, data, consent)
        jobs = sessions_at_once(experiment, engine, place, jobs, threads, LOG.info, len(tasks))
        dispatcher = make_dispatcher(tasks, engine, place, jobs, LOG.info)
        dispatcher.listener = RunLog(len(tasks))
        write_planned(tasks[0].folder.parent, experiment.sure_run_ids(data))
        outcomes = run_tasks(dispatcher, tasks, LOG.info)
    return Results(*(outcome.task.folder for outcome in outcomes))


def check_counts(**counts: int | None) -> None:
    """Raise UsageError unless every count that is given is at least 1."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UsageError(f"{name} is {count}, but must be at least 1")


class RunLog(LogListener):
    """Logs each piece of news at the level INFO, and a run that failed or diverged as a WARNING."""

    def __init__(self, total: int | None = None) -> None:
        super().__init__()
        self._total = total

    def say(self, task: plan.Task, text: str) -> None:
        LOG.info("%s  %s", name_of(task, self._total), text)

    def ended(self, outcome: Outcome) -> None:
        if outcome.how == "ran" and outcome.status.status in ("failed", "diverged"):
            LOG.warning("%s  %s", name_of(outcome.task, self._total), self.ending(outcome))
        else:
            super().ended(outcome)
