"""Tuning of a spec: search for policies on held-out data, then confirm the best on the test set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lrbench.metrics.objective import ACCURACY, AnyTarget, Objective, Target
from lrbench.policies import Policy, parse_policy
from lrbench.predicting.reading import LOSS
from lrbench.runs.status import COMPLETED
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.sections import SearchSettings
from lrbench.tuning.baselines import careful_baselines, given_baselines
from lrbench.tuning.confirm import SUFFIX as CONFIRMED
from lrbench.tuning.confirm import Confirmed, confirm, finalist_count, rerank
from lrbench.tuning.range_test.result import RangeCost
from lrbench.tuning.search import Search
from lrbench.tuning.space import Space
from lrbench.tuning.study import STUDY_FILE, open_study, storage_errors
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.trials import OUTCOME, proposal_of, runs_of, samplers_of

if TYPE_CHECKING:
    import optuna

SUFFIX = "tune"
FOUND, BASELINE = "found", "baseline"


@dataclass(frozen=True)
class Tried:
    """A policy that the search tried, as far as its run went.

    Attributes:
        status: of the run; ``pending`` for one that was given up ("pruned").
        best_accuracy: a fraction, on the data that the search evaluates on; None where the run has none, or where
            another metric is the objective: then ``best_value`` is the best of that.
        final_value: of the objective at the last evaluation, where the search judges policies by that.
        iterations_to_best, iterations_to_target: None where not reached.
        iterations: training iterations; ``seconds`` of training and evaluating.
    """

    policy: str
    function: str
    status: str
    best_accuracy: float | None
    iterations_to_best: int | None
    iterations_to_target: int | None
    iterations: int
    seconds: float
    run: str
    best_value: float | None = None
    final_value: float | None = None

    @property
    def value(self) -> float | None:
        """The value of the objective that the search judges the policy by; None where the run has none."""
        known = (self.final_value, self.best_value, self.best_accuracy)
        return next((value for value in known if value is not None), None)

    @property
    def ended(self) -> bool:
        """Whether the policy was trained to its end without diverging."""
        return self.status in COMPLETED and self.value is not None


@dataclass(frozen=True)
class TuneResult:
    """The policies that a search tried, the best of them confirmed, and the cost.

    Attributes:
        tried: every run once, in the order of their first trials.
        evaluated_on: "validation" or "test": the data that the search evaluates on.
        engine: of the search; ``confirmed_engine`` of the confirming runs.
        run_iterations: of a full run.
        finals: the best of the search over further seeds, the best first; empty where there were none.
        confirmed: full runs of the best and the baselines, on the test set; of further finalists where all before
            them diverged.
        by: as in the spec's ``search.by``; ``objective`` by which the search judges policies.
        declared: sentences on what a program declares.
        baseline_reason: why the baselines are what they are; empty where the spec names them.
        range_cost: of the range test that found the base rates, where one was run.
        allocation: how the policies are shared out among LR functions, in a sentence.
        samplers: distinct settings of the samplers that proposed ``tried``; None for trials that recorded none.
    """

    name: str
    by: str
    target: AnyTarget | None
    evaluated_on: str
    data: str
    engine: str
    run_iterations: int
    tried: tuple[Tried, ...]
    finals: tuple[Confirmed, ...] = ()
    confirmed: tuple[Confirmed, ...] = ()
    confirmed_engine: str | None = None
    samplers: tuple[dict[str, Any] | None, ...] = ()
    objective: Objective = ACCURACY
    declared: tuple[str, ...] = ()
    baseline_reason: str = ""
    range_cost: RangeCost | None = None
    allocation: str = ""

    @property
    def iterations(self) -> int:
        """Training iterations of the search, those of pruned and diverged runs among them."""
        return sum(tried.iterations for tried in self.tried)

    @property
    def seconds(self) -> float:
        """Training and evaluating time of the search, summed over its runs."""
        return sum(tried.seconds for tried in self.tried)

    @property
    def ranked(self) -> list[Tried]:
        """Policies trained to their end, the best first; of several equal ones the one that had it sooner."""
        ended = [tried for tried in self.tried if tried.ended]
        if self.by == "iterations":
            return sorted(ended, key=lambda tried: (_late(tried.iterations_to_target), *self._worse(tried)))
        return sorted(ended, key=self._worse)

    @property
    def pareto(self) -> list[Tried]:
        """Pareto front of value and iterations to the target, the best value first."""
        front: list[Tried] = []
        for tried in sorted(self.ranked, key=lambda tried: (self._worse(tried)[0], _late(tried.iterations_to_target))):
            if not front or _late(tried.iterations_to_target) < _late(front[-1].iterations_to_target):
                front.append(tried)
        return front

    @property
    def best(self) -> list[Tried]:
        """Policies that the search recommends, in order: the Pareto front for ``search.by: both``."""
        return self.pareto if self.by == "both" else self.ranked

    @property
    def chosen(self) -> list[Policy]:
        """The best policies, the finalists in the order of the finals before all others."""
        best = [parse_policy(tried.policy) for tried in self.best]
        return list(dict.fromkeys([*(row.policy for row in self.finals), *best]))

    def _worse(self, tried: Tried) -> tuple[float, float]:
        value = math.inf if tried.value is None else -self.objective.order(tried.value)
        return value, _late(tried.iterations_to_best)


def _late(iterations: int | None) -> float:
    return float("inf") if iterations is None else iterations


def tune(runner: TrialRunner, search_runner: TrialRunner, space: Space, storage: str | None = None) -> TuneResult:
    """Search, or resume a search, then confirm the best policies beside the baselines.

    Args:
        runner: evaluates on the data to confirm on.
        search_runner: evaluates on the data to search on.
        storage: a database's URL or a file for the study; by default a file in the search's folder.

    Raises:
        UsageError: the space or a baseline is impossible, or the study is of something else.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    beside = given_baselines(runner.experiment)
    most = search_runner.experiment.settings.search.confirm
    found = reranked(search_runner, search(search_runner, space, storage), most)
    policies = dict.fromkeys(found.chosen[:most], FOUND)
    if not policies:
        return found
    beside = beside or careful_baselines(runner, space, found.chosen)
    for policy in beside.policies:
        policies.setdefault(policy, BASELINE)
    others = found.chosen[most : finalist_count(search_runner.experiment.settings.search, len(found.best))]
    confirmed = _confirmed(runner.with_suffix(CONFIRMED), policies, others)
    return replace(
        found,
        confirmed=tuple(confirmed),
        confirmed_engine=runner.experiment.settings.engine.name,
        baseline_reason=beside.reason,
    )


