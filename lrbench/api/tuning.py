"""Range test and search from Python: the runs and folders are those of ``lrbench range`` and ``lrbench tune``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, overload

from lrbench.api.environment import data_folder, home, node_site, site
from lrbench.api.functions import SpecOrFunction, log_program, read_python
from lrbench.api.training import RunLog, check_counts
from lrbench.data import prepare
from lrbench.data.sources import in_lines
from lrbench.errors import UsageError
from lrbench.executors.base import Executor
from lrbench.executors.registry import open_executor
from lrbench.executors.setup import (
    check_engine,
    check_tasks,
    find_data,
    find_engine,
    sessions_at_once,
    with_engine_version,
)
from lrbench.policies import Policy
from lrbench.report.labels import workload_label
from lrbench.report.render import notebook, render
from lrbench.report.views.range import range_document
from lrbench.report.views.tune import tune_document
from lrbench.spec.experiment import Experiment
from lrbench.spec.model import TuningSettings
from lrbench.tuning import setup
from lrbench.tuning.baselines import given_baselines
from lrbench.tuning.proposing import proposed
from lrbench.tuning.range_test.plan import plan_for
from lrbench.tuning.range_test.result import RangeResult
from lrbench.tuning.range_test.running import FEW_IMAGES, range_test, sweep_tasks
from lrbench.tuning.result import TuneResult
from lrbench.tuning.study import check_storage
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.tune import tune as search

LOG = logging.getLogger("lrbench")


class TuneResults:
    """Result of a search; shown as ``lrbench tune`` shows it, in a notebook as tables.

    Attributes:
        found: policies tried, finals, confirmed policies and costs.
    """

    def __init__(self, found: TuneResult) -> None:
        self.found = found

    @property
    def best(self) -> Policy:
        """The policy that the search chose.

        Raises:
            UsageError: no policy was trained to its end.
        """
        if not self.policies:
            raise UsageError("no policy was trained to its end", remedy="print the result to see why")
        return self.policies[0]

    @property
    def policies(self) -> list[Policy]:
        """The policies that were found, the best first."""
        return self.found.chosen

    def __str__(self) -> str:
        return render(tune_document(self.found)).decode()

    def __repr__(self) -> str:
        return f"<TuneResults: {len(self.found.tried)} policies tried, best {next(iter(self.policies), None)}>"

    def _repr_html_(self) -> str:
        return notebook(tune_document(self.found))


def tune(
    spec: SpecOrFunction,
    *,
    results: str | os.PathLike[str] = "results",
    jobs: int | None = None,
    threads: int = 1,
    executor: str = "local",
    storage: str | None = None,
    propose: Literal["sampler", "predict"] = "sampler",
    curves: str | os.PathLike[str] | None = None,
    **values: Any,
) -> TuneResults:
    """Search for a policy for the workload of a spec or for a training function, as ``lrbench tune`` does.

    The spec need not have policies. The call can be interrupted and repeated at any time.

        >>> found = lrbench.tune("quickstart.yaml", policies=["FIX(k0=0.01)"], seeds=1,
        ...                      workload={"iterations": 10, "test_interval": 10},
        ...                      search={"rates": [0.01, 0.1], "functions": ["FIX"], "trials": 1, "final_seeds": 0})
        >>> found.best.name
        'FIX'

    Args:
        spec: the path of a YAML file, what such a file holds, or a training function; see ``lrbench.run``.
        results: the results folder.
        jobs: sessions to train in parallel; None: as many as the cores and the memory allow; see ``lrbench.run``.
        threads: processor threads per session.
        executor: where the sessions run; see ``lrbench.run``.
        storage: the URL of a database or a file for the search, by default a file in the results folder.
        propose: who proposes policies: the spec's sampler, or ``"predict"``, a prediction from ``curves``, whose best
            alone are trained.
        curves: with ``propose="predict"`` results or a CSV file with loss curves, as for ``lrbench predict --from``.
        values: set in the spec by key, as for ``lrbench.run``; ``search={"trials": 12}`` sets the budget.

    Raises:
        UsageError: the spec, net, data, engine or results folder is invalid, or the function cannot be sent to another
            process.
        Interrupted: Ctrl-C; completed work is kept.
    """
    if propose not in ("sampler", "predict"):
        raise UsageError(f"propose is {propose!r}", remedy='set it to "sampler" or "predict"')
    if (propose == "predict") != (curves is not None):
        raise UsageError('propose="predict" and curves go together', remedy="give both, or neither")
    with closing(open_executor(executor, node_site)) as place:
        runner = _runner(spec, values, results, jobs, threads, place, lambda experiment: experiment.confirming_seeds)
        if curves is not None:
            runner = proposed(runner, Path(curves), LOG.info)
        given_baselines(runner.experiment)
        check_storage(storage)
        searching = setup.on_search_engine(runner, site(), LOG.info)
        judge = searching.on_validation(home())
        return TuneResults(search(runner, judge, setup.find_space(searching, home(), LOG.info), storage))


class RangeResults(Sequence[RangeResult]):
    """A range test for each solver of a spec, or for each set of a program's arguments; shown as ``lrbench range``."""

    def __init__(self, found: Sequence[RangeResult], heading: str, iterations: int | None = None) -> None:
        self._found, self._heading, self._iterations = tuple(found), heading, iterations

    @property
    def rates(self) -> tuple[float, float] | None:
        """The lowest and the highest useful rate of the first; None where the test suggests none."""
        return self[0].rates

    @property
    def search_rates(self) -> tuple[float, float] | None:
        """The rates of the first for a search: up to the next one that was tried above the useful ones; or None."""
        return self[0].search_rates

    @overload
    def __getitem__(self, index: int) -> RangeResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RangeResult]: ...
    def __getitem__(self, index: int | slice) -> RangeResult | Sequence[RangeResult]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __str__(self) -> str:
        return render(range_document(self._found, self._heading, self._iterations)).decode()

    def __repr__(self) -> str:
        return f"<RangeResults: {', '.join(str(found.rates) for found in self)}>"

    def _repr_html_(self) -> str:
        return notebook(range_document(self._found, self._heading, self._iterations))


