"""Results of runs for programs and notebooks: tables, pictures, the best policy."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lrbench.api.frames import evaluations_frame, policies_frame, runs_frame
from lrbench.errors import UsageError, did_you_mean, plain
from lrbench.metrics.objective import read_target
from lrbench.policies import Policy, parse_policy
from lrbench.report.build import WorkloadTable
from lrbench.report.load import read_report
from lrbench.report.render import notebook, render
from lrbench.report.selection import matching_workloads
from lrbench.report.views.ranking import ranking_document

if TYPE_CHECKING:
    import pandas

    from lrbench.drawing.save import Picture

Rows = Literal["runs", "evaluations", "policies"]


class Results:
    """The runs at some paths, as ``lrbench report`` reads them: at a glance, as tables and as pictures.

        >>> results = lrbench.Results("results/quickstart")
        >>> results.best
        <Policy STEP(k0=0.02, gamma=0.5, l=100)>
        >>> results.runs["status"].value_counts().to_dict()
        {'finished': 2, 'diverged': 1}

    In a notebook the object shows itself as the ranked tables; ``print`` shows what the terminal does.

    Attributes:
        report: the rows that every table and picture is made of.
    """

    def __init__(
        self, *paths: str | os.PathLike[str], target: float | str | None = None, sort: str | None = None
    ) -> None:
        """Read results folders, run folders or training logs of Caffe.

        Args:
            target: the accuracy to reach, a fraction, or a text such as ``test_loss=0.12``, in place of that of the
                specs.
            sort: the metric that ranks the policies; None: the objective of the specs, else ``final_accuracy``.

        Raises:
            UsageError: there is no such path or metric, or no run that can be read.
        """
        self.report = read_report([Path(path) for path in paths], sort, read_target(target, "target"))

    @cached_property
    def runs(self) -> pandas.DataFrame:
        """A row a run with all its metrics; the columns are in ``lrbench.api.frames``."""
        return runs_frame(self.report)

    @cached_property
    def evaluations(self) -> pandas.DataFrame:
        """A row an evaluation with everything that was measured at it."""
        return evaluations_frame(self.report)

    @cached_property
    def policies(self) -> pandas.DataFrame:
        """A row a policy, ranked: means and standard deviations over the seeds."""
        return policies_frame(self.report)

    @property
    def problems(self) -> tuple[str, ...]:
        """Messages about what could not be read."""
        return self.report.problems

    @property
    def best(self) -> Policy:
        """The policy that ranks first.

        Raises:
            UsageError: there are several workloads, or none of the policies has a rank yet.
        """
        first = next((row for row in self._table(None).policies if row.rank == 1), None)
        if first is None:
            raise UsageError("no policy has a rank yet, as no run has reached an outcome with a value")
        return parse_policy(first.policy)

    def plot(self, what: str = "objective", workload: str | None = None) -> Picture:
        """A picture as ``lrbench report --plots`` draws it.

        Args:
            what: ``objective``, ``accuracy``, ``losses``, ``confidence`` or ``rates``.
            workload: of several, the one with this in its name, or whose name it is.

        Raises:
            UsageError: there is no such picture, or not one such workload.
            ResultsError: the runs are of a program that gives no value for it.
        """
        from lrbench.drawing.save import Picture, drawing
        from lrbench.report.figures.curves import PICTURES
        from lrbench.report.figures.panels import PlotContext

        if what not in PICTURES:
            raise UsageError(
                f"there is no picture {what!r}",
                remedy=did_you_mean(what, PICTURES) or f"there are {', '.join(PICTURES)}",
            )
        with drawing():
            table = self._table(workload)
            return Picture(PICTURES[what](PlotContext.of(table, table.metric)))

    def _table(self, workload: str | None) -> WorkloadTable:
        found = matching_workloads(self.report, workload)
        if len(found) == 1:
            return found[0]
        there = "; ".join(plain(table.label) for table in found or self.report.workloads)
        message = (
            f"these are {len(found)} workloads: {there}"
            if found
            else f"no workload has {workload!r} in its name; there is {there}"
        )
        raise UsageError(message, remedy="name one of them by a part of its name, or read the results of one alone")

    def __str__(self) -> str:
        return render(ranking_document(self.report)).decode()

    def __repr__(self) -> str:
        policies = sum(len(table.policies) for table in self.report.workloads)
        return f"<Results: {len(self.report.runs)} runs, {policies} policies>"

    def _repr_html_(self) -> str:
        return notebook(ranking_document(self.report))


def load_results(
    *paths: str | os.PathLike[str], rows: Rows = "runs", target: float | str | None = None
) -> pandas.DataFrame:
    """Results folders, run folders or training logs of Caffe as a DataFrame.

        >>> runs = lrbench.load_results("results/quickstart")
        >>> runs.groupby("policy")["best_accuracy"].mean().round(2).to_dict()
        {'FIX(k0=0.1)': 0.5, 'STEP(k0=0.02, gamma=0.5, l=100)': 0.96}
        >>> curves = lrbench.load_results("results/quickstart", rows="evaluations")
        >>> curves[["seed", "iteration", "accuracy_top1"]].tail(2).to_dict("list")
        {'seed': [1, 1], 'iteration': [500, 1000], 'accuracy_top1': [0.9, 0.97]}

    Accuracies and confidences are fractions, times seconds; what is not known or not reached is NaN.

    Args:
        rows: ``runs``, one row each with every metric; ``evaluations``, one row for each that a run made; or
            ``policies``, ranked, with means and standard deviations over the seeds. The columns are in
            ``lrbench.api.frames`` and in docs/how-to/use-lrbench-from-python.md.
        target: the accuracy to reach, a fraction, or a text such as ``test_loss=0.12``, in place of that of the specs.

    Raises:
        UsageError: there is no such path, no run that can be read, or pandas is not installed.
    """
    frames = {"runs": runs_frame, "evaluations": evaluations_frame, "policies": policies_frame}
    if rows not in frames:
        raise UsageError(f"rows is {rows!r}", remedy=f"give one of {', '.join(frames)}")
    return frames[rows](Results(*paths, target=target).report)