def _confirmed(runner: TrialRunner, policies: Mapping[Policy, str], others: Sequence[Policy]) -> list[Confirmed]:
    """Confirm the policies over the spec's seeds, and the next of the others as long as all that were found diverge.

    That the training breaks down shows without the test set, so nothing is chosen on it.
    """
    seeds = runner.experiment.confirming_seeds
    rows = confirm(runner, policies, seeds)
    for policy in others:
        found = [row for row in rows if row.role == FOUND]
        if any(not row.diverged for row in found):
            break
        if policy not in policies:
            rows[len(found) : len(found)] = confirm(runner, {policy: FOUND}, seeds)
    return rows


def reranked(runner: TrialRunner, found: TuneResult, most: int) -> TuneResult:
    """Return the result of a search with its best policies reranked, from which ``most`` are chosen; see ``rerank``.

    Raises:
        Interrupted: Ctrl-C; what was done is on disk.
    """
    return replace(found, finals=rerank(_search_runner(runner), [tried.policy for tried in found.best], most))


def _search_runner(runner: TrialRunner) -> TrialRunner:
    """The runner of a search's runs, which end at the target where that is all that counts."""
    settings = runner.experiment.settings
    runner = runner.with_suffix(SUFFIX).with_settings(
        search=with_defaults(settings.search, settings.objective.searched)
    )
    return runner.with_stopping(at_target=True) if settings.search.by == "iterations" else runner


def with_defaults(search: SearchSettings, objective: Objective) -> SearchSettings:
    """Return the settings of a search with what depends on its objective filled in."""
    by_value, predictions = search.by == "value", search.predictions
    if predictions is None:
        final_loss = (objective.metric, objective.goal, objective.at) == (LOSS, "minimize", "final")
        predictions = by_value and search.sampler == "tpe" and (objective.is_accuracy or final_loss)
    trained_to_end = predictions or (by_value and objective.at == "final")
    pruner = search.pruner or ("none" if trained_to_end else "median")
    return search.model_copy(update={"pruner": pruner, "predictions": predictions})


