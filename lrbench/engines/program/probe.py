"""A short look at a program: two iterations and an evaluation, from which a spec for it is written."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from lrbench.engines.base import LeftEarly, ProgramJob, Reported
from lrbench.engines.program.session import ProgramSession
from lrbench.engines.site import Consent
from lrbench.errors import EngineFailed
from lrbench.spec.program_starter import ProgramFacts

ITERATIONS = 2
RATE = 1e-6
"""Learning rate of the iterations, so low that no training breaks down."""


def probe(job: ProgramJob, consent: Consent) -> ProgramFacts:
    """Run the program for two iterations and an evaluation.

    Args:
        job: the program; how long it runs does not count.

    Raises:
        EngineFailed: the program failed, or ended before the evaluation.
    """
    session = ProgramSession(replace(job, iterations=ITERATIONS, test_interval=ITERATIONS), consent)
    try:
        for count in (ITERATIONS,) if job.function is None else (1,) * ITERATIONS:  # a script evaluates after each
            session.train(np.full(count, RATE))
        return _facts(session, job, session.evaluate())
    except LeftEarly as error:
        raise EngineFailed(f"{job.program.name} ended before its second iteration") from error
    finally:
        session.close()


def _facts(session: ProgramSession, job: ProgramJob, reported: Reported) -> ProgramFacts:
    told, alone = session.told, session.told["alone"]
    names = [*reported.metrics, *(["accuracy_top1"] if reported.outputs is not None else [])]
    not_resumable = None
    if not session.resumable:
        not_resumable = "lrbench.attach has no save= and restore=" if job.function is None else str(told["resumable"])
    return ProgramFacts(
        metrics=tuple(dict.fromkeys("accuracy" if name == "accuracy_top1" else name for name in names)),
        arguments=told["arguments"],
        policy=alone.get("policy"),
        iterations=alone.get("iterations"),
        evaluate_every=alone.get("evaluate_every"),
        epoch_iterations=told.get("epoch_iterations"),
        own_rate=_positive(told.get("own_rate")),
        iteration_seconds=session.last_iteration_seconds,
        evaluation_seconds=reported.seconds,
        not_resumable=not_resumable,
    )


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < math.inf else None
