"""The search: what it tries, when it ends, what it costs, and how it goes on after it was killed."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import replace

import optuna
import pytest
from factories.made_up_runs import ITERATIONS, MadeUp, made_up_runner
from factories.replay import ReplayRunner
from optuna.samplers import QMCSampler, TPESampler

from lrbench.errors import PolicyError, SpecError, UsageError
from lrbench.executors.dispatcher import Outcome
from lrbench.executors.plan import Task
from lrbench.policies.table import MODERN, PAPER_CYCLIC
from lrbench.report.render import render
from lrbench.report.views.tune import tune_data, tune_document
from lrbench.runs.directory import RunDirectory
from lrbench.spec.objective import ObjectiveSettings
from lrbench.tuning.search import Search
from lrbench.tuning.space import DEFAULT, search_space
from lrbench.tuning.study import STUDY_FILE, open_study, opened_storage, shown_storage
from lrbench.tuning.tune import identity, reranked, search, tune

RATES = "rates: [0.001, 0.3]"


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """A study writes each of its steps through to the disk, and nobody pulls the plug here."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def runner(tmp_path, digits):
    """Makes the runner of a search that leaves all proposals to the sampler."""
    return lambda text: made_up_runner(tmp_path, digits, f"{text}\npredictions: false")


def space_of(runner):
    settings = runner.experiment.settings.search
    return search_space(settings, settings.rates, runner.experiment.document)


def found(runner):
    return search(runner, space_of(runner))


@pytest.mark.parametrize(
    ("functions", "digest"), [("paper13", "d08ddd4a03f85456"), ("WARMUP, REX, POLYDECAY", "422f3913205c7e7b")]
)
def test_studies_of_earlier_versions_are_of_the_same_space_still(runner, functions, digest):
    made = runner(f"rates: [0.001, 0.1]\nfunctions: [{functions}]")
    text = json.dumps(identity(made, space_of(made))["search space"], sort_keys=True, default=str)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def test_sets_and_names_of_functions_are_mixed_each_once(runner):
    labels = space_of(runner("rates: [0.001, 0.1]\nfunctions: [WSD, paper13, modern, COSDECAY]")).labels
    assert labels[:2] == ["WSD", "FIX"]
    assert labels[-5:] == ["WARMUP", "WARMUP-LINEAR", "WSD-SQRT", "ONECYCLE", "COSDECAY"]
    assert len(labels) == len(set(labels)) == 13 + 6
    assert space_of(runner("rates: [0.001, 0.1]")).labels == list(DEFAULT)


def test_it_finds_the_best_rate_and_says_what_that_cost(runner):
    result = found(runner(RATES + "\nfunctions: [FIX]\ntrials: 40"))
    rate = float(result.best[0].policy.removeprefix("FIX(k0=").removesuffix(")"))
    assert 0.04 < rate < 0.0625
    assert len(result.tried) == 40
    assert result.iterations == sum(tried.iterations for tried in result.tried) < 40 * ITERATIONS
    states = Counter(tried.status for tried in result.tried)
    assert states.keys() == {"finished", "pending", "diverged"}
    assert all(tried.best_accuracy is None for tried in result.tried if tried.status == "diverged")


def test_what_was_given_up_was_worse_than_half_of_the_others(runner):
    result = found(runner(RATES + "\nfunctions: [FIX]\ntrials: 40"))
    best = result.best[0].best_accuracy
    pruned = [tried for tried in result.tried if tried.status == "pending"]
    assert len(pruned) > 5
    assert all(tried.best_accuracy < best and tried.iterations < ITERATIONS for tried in pruned)
    unpruned = found(made_up_elsewhere(runner, RATES + "\nfunctions: [FIX]\ntrials: 40\npruner: none"))
    assert not any(tried.status == "pending" for tried in unpruned.tried)
    assert unpruned.iterations > result.iterations


def made_up_elsewhere(runner, text):
    made = runner(text)
    return replace(made, results=made.results / "elsewhere", reached={})


@pytest.mark.parametrize("sampler", ["tpe", "random", "quasi-random"])
def test_every_sampler_keeps_to_the_number_of_policies(runner, sampler):
    assert len(found(runner(f"{RATES}\ntrials: 14\nsampler: {sampler}")).tried) == 14


