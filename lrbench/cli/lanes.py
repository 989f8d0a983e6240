"""How many runs share a session, for the commands that run some."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lrbench.engines.base import Engine
    from lrbench.executors.plan import Task
    from lrbench.spec.experiment import Experiment


def check_lanes(engine: Engine, experiment: Experiment) -> None:
    """Refuse more than one lane where the engine has none.

    Raises:
        SpecError: with the spec's line.
    """
    from lrbench.errors import SpecError

    settings = experiment.settings.engine
    if settings.lanes != 1 and not engine.has_lanes:
        with experiment.document.placing("engine", "lanes"):
            raise SpecError(f"the engine {settings.name} trains one run a session, so that engine.lanes can only be 1",
                            remedy="leave it out and use -j, or set engine.name to torch")


def find_lanes(tasks: Sequence[Task], engine: Engine, jobs: int, runs: int | None = None) -> int:
    """As many as the spec says, or, where it says auto, as trials find best, which a line on standard error tells.

    Never more than leave each of ``jobs`` sessions with a run for each of its lanes.

    Args:
        tasks: of which the first is tried.
        runs: how many there will be; as many as the tasks by default.
    """
    if not tasks:
        return 1
    count = len(tasks) if runs is None else runs
    most = -(-count // jobs)
    wanted = tasks[0].experiment.settings.engine.lanes
    if wanted != "auto":
        return min(wanted, most)
    with tempfile.TemporaryDirectory(prefix="lrbench-lanes-") as folder:
        lanes, why = engine.choose_lanes(tasks[0].job(folder=Path(folder)), most)
    click.echo(f"lanes: {lanes}, as {why}", err=True)
    return lanes