def range(
    spec: SpecOrFunction,
    *,
    results: str | os.PathLike[str] = "results",
    jobs: int | None = None,
    threads: int = 1,
    executor: str = "local",
    **values: Any,
) -> RangeResults:
    """Find a useful range of learning rates for the workload of a spec or for a training function.

    As ``lrbench range``. The spec need not have policies. The call can be interrupted and repeated at any time.

        >>> found = lrbench.range("quickstart.yaml", policies=["FIX(k0=0.01)"],
        ...                       workload={"iterations": 40, "test_interval": 40},
        ...                       range={"iterations": 20, "lengths": [40], "rates": 3, "seeds": 1})
        >>> found.rates[0] < found.rates[1]
        True

    Args:
        spec: the path of a YAML file, what such a file holds, or a training function; see ``lrbench.run``.
        results: the results folder.
        jobs: sessions to train in parallel; None: as many as the cores and the memory allow; see ``lrbench.run``.
        threads: processor threads per session.
        executor: where the sessions run; see ``lrbench.run``.
        values: set in the spec by key, as for ``lrbench.run``; ``range={"high": 1}`` sets the highest rate to try.

    Raises:
        UsageError: the spec, net, data, engine or results folder is invalid, or the function cannot be sent to another
            process.
        Interrupted: Ctrl-C; completed work is kept.
    """
    with closing(open_executor(executor, node_site)) as place:
        runner = _runner(spec, values, results, jobs, threads, place, _check_plans)
        judged = runner.on_validation(home(), most=FEW_IMAGES)
        solvers = runner.experiment.settings.solver
        sweeps = [task for solver in solvers for task in sweep_tasks(judged, solver)]
        check_tasks(sweeps, runner.engine, runner.experiment)
        found = [range_test(judged, solver) for solver in solvers]
    workload = runner.experiment.workload
    size = getattr(workload, "batch_size", None)
    heading = workload_label(workload.net_name, runner.data.label, size, workload.iterations)
    return RangeResults(found, heading, workload.iterations)


def _check_plans(experiment: Experiment) -> None:
    for solver in experiment.settings.solver:
        plan_for(experiment, solver)


def _runner(
    spec: SpecOrFunction,
    values: Mapping[str, Any],
    results: str | os.PathLike[str],
    jobs: int | None,
    threads: int,
    executor: Executor,
    check: Callable[[Experiment], object] = lambda experiment: None,
) -> TrialRunner:
    """Open the workload with its data and engine, ready to run policies.

    Args:
        check: further checks, made before data are prepared and anything is written.
    """
    check_counts(jobs=jobs, threads=threads)
    experiment, consent = read_python(spec, values, TuningSettings)
    check_engine(experiment)
    check(experiment)
    engine = find_engine(experiment, executor, site(consent), threads, jobs)
    data = find_data(experiment, lambda name: prepare(name, home(), data_folder(), progress=in_lines(LOG.info)))
    experiment = with_engine_version(experiment, engine)
    count = sessions_at_once(experiment, engine, executor, jobs, threads, LOG.info)
    runner = TrialRunner(experiment, data, engine, Path(results), count, threads, listener=RunLog(), executor=executor)
    log_program(experiment, data, consent)
    return setup.checked(runner, LOG.info)
