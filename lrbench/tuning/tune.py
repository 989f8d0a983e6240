"""Tuning of a spec: search for policies on held-out data, then confirm the best on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lrbench.metrics.objective import Objective, Target
from lrbench.policies import Policy
from lrbench.predicting.reading import LOSS
from lrbench.spec.model import ExperimentSettings
from lrbench.spec.search_settings import SearchSettings
from lrbench.tuning.baselines import careful_baselines, given_baselines
from lrbench.tuning.confirm import SUFFIX as CONFIRMED
from lrbench.tuning.confirm import Confirmed, confirm, finalist_count, rerank
from lrbench.tuning.result import BASELINE, FOUND, Tried, TuneResult
from lrbench.tuning.search import Search
from lrbench.tuning.space import Space
from lrbench.tuning.study import STUDY_FILE, open_study, storage_errors
from lrbench.tuning.trial_runner import TrialRunner
from lrbench.tuning.trials import OUTCOME, proposal_of, runs_of, samplers_of

if TYPE_CHECKING:
    import optuna

SUFFIX = "tune"


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