def search(runner: TrialRunner, space: Space, storage: str | None = None) -> TuneResult:
    """Search, or resume a search; nothing is confirmed.

    Raises:
        As ``tune``.
    """
    runner = _search_runner(runner)
    iterations = runner.experiment.workload.iterations
    with runner.experiment.document.placing("search"):
        space.check(iterations)
    policy = next(space.discrete(1).parts[0].policies(iterations))
    runner.check(runner.task(policy, runner.experiment.settings.search.search_seed))
    space = _searched(runner, space)
    storage = storage or str(runner.folder / STUDY_FILE)
    study = _study(runner, space, storage)
    with storage_errors(storage):
        proposing = Search(runner, study, space)
        proposing.run()
        proposing.join_others()
        return _result(runner, study, space)


def earlier(runner: TrialRunner, space: Space) -> TuneResult | None:
    """Return what a search of that space has found so far, None where none was begun in the results folder.

    Raises:
        SpecError: the study there is of something else.
    """
    runner = runner.with_suffix(SUFFIX)
    storage = runner.folder / STUDY_FILE
    if not storage.exists():
        return None
    space = _searched(runner, space)
    return _result(runner, _study(runner, space, str(storage)), space)


def _searched(runner: TrialRunner, space: Space) -> Space:
    settings = runner.experiment.settings.search
    return space.discrete(settings.points) if settings.sampler == "grid" else space


def _study(runner: TrialRunner, space: Space, storage: str) -> optuna.Study:
    workload = runner.experiment.workload
    evaluations = -(-workload.iterations // workload.test_interval)
    settings = runner.experiment.settings.search
    goal = runner.experiment.settings.objective.resolved.goal
    return open_study(storage, runner.experiment.name, settings, identity(runner, space), evaluations, goal)


def identity(runner: TrialRunner, space: Space) -> dict[str, Any]:
    """Return what all trials of a study have in common."""
    settings = runner.experiment.settings
    return {
        "workload": runner.experiment.describe_workload(runner.data),
        "solver": settings.solver[0].resolved(),
        "engine": settings.engine.name,
        "search space": [[part.label, *part.dimensions] for part in space.parts],
        "objective": _objective(settings),
        "search seed": settings.search.search_seed,
    }


def _objective(settings: ExperimentSettings) -> list[Any]:
    """Name of the values that trials are judged by, for accuracies as in studies of earlier versions."""
    by, aim, objective = settings.search.by, settings.aim, settings.objective.searched
    target = None if by == "value" else aim.stored() if isinstance(aim, Target) else aim
    judged = [] if objective.is_accuracy else [objective.metric, objective.goal]
    judged += ["final"] if objective.at == "final" else []
    return ["accuracy" if by == "value" and not judged else by, target, *judged]


def _result(runner: TrialRunner, study: optuna.Study, space: Space) -> TuneResult:
    settings, trials = runner.experiment.settings, study.get_trials(deepcopy=False)
    tried = runs_of(trials)
    folders = [runner.folder / proposal_of(trial)["run"] for trial in tried]
    return TuneResult(
        name=settings.name.removesuffix(f"-{SUFFIX}"),
        by=settings.search.by,
        objective=settings.objective.searched,
        target=settings.aim,
        evaluated_on=runner.judged_on(folders),
        declared=runner.declared(folders),
        data=runner.data.label,
        engine=settings.engine.name,
        run_iterations=runner.experiment.workload.iterations,
        tried=tuple(_tried(trial) for trial in tried),
        samplers=tuple(samplers_of(trials)),
        range_cost=None if space.range_test is None else space.range_test.cost,
        allocation=_allocation(settings.search, space),
    )


def _allocation(settings: SearchSettings, space: Space) -> str:
    if settings.sampler in ("grid", "quasi-random"):
        return ""
    if settings.allocation == "equal":
        shared = "policies that the sampler proposes" if settings.predictions else "policies"
        text = f"each LR function has the same share of the {shared} (search.allocation)"
    else:
        text = "promising LR functions are tried more often (search.allocation: adaptive)"
    if settings.sampler == "tpe" and space.base_rate is not None:
        text += "; the base rate is learnt from all of them"
    if settings.predictions:
        text += "; from six trained policies on, two of three are those predicted to be best (search.predictions)"
    return text


def _tried(trial: optuna.trial.FrozenTrial) -> Tried:
    unknown = dict.fromkeys(("best_accuracy", "iterations_to_best", "iterations_to_target"))
    running = {"status": "running", **unknown, "iterations": 0, "seconds": 0.0}
    return Tried(**proposal_of(trial), **{"best_accuracy": None, **trial.user_attrs.get(OUTCOME, running)})