def test_a_budget_of_iterations_ends_it(runner):
    result = found(runner(RATES + "\niterations: 1000\npruner: none\nfunctions: [FIX]"))
    assert 1000 - ITERATIONS < result.iterations <= 1000


def test_a_grid_tries_everything_once(runner):
    text = (
        "sampler: grid\npruner: none\ntrials: 1000\nspace:\n"
        "  - {function: FIX, k0: [0.01, 0.05, 0.1]}\n"
        "  - {function: TRI, k0: [0.001, 0.002], k1: {low: 0.01, high: 0.1, log: true}, l: 10}\n"
        "  - {function: EXP, k0: 0.05, gamma: 0.99}\npoints: 2"
    )
    result = found(runner(text))
    policies = [tried.policy for tried in result.tried]
    assert len(set(policies)) == len(policies) == 3 + 4 + 1
    assert "TRI(k0=0.002, k1=0.1, l=10)" in policies


def test_a_small_space_is_not_tried_again_and_again(runner):
    result = found(runner("trials: 1000\npruner: none\nspace: ['FIX(k0=[0.01, 0.02, 0.03, 0.04])']"))
    assert sorted(tried.policy for tried in result.tried) == [f"FIX(k0=0.0{rate})" for rate in (1, 2, 3, 4)]


def test_an_equal_share_for_every_function(runner):
    result = found(runner(RATES + "\nfunctions: [FIX, STEP, SINEXP]\ntrials: 15\nallocation: equal"))
    assert Counter(tried.function for tried in result.tried) == {"FIX": 5, "STEP": 5, "SINEXP": 5}


def test_fewest_iterations_to_the_target(runner):
    result = found(runner(RATES + "\nfunctions: [FIX]\ntrials: 40\nobjective: iterations"))
    reached = [tried.iterations_to_target for tried in result.tried if tried.iterations_to_target is not None]
    assert result.best[0].iterations_to_target == min(reached)
    assert result.best[0].iterations == min(reached)
    assert result.best[0].status == "stopped"


def test_a_run_that_cannot_be_the_first_at_the_target_any_more_ends(runner):
    search = RATES + "\nfunctions: [FIX]\ntrials: 40\nobjective: iterations"
    result = found(runner(search))
    first = 120
    for tried in result.tried:
        assert tried.iterations <= first
        first = min(first, tried.iterations_to_target or 120)
    assert sum(tried.status == "pending" for tried in result.tried) > 5
    whole = found(replace(runner(search + "\npruner: none"), results=runner(search).results / "whole"))
    assert whole.iterations > result.iterations
    assert whole.best[0].iterations_to_target == result.best[0].iterations_to_target


class TwoSideBySide(ReplayRunner):
    """Takes the next two runs before it plays the first."""

    def run(self, tasks, on_end=lambda outcome: None):
        tasks, waiting = iter(tasks), []
        outcomes: list[Outcome] = []
        while True:
            task = next(tasks, None)
            waiting += [] if task is None else [task]
            if not waiting:
                return outcomes
            if task is None or len(waiting) == 2:
                outcomes += super().run([waiting.pop(0)], on_end)


def test_side_by_side_the_budget_is_used_up_and_not_overspent(runner):
    search = RATES + f"\nfunctions: [FIX]\niterations: {6 * ITERATIONS}\nobjective: iterations"
    made = runner(search)
    pair = TwoSideBySide(made.experiment, made.data, made.engine, made.results, table=MadeUp())
    result = found(pair)
    assert 5 * ITERATIONS < result.iterations <= 6 * ITERATIONS


def test_a_pareto_front_of_accuracy_and_iterations(runner):
    result = found(runner(RATES + "\nfunctions: [FIX, COS]\ntrials: 30\nobjective: both"))
    front = result.best
    assert front
    accuracies = [tried.best_accuracy for tried in front]
    assert accuracies == sorted(accuracies, reverse=True)
    for tried in result.tried:
        if tried.ended:
            assert any(
                better.best_accuracy >= tried.best_accuracy
                and (better.iterations_to_target or 10**9) <= (tried.iterations_to_target or 10**9)
                for better in front
            )


