"""From a spec to the policies worth training with: search on held-out data, then confirm on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrbench.policies import Policy, parse_policy
from lrbench.runs.status import COMPLETED
from lrbench.tuning.bench import Bench
from lrbench.tuning.confirm import SUFFIX as CONFIRMED
from lrbench.tuning.confirm import Confirmed, confirm
from lrbench.tuning.finals import finals
from lrbench.tuning.search import OUTCOME, Search, asked, runs_of, samplers_of
from lrbench.tuning.space import Space
from lrbench.tuning.study import STUDY_FILE, open_study, storage_errors

if TYPE_CHECKING:
    import optuna

SUFFIX = "tune"
FOUND, BASELINE = "found", "baseline"


@dataclass(frozen=True)
class Tried:
    """A policy that the search tried, as far as its run went.

    Attributes:
        status: the run's, where ``pending`` is one that was given up ("pruned").
        best_accuracy: a fraction, on what the search judges by; None where the run has none.
        iterations_to_best, iterations_to_target: None where not reached.
        iterations: how many were trained; ``seconds`` of training and evaluating they took.
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

    @property
    def ended(self) -> bool:
        """Whether it was trained to its end without diverging."""
        return self.status in COMPLETED and self.best_accuracy is not None


@dataclass(frozen=True)
class TuneResult:
    """What a search found, and what it cost.

    Attributes:
        tried: every run once, in the order of their first trials.
        evaluated_on: "validation" or "test": what ``tried`` was judged on.
        engine: what the search trained with; ``confirmed_engine``: what the confirming runs did.
        run_iterations: of a full run.
        finals: the best of the search over further seeds, the best first; empty where there were none.
        confirmed: full runs of the best and the baselines, on the test set; of further finalists where all before
            them diverged.
        samplers: the distinct settings of the samplers that proposed ``tried``; None stands for trials of a version
            that recorded none.
    """

    name: str
    objective: str
    target: float | None
    evaluated_on: str
    data: str
    engine: str
    run_iterations: int
    tried: tuple[Tried, ...]
    finals: tuple[Confirmed, ...] = ()
    confirmed: tuple[Confirmed, ...] = ()
    confirmed_engine: str | None = None
    samplers: tuple[dict[str, Any] | None, ...] = ()

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
        """Those trained to their end, the best first; of several with equal accuracy the one that had it sooner."""
        ended = [tried for tried in self.tried if tried.ended]
        if self.objective == "iterations":
            return sorted(ended, key=lambda tried: (_late(tried.iterations_to_target), *_worse(tried)))
        return sorted(ended, key=_worse)

    @property
    def pareto(self) -> list[Tried]:
        """Those that no other beats in accuracy without needing more iterations to the target; best accuracy first."""
        front: list[Tried] = []
        for tried in sorted(self.ranked, key=lambda tried: (_worse(tried)[0], _late(tried.iterations_to_target))):
            if not front or _late(tried.iterations_to_target) < _late(front[-1].iterations_to_target):
                front.append(tried)
        return front

    @property
    def best(self) -> list[Tried]:
        """What the search recommends, in order: the Pareto front where two things were asked for."""
        return self.pareto if self.objective == "both" else self.ranked

    @property
    def chosen(self) -> list[Policy]:
        """The same as policies, the finalists in the order of the finals before all others."""
        return list(
            dict.fromkeys([*(row.policy for row in self.finals), *(parse_policy(tried.policy) for tried in self.best)])
        )


def _worse(tried: Tried) -> tuple[float, float]:
    return -(tried.best_accuracy or 0.0), _late(tried.iterations_to_best)


def _late(iterations: int | None) -> float:
    return float("inf") if iterations is None else iterations


