"""``--dry-run`` of range, tune, compose and verify: the runs are counted, none is made."""

from __future__ import annotations

import pytest
from factories.fake_programs import write_program_run

SPEC = """
workload: {program: train.py, iterations: 200, evaluate_every: 50}
objective: {metric: test_loss}
seeds: [0, 1]
search: {rates: [0.01, 0.1], trials: 20, finalists: 4, final_seeds: 2, baselines: ['FIX(k0=0.01)']}
range: {seeds: 2, rates: 5}
composition: {stages: 2, candidates: 4}
"""
SEARCH = ["search: at most 20 runs, 4,000 iterations", "finals: at most 7 runs, 1,400 iterations"]
RANGE = "range test: at least 12 runs, 1,200 iterations"
COUNTS = {
    ("range",): [RANGE],
    ("tune",): [*SEARCH, "confirmation: at most 4 runs, 800 iterations"],
    ("tune", "--set", "search.iterations=1000"): [
        "search: at most 20 runs, 1,000 iterations",
        SEARCH[1],
        "confirmation: at most 4 runs, 800 iterations",
    ],
    ("tune", "--set", "search.confirm=0", "--set", "search.rates=null"): [
        "range test: at least 12 runs, 700 iterations",
        SEARCH[0],
    ],
    ("compose",): ["2 stages: at most 8 runs, 800 iterations", "confirmation: at most 6 runs, 1,200 iterations"],
    ("verify", "--target", "test_loss=0.1", "--policy", "FIX(k0=0.1)", "--phase", "policy", "--within", "100"): [
        "checks of policies: at most 2 runs, 200 iterations"
    ],
    ("verify", "--target", "test_loss=0.1", "--phase", "search"): [
        *SEARCH,
        "2 stages: at most 8 runs, 800 iterations",
        "checks of policies: at most 4 runs, 800 iterations",
    ],
}


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("open('executed', 'w')\n")
    (tmp_path / "train.yaml").write_text(SPEC)
    yield "train.yaml"
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("words", COUNTS, ids=" ".join)
def test_the_runs_of_each_part_are_counted(lrbench, spec, words):
    command, *others = words
    code, out, err = lrbench(command, spec, *others, "--dry-run")
    assert code == 0, err
    assert out.splitlines() == COUNTS[words]
    assert err.endswith(" iterations; their time is not known: results has no run of train.py that tells\n")


def test_the_time_is_estimated_by_stored_runs_of_the_program_alone(lrbench, spec, tmp_path):
    write_program_run(tmp_path / "results", "FIX(k0=0.1)", {"test_loss": [1.0, 0.5]}, program="other.py")
    assert "is not known" in lrbench("tune", spec, "--dry-run")[2]
    write_program_run(tmp_path / "results", "FIX(k0=0.2)", {"test_loss": [1.0, 0.5]})
    _, _, err = lrbench("tune", spec, "--dry-run", "-j", "2")
    assert err.startswith("6,200 iterations; about 0:")
    assert " with -j 2 (by 1 stored run: " in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tune", "--set", "search.functions=[FOO]"), "no shapes are known to search for the LR function 'FOO'"),
        (("tune", "--set", "search.baselines=[FIX]"), "error: "),
        (("range", "--solver", "SGD"), "a program has an optimizer of its own, so that there is no solver"),
        (("verify",), "there is no target to reach"),
        (("compose", "--set", "composition.boundaries=[30]"), "error: "),
    ],
)
def test_what_the_command_would_refuse_is_refused_in_one_line(lrbench, spec, words, message):
    command, *others = words
    code, _, err = lrbench(command, spec, *others, "--dry-run")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
