"""A metric, and its input: the outputs at an evaluation, or the evaluations of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # numpy takes 0.1 s to import, and the names of metrics are completed in a shell
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]
    Floats = NDArray[np.floating]
    Integers = NDArray[np.integer]

Unit = Literal["fraction", "loss", "iterations", "seconds", "iterations/s", "bytes", "value"]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Outputs of a net for the whole test set.

    Attributes:
        probabilities: softmax outputs, shape (N, C), any float type.
        labels: the true classes, shape (N,), integers in [0, C).
        test_loss: mean loss over the test set.
        train_loss: mean loss over the training iterations since the last evaluation.
        scores: inputs of the softmax, of the probabilities' shape; None where the engine gives none.
    """

    probabilities: Floats
    labels: Integers
    test_loss: float
    train_loss: float
    scores: Floats | None = None

    @property
    def ranking(self) -> Floats:
        """The values that rank classes: the scores, or else the probabilities."""
        return self.probabilities if self.scores is None else self.scores

    @cached_property
    def finite(self) -> bool:
        """Whether all outputs are finite; otherwise only the losses are known."""
        import numpy as np

        outputs = np.isfinite(self.confidence).all() and np.isfinite(self.probabilities.min())
        return bool(outputs and not np.isnan(self.ranking.min()))

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """The highest probability of each sample, shape (N,)."""
        import numpy as np

        highest: NDArray[np.floating] = self.probabilities.max(axis=1)  # NaN wins in max: one is enough to see it
        return highest.astype(np.float64)

    @cached_property
    def classes_ahead(self) -> NDArray[np.intp]:
        """For each sample the number of other classes that are ranked at least as high as the true one."""
        import numpy as np

        of_truth = self.ranking[np.arange(len(self.labels)), self.labels]
        # Compared in the type they came in: exact, and no second copy of a large array. The true class is >= itself.
        at_least: NDArray[np.intp] = np.count_nonzero(self.ranking >= of_truth[:, None], axis=1)
        return at_least - 1

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each sample is classified correctly."""
        return self.classes_ahead < 1


class Judge(Protocol):
    """A metric of evaluations by which runs are judged; see ``lrbench.metrics.objective.Objective``."""

    @property
    def column(self) -> str:
        """Name of the metric in evaluations."""

    @property
    def sign(self) -> float:
        """1 where high values are better, else -1."""

    @property
    def final_metric(self) -> Metric:
        """The metric of a run that is the value of its last evaluation."""

    @property
    def best_metric(self) -> Metric:
        """The metric of a run that is its best value."""


class Threshold(Protocol):
    """A value of a metric that is to be reached; see ``lrbench.metrics.objective.Target``."""

    @property
    def metric(self) -> Judge:
        """The metric."""

    @property
    def value(self) -> float:
        """The value."""


ACCURACY_COLUMN = "accuracy_top1"


@dataclass(frozen=True, eq=False)
class RunCurves:
    """The evaluations of a run.

    Attributes:
        columns: by name, each with a value for each evaluation in the order of iterations, NaN where unknown.
        target: the accuracy to reach, a fraction, or a target on another metric; None where there is none.
        objective: the metric whose best value counts; None: the accuracy.
    """

    columns: Mapping[str, Column]
    target: float | Threshold | None
    objective: Judge | None = None

    def column(self, name: str) -> Column:
        """A column; NaN throughout where it is absent."""
        import numpy as np

        if name in self.columns:
            return self.columns[name]
        return np.full(len(self.columns.get("iteration", ())), np.nan)

    def last(self, name: str) -> float | None:
        """The last value of a column; None where it is unknown."""
        return last_known(self.column(name))

    @property
    def accuracy(self) -> Column:
        """The accuracy at each evaluation; see ``values``."""
        return self.values(None)

    @property
    def best_accuracy(self) -> float | None:
        """The highest accuracy; None where none is known."""
        return self.best(None)

    def values(self, judge: Judge | None) -> Column:
        """A metric, None: the accuracy, at each evaluation.

        NaN at iteration 0: a test pass of the initial weights says nothing of a policy.
        """
        import numpy as np

        name = ACCURACY_COLUMN if judge is None else judge.column
        return np.where(self.column("iteration") > 0, self.column(name), np.nan)

    def best(self, judge: Judge | None) -> float | None:
        """The best value of a metric, None: of the accuracy; None where none is known."""
        import numpy as np

        sign = 1.0 if judge is None else judge.sign
        values = sign * self.values(judge)
        best = sign * float(np.fmax.reduce(values[~np.isinf(values)], initial=np.nan))
        return best if math.isfinite(best) else None

    def at_best(self, name: str) -> float | None:
        """A column's value at the first evaluation with the best value of the objective."""
        return self._at_first(self.objective, self.best(self.objective), name)

    def at_target(self, name: str) -> float | None:
        """A column's value at the first evaluation that reaches the target; None where none does."""
        if self.target is None or isinstance(self.target, int | float):
            return self._at_first(None, self.target, name)
        return self._at_first(self.target.metric, self.target.value, name)

    def _at_first(self, judge: Judge | None, threshold: float | None, name: str) -> float | None:
        if threshold is None:
            return None
        sign = 1.0 if judge is None else judge.sign
        reached = sign * self.values(judge) >= sign * threshold  # False for NaN
        return last_known(self.column(name)[reached.argmax() :][:1]) if reached.any() else None


def last_known(column: Column) -> float | None:
    """The last value, None where there is none or it is not finite."""
    return float(column[-1]) if len(column) and math.isfinite(column[-1]) else None


@dataclass(frozen=True)
class Metric:
    """A metric that policies can be ranked by.

    Attributes:
        name: as in files, on the command line and in JSON.
        title: as at the head of a column.
        unit: what its numbers count; a fraction is shown in percent.
        definition: how it is computed, where K is the set of correctly classified samples of the test set, p the
            highest softmax probability of each sample, and N the number of samples.
        higher_is_better: the direction of the ranking.
        of_run: computes it for a run, from its evaluations; None where it is not known.
        of_evaluation: computes it at each evaluation, and a run shows that of its last one. It is NaN where the net's
            outputs are not finite.
        of_losses: whether ``of_evaluation`` needs the losses only, and is called for any outputs.
        to_target: a time to the target accuracy, which a run may miss: see ``lrbench.metrics.summary.TimesToTarget``.
        grid: column of evaluations whose values it takes, so that it is known up to their spacing only; empty: none.
    """

    name: str
    title: str
    unit: Unit
    definition: str
    higher_is_better: bool = False
    of_run: Callable[[RunCurves], float | None] | None = None
    of_evaluation: Callable[[Evaluated], float] | None = None
    of_losses: bool = False
    to_target: bool = False
    grid: str = ""

    def spacing(self, columns: Mapping[str, Column], value: float) -> float:
        """Distance of a value of the metric from that of the evaluation before; 0 where it takes any value.

        Args:
            columns: evaluations, as in ``RunCurves``.
        """
        import numpy as np

        column = columns.get(self.grid)
        if column is None:
            return 0.0
        earlier = column[column < value]
        return float(value - np.max(earlier, initial=0.0))
