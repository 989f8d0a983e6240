"""A whole range test on an engine that trains nothing: what it runs, finds, says and leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.fake_engine import FakeEngine, FakeSession

from lrbench.data import Prepared
from lrbench.engines.base import TrainResult
from lrbench.errors import EngineFailed
from lrbench.report.figures.range import plot_range
from lrbench.report.render import render
from lrbench.report.views.range import range_document
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import read_experiment
from lrbench.spec.sections import RangeSettings
from lrbench.tuning.range_test.result import RangeResult
from lrbench.tuning.range_test.running import range_test
from lrbench.tuning.setup import find_space
from lrbench.tuning.trial_runner import TrialRunner

SPEC = """\
name: trial
workload: {net: lenet, dataset: digits, batch_size: 32, test_batch_size: 100, iterations: 1000, test_interval: 100}
target_accuracy: 0.5
stopping: {at_target: true}
range: {seeds: [3, 4]}
"""
MakeBench = Callable[..., TrialRunner]


class FlatSession(FakeSession):
    """Its training loss tells nothing."""

    def train(self, rates: np.ndarray) -> TrainResult:
        trained = super().train(rates)
        return TrainResult(trained.iterations, 1.0 if trained.finite else np.nan, trained.seconds, trained.finite)


def bench_in(folder: Path, data: Prepared, engine: FakeEngine, *overrides: str) -> TrialRunner:
    (folder / "trial.yaml").write_text(SPEC)
    experiment = read_experiment(folder / "trial.yaml", overrides, TuningSettings)
    return TrialRunner(experiment, data, engine, folder / "results", jobs=4)


@pytest.fixture
def runner(tmp_path: Path, digits: Prepared) -> MakeBench:
    return lambda engine, *overrides: bench_in(tmp_path, digits, engine, *overrides)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``result`` has its runs."""
    return tmp_path_factory.mktemp("range")


@pytest.fixture(scope="module")
def result(folder: Path, digits: Prepared) -> RangeResult:
    """Of a net that breaks above 0.5. Accuracy is rate x iterations, up to 1."""
    return range_test(bench_in(folder, digits, FakeEngine(diverges_above=0.5)))


def test_the_range_of_a_net_that_breaks_at_a_known_rate(result, folder):
    low, high = result.rates
    assert low / 2.6 < 0.0041 <= low  # which makes 82 % in the 200 iterations of the longest runs
    assert high <= 0.5 < 2.6 * high
    assert {low, high} <= set(result.fixed.rates)
    assert result.plan.lengths == (50, 100, 200)
    assert result.sweep.end <= 0.5 < result.sweep.rises
    assert result.cost.runs == 2 + 2 * len(result.fixed.rates)
    names = {path.name.split("_")[0] for path in (folder / "results" / "trial-range").iterdir()}
    assert names == {"EXP", "FIX"}


def test_the_peak_is_the_largest_rate_that_trains_well_with_every_seed(result):
    assert result.rates is not None
    assert result.peak is not None
    assert result.peak.rate == result.rates[1]
    assert result.peak.reason.startswith("the largest rate that trains well with every seed: ")


def test_a_search_without_rates_runs_a_short_test_and_counts_it(runner):
    made = runner(FakeEngine(diverges_above=0.5), "search.validation=0", "range.seeds=3")
    default = made.with_settings(range=RangeSettings())
    space: Any = find_space(default, made.results, lambda _: None)
    assert space.range_test.plan.seeds == (1000,)
    assert space.range_test.plan.lengths == (50, 100)
    rate = space.parts[0].dimensions[0]
    assert (rate.low, rate.high) == space.range_test.search_rates
    full = range_test(default)
    assert space.range_test.cost.iterations < full.cost.iterations / 4
    again: Any = find_space(default, made.results, lambda _: None)
    assert again.range_test.cost == full.cost, "the runs of lrbench range are there already"


def test_runs_go_to_their_end_whatever_stops_the_specs_own(result, folder):
    statuses = [json.loads(path.read_text()) for path in folder.glob("results/*/*/status.json")]
    assert {status["status"] for status in statuses} == {"finished", "diverged"}
    assert {status["iteration"] for status in statuses if status["status"] == "finished"} == {200}


def test_a_second_test_runs_nothing_and_finds_the_same(result, folder, digits):
    engine = FakeEngine(diverges_above=0.5)
    again = range_test(bench_in(folder, digits, engine))
    assert engine.opened == 0
    assert (again.rates, again.reasons, again.cost) == (result.rates, result.reasons, result.cost)


def test_a_failed_run_ends_the_test_with_its_reason_and_the_next_goes_on(runner):
    def fail(session: FakeSession) -> None:
        if session.job.seed == 4 and session.job.iterations == 200:
            raise EngineFailed("out of memory")

    with pytest.raises(EngineFailed) as caught:
        range_test(runner(FakeEngine(fail, diverges_above=0.5)))
    assert "runs failed, the first with: out of memory" in str(caught.value)
    assert caught.value.exit_code == 1
    assert range_test(runner(FakeEngine(diverges_above=0.5))).rates is not None


