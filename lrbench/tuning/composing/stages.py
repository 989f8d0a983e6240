"""Ends of the stages of a composition: fixed iterations, or plateaus."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.errors import SpecError
from lrbench.policies.plateau import PlateauDetector
from lrbench.policies.values import Values
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.experiment import Experiment
from lrbench.spec.sections import CompositionSettings


def check_ends(experiment: Experiment) -> None:
    """Check that boundaries and the stretch are evaluations within the run.

    Raises:
        SpecError: one is not; with the spec's line.
    """
    settings = experiment.settings.composition
    iterations, interval = experiment.workload.iterations, experiment.workload.test_interval
    ends: list[tuple[tuple[str | int, ...], int]] = [
        (("boundaries", index), end) for index, end in enumerate(settings.boundaries or ())
    ]
    if settings.stretch is not None:
        ends.append((("stretch",), settings.stretch))
    for keys, end in ends:
        name = ".".join(map(str, ("composition", *keys)))
        with experiment.document.placing("composition", *keys):
            if end >= iterations:
                problem = f"{name} is {end}, but a run has {iterations} iterations"
                raise SpecError(problem, remedy="end it before the run's end")
            if end % interval:
                problem = f"{name} is {end}, but there is an evaluation every {interval} iterations only"
                nearest = max(1, round(end / interval)) * interval
                raise SpecError(problem, remedy=f"write {nearest} for instance")


def planned_ends(experiment: Experiment) -> tuple[int, ...]:
    """Return the ends of the stages, the run's end last; with ``ends: plateau`` those of equal parts of the run.

    Each is an evaluation, so there are fewer than set where a run has fewer evaluations.
    """
    settings = experiment.settings.composition
    iterations, interval = experiment.workload.iterations, experiment.workload.test_interval
    if settings.boundaries is not None:
        return (*settings.boundaries, iterations)
    parts = {round(iterations * part / settings.stages / interval) for part in range(1, settings.stages)}
    return (*sorted(part * interval for part in parts if 0 < part * interval < iterations), iterations)


def stretch_of(experiment: Experiment, start: int, end: int) -> int:
    """Return the evaluation at which the candidates of a stage are compared.

    Args:
        start: where the stage begins; ``end`` where it ends at the latest.
    """
    settings, interval = experiment.settings.composition, experiment.workload.test_interval
    length = settings.stretch
    if length is None:
        if settings.ends == "fixed":
            return end
        length = max(1, round(experiment.workload.iterations / settings.stages / 2 / interval)) * interval
    return min(start + length, end)


class Plateau:
    """Finds where a run's stage ends: at the first plateau of the monitored value, once candidates were compared.

    Args:
        start: where the stage begins; evaluations up to there do not count.
        judged_at: where its candidates are compared; a stage is not shorter.
    """

    def __init__(self, settings: CompositionSettings, start: int, judged_at: int) -> None:
        self._values = Values(
            patience=settings.patience,
            threshold=settings.threshold,
            threshold_mode="abs",
            cooldown=0,
            monitor=settings.monitor,
        )
        self._start, self._judged_at = start, judged_at

    def found(self, rows: Sequence[Evaluation]) -> int | None:
        """Return the iteration of the plateau; None where there is none so far."""
        detector = PlateauDetector(self._values)
        for row in rows:
            if row.iteration > self._start and detector.reached(row.as_dict()) and row.iteration >= self._judged_at:
                return row.iteration
        return None