def test_the_same_seed_searches_alike_and_another_does_not(runner):
    first, second, other = (
        [tried.policy for tried in found(made).tried]
        for made in (
            runner(RATES + "\ntrials: 12"),
            made_up_elsewhere(runner, RATES + "\ntrials: 12"),
            replace(
                made_up_elsewhere(runner, RATES + "\ntrials: 12\nsampler_seed: 1"),
                results=runner(RATES).results / "third",
            ),
        )
    )
    assert first == second != other


def test_given_again_it_goes_on(runner):
    first = found(runner(RATES + "\ntrials: 6"))
    again = found(runner(RATES + "\ntrials: 9"))
    assert again.tried[:6] == first.tried
    assert len(again.tried) == 9


def test_a_policy_that_two_processes_proposed_at_once_counts_once(runner):
    first = found(runner(RATES + "\ntrials: 3"))
    with opened_storage(str(runner(RATES).with_suffix("tune").folder / STUDY_FILE)) as storage:
        (name,) = optuna.get_all_study_names(storage)
        study = optuna.load_study(study_name=name, storage=storage)
        study.add_trial(study.get_trials()[-1])
    again = found(runner(RATES + "\ntrials: 5"))
    assert again.tried[:3] == first.tried
    assert len({tried.policy for tried in again.tried}) == 5


def test_two_processes_do_not_both_take_the_last_place_in_the_budget(runner, monkeypatch):
    found(runner(RATES + "\ntrials: 3"))
    ask = optuna.Study.ask
    together = threading.Barrier(2)

    def ask_together(study):
        with suppress(threading.BrokenBarrierError):
            together.wait(timeout=0.5)
        study.sampler.reseed_rng()  # as in processes that have proposed different policies before
        return ask(study)

    monkeypatch.setattr("optuna.Study.ask", ask_together)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(found, [runner(RATES + "\ntrials: 4") for _ in range(2)]))
    assert [len(result.tried) for result in results] == [4, 4]


@pytest.mark.parametrize("sampler", ["tpe", "quasi-random"])
def test_no_default_of_optuna_decides_what_is_proposed(runner, monkeypatch, sampler):
    text = f"{RATES}\ntrials: 14\nsampler: {sampler}"
    expected = found(runner(text)).tried
    changed = {"n_startup_trials": 2, "n_ei_candidates": 3, "multivariate": True, "constant_liar": False}
    for kind, defaults in ((TPESampler, changed), (QMCSampler, {"qmc_type": "halton", "scramble": False})):
        for name, value in defaults.items():
            monkeypatch.setitem(inspect.unwrap(kind.__init__).__kwdefaults__, name, value)
    assert found(made_up_elsewhere(runner, text)).tried == expected


def shown(result):
    return " ".join(render(tune_document(result), "text", 200).decode().split())


def test_a_search_that_goes_on_under_other_sampler_settings_says_so(runner):
    first = found(runner(RATES + "\ntrials: 6"))
    assert tune_data(first)["samplers"] == [
        {
            "sampler": "tpe",
            "n_startup_trials": 10,
            "n_ei_candidates": 24,
            "multivariate": False,
            "group": False,
            "constant_liar": True,
            "seed": 0,
            "optuna": optuna.__version__,
        }
    ]
    assert "proposed under" not in shown(first)
    again = found(runner(RATES + "\ntrials: 9\nsampler: random\nsampler_seed: 4"))
    assert again.tried[:6] == first.tried
    assert [settings["sampler"] for settings in tune_data(again)["samplers"]] == ["tpe", "random"]
    version = optuna.__version__
    assert (
        f"proposed under different settings: tpe, seed 0, with Optuna {version}; random, seed 4, with Optuna {version}"
        in shown(again)
    )


def parameters_of(made):
    made = made.with_suffix("tune")
    storage = str(made.folder / "study.journal")
    study = open_study(storage, "trial-tune", made.experiment.settings.search, identity(made, space_of(made)), 12)
    return [trial.params for trial in study.trials]


