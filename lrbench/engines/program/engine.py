"""The user's own program as an engine: each run is a process of it, which takes its rates from LRBench."""

from __future__ import annotations

import platform
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrbench.engines.base import Engine, ProgramJob, Reported, Session, Timing
from lrbench.engines.measured import missing_metric
from lrbench.engines.program.earlier import metrics_reported_before
from lrbench.engines.program.session import ProgramSession
from lrbench.engines.site import Consent
from lrbench.errors import EngineFailed, SpecError, UsageError


class ProgramEngine(Engine[ProgramJob]):
    """Sessions in processes of the Python that the user names.

    Args:
        consent: what the user typed so that programs may be executed; None: nothing is.
    """

    isolated = True

    def __init__(self, consent: Consent | None) -> None:
        self._consent = consent

    def describe(self) -> dict[str, Any]:
        """The interpreter, which is not started for it."""
        if self._consent is None:
            return {"name": "program", "python": platform.python_version()}
        launcher = {"launcher": " ".join(self._consent.launcher)} if self._consent.launcher else {}
        return {"name": "program", "interpreter": self._consent.python, **launcher}

    def check(self, job: ProgramJob) -> None:
        """Refuse a program that the user has not consented to, and a metric of the spec that it does not report.

        What it reports is known where an earlier run of it has an evaluation.

        Raises:
            SpecError: there is no consent for this file, or a metric of the spec is not reported.
            UsageError: LRBench itself is one of several ranks.
        """
        ranks = self._allowed(job).environment.get("WORLD_SIZE", "1")
        if ranks != "1":
            raise UsageError(
                f"LRBench was started as one of WORLD_SIZE={ranks} processes",
                remedy="start it once; --launcher 'torchrun --nproc-per-node N' starts the program in N processes",
            )
        reported = metrics_reported_before(job)
        wrong = None if reported is None else missing_metric(reported, job)
        if wrong is not None:
            raise SpecError(wrong, remedy="report it, or name one of them in the spec")

    def check_resumable(self, job: ProgramJob) -> None:
        """Start the program, up to where it would train, and refuse it if it cannot be resumed.

        Raises:
            SpecError: it cannot be resumed, or fails before it trains.
        """
        with tempfile.TemporaryDirectory(prefix="lrbench-start-") as folder:
            try:
                session = ProgramSession(replace(job, folder=Path(folder)), self._allowed(job))
                try:
                    reason = session.why_not_resumable()
                finally:
                    session.close()
            except EngineFailed as error:  # its log is gone with the folder
                remedy = None if job.carried else f"run python {job.program.name} by itself to see more"
                raise SpecError(f"it cannot be started: {error.message}", where=error.where, remedy=remedy) from error
        if reason is not None:
            raise SpecError(f"{job.program.name} cannot be resumed: {reason}")

    def time(self, job: ProgramJob) -> Timing:
        """Refuse: nothing of a program is executed for an estimate."""
        raise UsageError("a program's speed is not known before it has run")

    def open(self, job: ProgramJob) -> Session[Reported]:
        """Start the program."""
        return ProgramSession(job, self._allowed(job))

    def _allowed(self, job: ProgramJob) -> Consent:
        if self._consent is None:
            raise SpecError(
                f"{job.program.name} would be executed, which needs your consent",
                remedy="look at the program, and add --program to the command",
            )
        typed = self._consent.program
        if typed is not None and typed.resolve() != job.program:
            raise SpecError(f"the spec's program is {job.program}, but --program names {typed}", remedy="correct one")
        if typed is None and not job.program.is_relative_to(job.spec_folder):
            raise SpecError(
                f"the program {job.program} is not in the folder of the spec",
                remedy=f"to execute it all the same, type --program {job.program}",
            )
        return self._consent
