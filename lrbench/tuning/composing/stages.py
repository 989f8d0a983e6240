"""Ends of the stages of a composition: fixed iterations, or plateaus."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.errors import SpecError
from lrbench.metrics.objective import Objective, is_evaluated, is_measured, known_goal
from lrbench.policies.plateau_detection import PlateauDetector
from lrbench.policies.values import Values
from lrbench.runs.evaluations import Evaluation
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.program import ProgramWorkload
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


def monitored(settings: ExperimentSettings) -> Objective:
    """Return the value whose plateau ends a stage: that of ``composition.monitor``, by default the objective.

    Raises:
        SpecError: it is a metric whose name does not tell whether low or high values are better.
    """
    name, objective = settings.composition.monitor, settings.objective.resolved
    if name is None or name == objective.metric:
        return objective
    goal = known_goal(name)
    if goal is None:
        raise SpecError(
            f"composition.monitor is {name}, a name that does not tell whether low or high values are better",
            remedy=f"set objective.metric to {name}, with its goal, or monitor another metric",
        )
    return Objective(name, goal)


def check_monitor(experiment: Experiment) -> None:
    """Check the monitored value of stages that end at plateaus.

    Raises:
        SpecError: evaluations have no such metric, or its direction is not known; with the spec's line.
    """
    settings = experiment.settings
    if settings.composition.ends != "plateau":
        return
    with experiment.document.placing("composition", "monitor"):
        name = monitored(settings).metric
        of_net = not isinstance(experiment.workload, ProgramWorkload)
        if not is_evaluated(name) or (of_net and not is_measured(name)):
            raise SpecError(
                f"composition.monitor is {name!r}, but must be a metric of an evaluation",
                remedy="set it to accuracy, test_loss or train_loss for instance",
            )


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
        monitor: the monitored value.
        start: where the stage begins; evaluations up to there do not count.
        judged_at: where its candidates are compared; a stage is not shorter.
    """

    def __init__(self, settings: CompositionSettings, monitor: Objective, start: int, judged_at: int) -> None:
        self._values = Values(
            patience=settings.patience, threshold=settings.threshold, threshold_mode="abs", cooldown=0
        )
        self._monitor = monitor
        self._start, self._judged_at = start, judged_at

    def check(self, rows: Sequence[Evaluation]) -> None:
        """Raise SpecError if evaluations of a run lack the monitored value."""
        for row in rows[:1]:
            if self._monitor.column not in row.metrics:
                raise SpecError(
                    f"composition.monitor is {self._monitor.metric}, which is not among the metrics of an evaluation: "
                    f"{', '.join(row.metrics)}",
                    remedy="set it to one of them",
                )

    def found(self, rows: Sequence[Evaluation]) -> int | None:
        """Return the iteration of the plateau; None where there is none so far."""
        detector = PlateauDetector(self._values, self._monitor.column, self._monitor.sign)
        for row in rows:
            if row.iteration > self._start and detector.reached(row.as_dict()) and row.iteration >= self._judged_at:
                return row.iteration
        return None