def test_each_function_has_the_same_share_and_all_share_the_base_rate(runner):
    made = runner(RATES + "\nfunctions: [FIX, EXP, TRI]\ntrials: 12")
    result = found(made)
    assert Counter(tried.function for tried in result.tried) == {"FIX": 4, "EXP": 4, "TRI": 4}
    for tried, parameters in zip(result.tried, parameters_of(made), strict=True):
        shape = {"FIX": set(), "EXP": {"EXP.left"}, "TRI": {"TRI.floor", "TRI.cycles"}}[tried.function]
        assert parameters.keys() == {"function", "rate", *shape}
    assert "each LR function has the same share of the policies (search.allocation); the base rate is" in shown(result)
    assert tune_data(result)["allocation"].endswith("; the base rate is learnt from all of them")


def test_the_first_base_rates_cover_the_range_evenly_from_its_middle_on(runner):
    made = runner("rates: [0.0001, 0.1]\nfunctions: [FIX, EXP, TRI]\ntrials: 11")
    found(made)
    logs = [math.log10(parameters["rate"]) for parameters in parameters_of(made)]
    assert logs[:7] == pytest.approx([-2.5, -3.25, -1.75, -3.625, -2.125, -2.875, -1.375])
    assert logs[10] != pytest.approx(-4 + 3 * 13 / 16)  # the sampler's own
    plain = replace(
        runner("rates: [0.0001, 0.1]\nfunctions: [FIX, EXP]\ntrials: 2\nsampler: random"), results=made.results / "r"
    )
    found(plain)
    assert math.log10(parameters_of(plain)[0]["rate"]) != pytest.approx(-2.5)


@pytest.mark.parametrize(
    ("budget", "functions"),
    [
        ("trials: 9", MODERN),
        (f"trials: 1000\niterations: {9 * ITERATIONS}", MODERN),
        ("trials: 28", (*MODERN, *PAPER_CYCLIC)),
        (f"trials: 9\nfunctions: [{', '.join(PAPER_CYCLIC)}, FIX, STEP]", (*PAPER_CYCLIC, "FIX", "STEP")),
    ],
)
def test_a_budget_that_is_small_for_the_default_functions_goes_to_todays_schedules(runner, budget, functions):
    result = found(runner(f"{RATES}\n{budget}"))
    assert {tried.function for tried in result.tried} <= set(functions)
    assert len({tried.function for tried in result.tried}) == min(len(functions), len(result.tried))


def test_a_single_function_and_the_values_of_a_grid_have_parameters_of_their_own(runner):
    alone = runner(RATES + "\nfunctions: [EXP]\ntrials: 2")
    found(alone)
    assert all(parameters.keys() == {"EXP.rate", "EXP.left"} for parameters in parameters_of(alone))
    assert "search.allocation" not in shown(found(alone))
    grid = replace(
        runner("rates: [0.01, 0.02]\nfunctions: [FIX, EXP]\nsampler: grid\npoints: 2"), results=alone.results / "grid"
    )
    result = found(grid)
    assert Counter(tried.function for tried in result.tried) == {"FIX": 2, "EXP": 4}
    assert "search.allocation" not in shown(result)


def test_promising_functions_are_tried_more_often_where_that_is_asked_for(runner):
    result = found(runner(RATES + "\nfunctions: [FIX, TRI2]\ntrials: 30\nallocation: adaptive"))
    counts = Counter(tried.function for tried in result.tried)
    assert counts["FIX"] != counts["TRI2"]
    assert "promising LR functions are tried more often (search.allocation: adaptive); the base rate" in shown(result)


class Killed(BaseException):
    """What a kill is to the search: nothing of it runs afterwards."""


def test_a_killed_search_takes_up_what_it_was_doing(runner):
    made = runner(RATES + "\ntrials: 8\npruner: none")

    class Dies(MadeUp):
        left = 3

        def __getitem__(self, key):
            Dies.left -= 1
            if Dies.left < 0:
                raise Killed
            return super().__getitem__(key)

    with pytest.raises(Killed):
        found(replace(made, table=Dies()))
    study = open_study(
        str(made.with_suffix("tune").folder / "study.journal"),
        "trial-tune",
        made.experiment.settings.search,
        identity(made.with_suffix("tune"), space_of(made)),
        12,
    )
    cut_off = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.RUNNING]
    assert len(cut_off) == 1
    result = found(made)
    assert len(result.tried) == 8
    finished = {tried.policy for tried in result.tried if tried.status == "finished"}
    assert cut_off[0].user_attrs["asked"]["policy"] in finished
    assert not [trial for trial in study.trials if trial.state == optuna.trial.TrialState.RUNNING]