def test_a_net_that_never_breaks_is_open_above(runner):
    result = range_test(runner(FakeEngine()))
    assert result.rates is not None
    assert result.rates[1] == 10
    assert "k1 is only known to be at least 10; to see where it ends, set range.high=100" in "\n".join(result.reasons)
    assert "does not rise up to there" in "\n".join(result.reasons)


def test_no_suggestion_for_a_net_that_breaks_at_every_rate(runner):
    result = range_test(runner(FakeEngine(diverges_above=0)))
    assert result.rates is None
    assert "none of the rates tried, 1e-05 to 10, trained beyond chance (10.0%" in result.reasons[0]
    assert json.loads(render(range_document([result], "w"), "json"))["solvers"][0]["rates"] is None


def test_where_the_sweep_says_nothing_the_fixed_rates_decide_and_it_is_said(runner):
    class Flat(FakeEngine):
        def open(self, job):
            return FlatSession(job, self)

    result = range_test(runner(Flat(diverges_above=0.5)))
    assert result.sweep.start is None
    assert result.rates is not None
    assert result.rates[1] <= 0.5 < 2.6 * result.rates[1]
    assert "disagree on whether the net trains; the latter decide" in "\n".join(result.reasons)


def test_bounds_are_kept(runner):
    result = range_test(runner(FakeEngine(diverges_above=0.5), "range.low=0.01", "range.high=0.1"))
    assert result.rates == (0.01, 0.1)
    assert result.fixed.rates.min() == 0.01
    assert result.fixed.rates.max() == 0.1
    assert "k0 is only known to be at most 0.01" in "\n".join(result.reasons)


def test_rates_are_before_the_solvers_lr_scale(runner, result):
    scaled = range_test(runner(FakeEngine(diverges_above=0.5), "solver={lr_scale: 0.1}"))
    assert scaled.plan.high == 100
    assert scaled.rates == pytest.approx([10 * rate for rate in result.rates])
    assert (
        "rates are before the solver's lr\\_scale of 0.1" in render(range_document([scaled], "w"), "markdown").decode()
    )


@pytest.mark.parametrize(("validation", "images"), [("null", 200), ("300", 200), ("100", 100), ("0", 500)])
def test_at_most_so_many_images_are_held_out_in_whole_batches(runner, tmp_path, validation, images):
    given = runner(FakeEngine(), f"search.validation={validation}")
    judged = given.on_validation(tmp_path, most=250)
    assert judged.data.test_count == images
    assert judged.evaluated_on == ("test" if validation == "0" else "validation")


def test_the_screen(result):
    text = render(range_document([result], "lenet on digits"), "text", 100).decode()
    assert text.startswith(
        "lenet on digits: rates for SGD\n\naccuracy in % on 500 test images, at a fixed rate, seeds 3,"
    )
    assert "at a fixed rate, seeds 3, 4: seeds change nothing; " in " ".join(text.split())  # of the made-up engine
    assert "±" not in text
    assert "what is chosen by the test set cannot be judged by it" in " ".join(text.split())
    low, high = result.rates
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert rows[f"{low:g}"].split("  ")[-1].strip().startswith("k0")
    assert rows[f"{high:g}"].split("  ")[-1].strip().startswith("k1")
    assert "diverged" in rows[f"{result.fixed.rates[-1]:g}"]
    beyond = result.reading.largest.beyond
    assert high < beyond
    assert f"search:\n  rates: [{low:g}, {beyond:g}]\n" in text
    assert max(map(len, text.splitlines())) <= 100
    assert f"cost: {result.cost.runs} runs, {result.cost.iterations:,} iterations" in text


def test_json_has_every_number(result):
    solver = json.loads(render(range_document([result], "lenet on digits"), "json"))["solvers"][0]
    assert solver["rates"] == list(result.rates)
    assert solver["search_rates"] == list(result.search_rates)
    assert solver["sweep"]["end"] == result.sweep.end
    assert solver["sweep"]["train_loss"][0][-1] is None
    assert [length["iterations"] for length in solver["fixed"]] == [50, 100, 200]
    assert solver["fixed"][-1]["accuracy_top1"][0][-1] is None
    assert solver["fixed"][-1]["reading"]["largest"]["rate"] == result.rates[1]


def test_the_picture_is_drawn_whatever_was_found(result, tmp_path, digits):
    found = [result]
    for limit in (0, np.inf):
        (tmp_path / str(limit)).mkdir()
        found.append(range_test(bench_in(tmp_path / str(limit), digits, FakeEngine(diverges_above=limit))))
    plot_range(found, "a $net$ on \u4e2d", tmp_path / "range.png")
    assert (tmp_path / "range.png").read_bytes().startswith(b"\x89PNG")