def tune(bench: Bench, judge: Bench, space: Space, storage: str | None = None) -> TuneResult:
    """Search, or go on with a search, then confirm the best policies beside the baselines.

    Args:
        bench: on the data to confirm on.
        judge: the same on the data to search on.
        storage: a database's URL or a file for the study; by default a file in the search's folder.

    Raises:
        UsageError: the space or a baseline is impossible, or the study is of something else.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    beside = baselines(bench)
    most = judge.experiment.settings.search.confirm
    found = with_finals(judge, search(judge, space, storage), most)
    policies = dict.fromkeys(found.chosen[:most], FOUND)
    for policy in beside:
        policies.setdefault(policy, BASELINE)
    if FOUND not in policies.values():
        return found
    others = found.chosen[most : judge.experiment.settings.search.finalists]
    confirmed = _confirmed(bench.named(CONFIRMED), policies, others)
    return replace(found, confirmed=tuple(confirmed), confirmed_engine=bench.experiment.settings.engine.name)


def _confirmed(bench: Bench, policies: Mapping[Policy, str], others: Sequence[Policy]) -> list[Confirmed]:
    """The policies over the spec's seeds; the next of the others, too, as long as all that were found diverge.

    That the training breaks down shows without the test set, so nothing is chosen on it.
    """
    rows = confirm(bench, policies, bench.experiment.settings.seeds)
    for policy in others:
        found = [row for row in rows if row.role == FOUND]
        if any(not row.diverged for row in found):
            break
        if policy not in policies:
            rows[len(found) : len(found)] = confirm(bench, {policy: FOUND}, bench.experiment.settings.seeds)
    return rows


def with_finals(judge: Bench, found: TuneResult, most: int) -> TuneResult:
    """The same with the finals by which ``most`` policies are chosen; those that are on disk count.

    Raises:
        Interrupted: Ctrl-C; what was done is on disk.
    """
    return replace(found, finals=finals(_judging(judge), [tried.policy for tried in found.best], most))


def _judging(judge: Bench) -> Bench:
    """Where a search has its runs, which end at the target where that is all that counts."""
    judge = judge.named(SUFFIX)
    return judge.stopping(at_target=True) if judge.experiment.settings.search.objective == "iterations" else judge


def search(judge: Bench, space: Space, storage: str | None = None) -> TuneResult:
    """Search, or go on with a search; nothing is confirmed.

    Raises:
        As ``tune``.
    """
    judge = _judging(judge)
    settings, workload = judge.experiment.settings, judge.experiment.workload
    with judge.experiment.document.placing("search"):
        space.check(workload.iterations)
    if settings.search.sampler == "grid":
        space = space.discrete(settings.search.points)
    judge.check(
        judge.task(next(iter(space.discrete(1).parts[0].policies(workload.iterations))), settings.search.search_seed)
    )
    study = _study(judge, space, storage)
    with storage_errors(_place(judge, storage)):
        Search(judge, study, space).run()
        return _result(judge, study)


def earlier(judge: Bench, space: Space) -> TuneResult | None:
    """What a search of that space has found so far, None where none was begun in the results folder.

    Raises:
        SpecError: the study there is of something else.
    """
    judge = judge.named(SUFFIX)
    settings = judge.experiment.settings.search
    if not (judge.folder / STUDY_FILE).exists():
        return None
    return _result(judge, _study(judge, space.discrete(settings.points) if settings.sampler == "grid" else space))


def _study(judge: Bench, space: Space, storage: str | None = None) -> optuna.Study:
    settings, workload = judge.experiment.settings.search, judge.experiment.workload
    evaluations = -(-workload.iterations // workload.test_interval)
    return open_study(_place(judge, storage), judge.experiment.name, settings, identity(judge, space), evaluations)


def _place(judge: Bench, storage: str | None) -> str:
    return storage or str(judge.folder / STUDY_FILE)


def identity(judge: Bench, space: Space) -> dict[str, Any]:
    """What all trials of a study have in common."""
    settings = judge.experiment.settings
    return {
        "workload": judge.experiment.workload.describe(judge.data),
        "solver": settings.solver[0].resolved(),
        "engine": settings.engine.name,
        "search space": [[part.label, *part.dimensions] for part in space.parts],
        "objective": [
            settings.search.objective,
            settings.target_accuracy if settings.search.objective != "accuracy" else None,
        ],
        "search seed": settings.search.search_seed,
    }


def baselines(bench: Bench) -> list[Policy]:
    """The policies that the spec wants beside those found.

    Raises:
        PolicyError: one is none, or impossible in a run of that length; with the spec's line.
    """
    found = []
    for index, text in enumerate(bench.experiment.settings.search.baselines):
        with bench.experiment.document.placing("search", "baselines", index):
            found.append(parse_policy(text))
            found[-1].check(bench.experiment.workload.iterations)
    return found


def _result(judge: Bench, study: optuna.Study) -> TuneResult:
    settings, trials = judge.experiment.settings, study.get_trials(deepcopy=False)
    return TuneResult(
        name=settings.name.removesuffix(f"-{SUFFIX}"),
        objective=settings.search.objective,
        target=settings.target_accuracy,
        evaluated_on=judge.evaluated_on,
        data=judge.data.label,
        engine=settings.engine.name,
        run_iterations=judge.experiment.workload.iterations,
        tried=tuple(_tried(trial) for trial in runs_of(trials)),
        samplers=tuple(samplers_of(trials)),
    )


def _tried(trial: optuna.trial.FrozenTrial) -> Tried:
    unknown = {
        "status": "running",
        "best_accuracy": None,
        "iterations_to_best": None,
        "iterations_to_target": None,
        "iterations": 0,
        "seconds": 0.0,
    }
    return Tried(**asked(trial), **trial.user_attrs.get(OUTCOME, unknown))


def study_file(results: Path, name: str) -> Path:
    """Where the study of the experiment of that name lies unless another storage is named."""
    return results / f"{name}-{SUFFIX}" / STUDY_FILE