def test_a_trial_that_another_process_runs_is_left_to_it(runner, monkeypatch):
    made = runner(RATES + "\ntrials: 3\npruner: none").with_suffix("tune")
    space = space_of(made)
    study = open_study(
        str(made.folder / "study.journal"), "trial-tune", made.experiment.settings.search, identity(made, space), 12
    )
    asked: list[Task] = []
    with monkeypatch.context() as patch:
        patch.setattr(
            type(made), "run", lambda _self, tasks, _tell: asked.append(next(tasks))
        )  # one, and trains nothing
        Search(made, study, space).run()
    (task,) = asked
    with RunDirectory(task.folder).locked():
        Search(made, study, space).run()
    assert study.trials[0].state == optuna.trial.TrialState.RUNNING
    assert len(study.trials) == 3


def test_a_trial_that_another_process_is_just_proposing_is_not_taken_for_one_left_behind(runner, monkeypatch):
    made = runner(RATES + "\nfunctions: [FIX, TRI]\ntrials: 3\npruner: none").with_suffix("tune")
    space = space_of(made)
    storage = str(made.folder / "study.journal")
    study = open_study(storage, "trial-tune", made.experiment.settings.search, identity(made, space), 12)
    ask = optuna.Study.ask
    others: list[Future[None]] = []

    def asked_meanwhile(study):
        trial = ask(study)
        if not others:
            others.append(pool.submit(Search(made, study, space).run))
            wait(others, timeout=0.5)
        return trial

    monkeypatch.setattr("optuna.Study.ask", asked_meanwhile)
    with ThreadPoolExecutor(1) as pool:
        Search(made, study, space).run()
    others[0].result()
    assert [trial.state.name for trial in study.trials if not trial.user_attrs] == []


def test_a_search_ends_when_the_policies_of_other_processes_have_ended(runner, monkeypatch):
    made = runner(RATES + "\ntrials: 3\npruner: none").with_suffix("tune")
    space = space_of(made)
    storage = str(made.folder / "study.journal")
    study = open_study(storage, "trial-tune", made.experiment.settings.search, identity(made, space), 12)
    asked: list[Task] = []
    with monkeypatch.context() as patch:
        patch.setattr(type(made), "run", lambda _self, tasks, _tell: asked.append(next(tasks)))
        Search(made, study, space).run()
    looks = []
    with ExitStack() as other:
        other.enter_context(RunDirectory(asked[0].folder).locked())

        def look(_seconds):
            """At the second look the other process has been killed."""
            looks.append(study.trials[0].state.name)
            if len(looks) == 2:
                other.close()

        monkeypatch.setattr("lrbench.tuning.search.time.sleep", look)
        result = found(runner(RATES + "\ntrials: 3\npruner: none"))
    assert looks == ["RUNNING", "RUNNING"]
    assert [tried.status for tried in result.tried].count("running") == 0
    assert len(result.tried) == 3


