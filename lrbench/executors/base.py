"""The interface of an executor: where sessions run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from lrbench.engines.base import Engine
from lrbench.engines.site import Consent, Site
from lrbench.executors.plan import RunSlot
from lrbench.spec.experiment import Experiment
from lrbench.spec.sections import EngineSettings

MakeSite = Callable[[Consent | None], Site]
"""Returns the facts about the machine that calls it, for a consent typed elsewhere; called on a cluster's nodes."""


class Places(ABC):
    """Places for runs, each a lane of a session; a run holds one while its session is open.

    Attributes:
        most: largest number of runs at a time.
    """

    most: int

    @abstractmethod
    def take(self) -> RunSlot | None:
        """Return a free place, which is then the caller's, or None where there is none now.

        Raises:
            UsageError: there will be none.
        """

    @abstractmethod
    def give(self, slot: RunSlot) -> None:
        """Give a place back."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Return once a place may be free, after that time at the latest."""

    @abstractmethod
    def stop(self) -> None:
        """End what waits for a place, as after Ctrl-C."""

    @abstractmethod
    def machine(self, slot: RunSlot) -> Mapping[str, Any]:
        """Return the description of the machine that the place is on, for run.json."""


class Executor(ABC):
    """A place in which sessions run: this machine, or a cluster.

    Attributes:
        name: as typed for ``--executor``, the address included.
    """

    name: str

    def check_room(self, settings: EngineSettings, threads: int) -> None:  # noqa: B027 - most executors have room
        """Raise UsageError where a session with so many threads will never find room."""

    def expect(self, sessions: int) -> None:  # noqa: B027 - most executors open a session where there is a run
        """Take note that so many sessions at a time will be asked for, so that they can be prepared ahead."""

    @abstractmethod
    def open_engine(self, name: str, site: Site) -> Engine:
        """Return the engine of this name, whose sessions run here.

        Raises:
            SpecError: there is none of this name.
            EngineUnavailable: it is absent where the sessions run.
        """

    @abstractmethod
    def suggest_jobs(self, experiment: Experiment, threads: int) -> tuple[int, str]:
        """Return how many sessions to open at a time where the user does not say, at least 1, and why."""

    @abstractmethod
    def places(self, settings: EngineSettings, jobs: int, lanes: int, threads: int) -> Places:
        """Return the places of at most ``jobs`` sessions of ``lanes`` runs each, with ``threads`` each."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the executor holds."""
