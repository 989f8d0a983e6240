"""Setup of every command that trains: start the engine of the spec, and prepare its data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrbench.api.environment import data_folder, home, site

if TYPE_CHECKING:
    from lrbench.data import Prepared
    from lrbench.engines.base import Engine
    from lrbench.spec.experiment import Experiment


def find_engine(experiment: Experiment) -> Engine:
    """Return the engine that the spec names, started once to see that it works.

    Raises:
        EngineUnavailable: it is not installed, or does not start.
    """
    from lrbench.executors import setup

    return setup.find_engine(experiment, site())


def prepare_data(name: str) -> Prepared:
    """Return the data set of that name, which is prepared now unless it is already; progress is shown."""
    from lrbench.cli.data_progress import shown_progress
    from lrbench.data import prepare

    with shown_progress() as progress:
        return prepare(name, home(), data_folder(), progress=progress)