def test_a_failure_of_the_search_itself_is_not_swallowed(runner, monkeypatch):
    made = runner(RATES + "\ntrials: 3")
    monkeypatch.setattr(Search, "_values", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        found(made)


def test_a_study_of_another_workload_or_space_is_refused(runner):
    found(runner(RATES + "\ntrials: 2"))
    with pytest.raises(SpecError, match=r"was made for another search space; name another with --storage"):
        found(runner("rates: [0.001, 0.1]\ntrials: 2"))
    shorter = runner(RATES + "\ntrials: 2").with_iterations(60)
    with pytest.raises(SpecError, match=r"trial-tune in .*study.journal: was made for another workload"):
        found(shorter)


@pytest.mark.parametrize(
    ("storage", "problem"),
    [
        ("nonsense://x", "nonsense://x: cannot be opened"),
        ("postgresql+psycopg://me:secret@localhost:1/none", "postgresql://localhost:1/none: cannot be opened"),
        ("postgresql://localhost:1/none?user=me&password=secret", "postgresql://localhost:1/none: cannot be opened"),
        ("postgresql://localhost:1/none?secret=secret", r"postgresql://localhost:1/none: cannot be opened: .*\*\*\*"),
        (
            "postgresql:/me:secret@localhost/x",
            "the URL of the database cannot be read; for example postgresql://USER:PASSWORD@",
        ),
        ("mysql+nonsense://me:secret@localhost/x", "mysql://localhost/x: cannot be opened"),
        ("/proc/none/study.journal", "/proc/none/study.journal: cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_clear_line(runner, storage, problem):
    made = runner(RATES + "\ntrials: 2")
    with pytest.raises(UsageError, match=problem) as refused:
        search(made, space_of(made), storage)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_database_that_is_gone_in_the_middle_is_one_clear_line(runner, tmp_path, monkeypatch):
    made = runner(RATES + "\ntrials: 2")
    wait = Search._tell

    def gone(self, outcome):
        (tmp_path / "studies.sqlite").write_text("no database any more" * 100)
        wait(self, outcome)

    monkeypatch.setattr(Search, "_tell", gone)
    with pytest.raises(SpecError, match=f"sqlite:///{tmp_path}/studies.sqlite: cannot be used any more: ") as refused:
        search(made, space_of(made), f"sqlite:///{tmp_path}/studies.sqlite?timeout=5")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_study_is_one_clear_line(runner, tmp_path):
    made = runner(RATES + "\ntrials: 2")
    path = tmp_path / "other"
    path.write_text("not a journal\n")
    with pytest.raises(SpecError, match="other: is a file of another kind, no study; name another with --storage"):
        search(made, space_of(made), str(path))
    assert path.read_text() == "not a journal\n"


def test_a_password_is_never_shown():
    assert shown_storage("postgresql://me:secret@host/name") == "postgresql://host/name"
    assert shown_storage("postgresql:/me:secret@host/name") == "postgresql:/host/name"
    assert shown_storage("studies/a.journal") == "studies/a.journal"
    assert "secret" not in shown_storage("post gres://me:secret@host:port/name")


def test_an_impossible_space_is_refused_before_anything_is_written(runner):
    made = runner("space: ['POLY(k0=0.1, p=2, l=[50, 1000])']")
    with pytest.raises(PolicyError, match="l is 50, but the run goes on to"):
        found(made)
    assert not made.results.exists()


def test_the_best_is_confirmed_beside_the_baselines_with_the_specs_seeds(runner):
    made = runner(RATES + "\nfunctions: [FIX]\ntrials: 20\nconfirm: 2\nbaselines: ['FIX(k0=0.01)']")
    result = tune(made, made, space_of(made))
    assert [row.role for row in result.confirmed] == ["found", "found", "baseline"]
    assert [row.policy.text for row in result.confirmed[:2]] == [tried.policy for tried in result.best[:2]]
    assert result.confirmed[2].policy.text == "FIX(k0=0.01)"
    for row in result.confirmed:
        assert [outcome.seed for outcome in row.outcomes] == [0, 1]
    first, last = result.confirmed[0], result.confirmed[-1]
    assert first.to_target.n == 2
    assert last.to_target.n == 0
    assert first.ratio_to(last).mean is None


def test_nothing_is_confirmed_where_everything_diverged(runner):
    made = runner("rates: [0.2, 0.3]\nfunctions: [FIX]\ntrials: 5")
    result = tune(made, made, space_of(made))
    assert result.best == []
    assert result.confirmed == ()
    assert Counter(tried.status for tried in result.tried) == {"diverged": 5}


def test_a_function_with_nothing_left_to_try_does_not_end_an_equal_search(runner):
    text = (
        "trials: 8\nallocation: equal\nspace:\n"
        "  - FIX(k0=[0.01, 0.02])\n  - {function: COS, k0: 0.001, k1: {low: 0.01, high: 0.1}, l: 60}"
    )
    result = found(runner(text))
    assert Counter(tried.function for tried in result.tried) == {"FIX": 2, "COS": 6}


def test_a_search_by_a_minimised_metric_finds_the_lowest_value(runner):
    judged = runner(RATES + "\nfunctions: [FIX]\ntrials: 20")
    settings = judged.experiment.settings.model_copy(update={"objective": ObjectiveSettings(metric="test_loss")})
    judged = replace(judged, experiment=replace(judged.experiment, settings=settings), table=Lossy())
    result = found(judged)
    values = [tried.value for tried in result.ranked]
    assert values == sorted(values)
    assert values[0] == min(tried.value for tried in result.tried if tried.value is not None)
    data = tune_data(result)
    assert data["objective"] == "test_loss"
    assert "best_accuracy" not in data["best"][0]
    assert data["best"][0]["best_value"] == values[0]
    assert b"accuracy" not in render(tune_document(result), "markdown")


@pytest.mark.parametrize(("at", "chosen"), [("final", "FIX(k0=0.001)"), ("best", "FIX(k0=0.1)")])
def test_a_search_judges_at_the_evaluation_that_the_objective_names(runner, at, chosen):
    judged = runner("space: ['FIX(k0=[0.001, 0.1])']\nsampler: grid\nfinalists: 2\nfinal_seeds: 1")
    objective = ObjectiveSettings(metric="test_loss", at=at)
    judged = replace(judged.with_settings(objective=objective), table=Rising())
    result = reranked(judged, found(judged), 1)
    assert result.best[0].policy == chosen
    assert result.finals[0].policy.text == chosen
    first = tune_data(result)["best"][0]
    assert first["best_value"] == (0.5 if chosen == "FIX(k0=0.001)" else 0.1)
    assert first.get("final_value") == (0.5 if at == "final" else None)
    assert f" {at} test loss |" in render(tune_document(result), "markdown").decode()


class Rising(MadeUp):
    """Runs of a program whose test loss rises in the end where the rate is high."""

    def __missing__(self, key):
        played = super().__missing__(key)
        losses = [0.1, 0.9] if "0.1" in key[0] else [0.5, 0.5]
        last = len(played.rows) - 1
        rows = tuple(replace(row, metrics={"test_loss": losses[at == last]}) for at, row in enumerate(played.rows))
        return replace(played, rows=rows)


class Lossy(MadeUp):
    """Runs of a program that gives a test loss and no accuracy."""

    def __missing__(self, key):
        played = super().__missing__(key)
        rows = tuple(replace(row, metrics={"test_loss": 1 - row.accuracy}) for row in played.rows)
        return replace(played, rows=rows)


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_with_ahead_trials_do_not_depend_on_how_many_runs_go_on_at_a_time(tmp_path, digits, pruner):
    text = f"{RATES}\nfunctions: [FIX, TRI]\ntrials: 30\nahead: 4\npruner: {pruner}"
    tried = []
    for jobs in (1, 2, 4, 8):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        result = found(replace(made_up_runner(folder, digits, text), jobs=jobs))
        tried.append([(each.policy, each.status, each.iterations) for each in result.tried])
    assert len(tried[0]) == 30
    assert tried == [tried[0]] * 4


def test_a_search_with_ahead_that_was_cut_off_goes_on(runner):
    made = runner(f"{RATES}\nfunctions: [FIX]\ntrials: 12\nahead: 3")
    study = open_study(str(made.folder / "study.journal"), "s", made.experiment.settings.search, {}, 10)
    space = space_of(made)
    cut = Search(replace(made, jobs=2), study, space)
    run = cut._runner.run

    def stop_early(tasks, on_end):
        for count, task in enumerate(tasks):
            if count == 3:
                raise KeyboardInterrupt
            if task is not None:
                for outcome in run([task]):
                    on_end(outcome)
        return []

    object.__setattr__(cut._runner, "run", stop_early)
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    Search(made, study, space).run()
    assert [trial.state.name for trial in study.trials if trial.state.name == "RUNNING"] == []
    assert sum("asked" in trial.user_attrs for trial in study.trials) == 12
