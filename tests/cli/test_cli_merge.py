"""``lrbench merge``: the union of results, studies and databases, and that sources and other files stay as they are."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from factories import fake_runs
from factories.fake_entries import entry, run
from factories.made_up_runs import made_up_runner

from lrbench.runs.directory import RunDirectory
from lrbench.tuning.database.database import open_database
from lrbench.tuning.space import search_space
from lrbench.tuning.tune import earlier, search


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def merged(lrbench, *arguments):
    code, out, err = lrbench("merge", *arguments, "--format", "json")
    assert err == ""
    return code, json.loads(out)


def test_every_run_of_two_folders_is_in_the_new_one(lrbench, tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    same = [fake_runs.write_run(folder, "FIX(k0=0.1)") for folder in (a, b)]
    (same[1] / "evaluations.jsonl").write_text(
        (same[0] / "evaluations.jsonl").read_text().replace('bytes": 4', 'bytes": 5')
    )
    fake_runs.write_run(a, "FIX(k0=0.2)", [0.1, 0.5], status="running")
    fake_runs.write_run(b, "FIX(k0=0.2)", [0.1, 0.5, 0.6], status="running")
    fake_runs.write_run(b, "FIX(k0=0.3)", seed=1, experiment="other")
    (same[0] / "snapshots/iter_00002000").mkdir(parents=True)
    (same[0] / "snapshots/iter_00002000/state").write_bytes(b"weights")
    before = content(a), content(b)
    code, told = merged(lrbench, a, b, "-o", tmp_path / "c")
    assert (told["conflicts"], told["left_out"], code) == ([], [], 0)
    assert [(part["runs"], part["taken"], part["known"]) for part in told["sources"]] == [(2, 1, 1), (3, 2, 1)]
    assert (content(a), content(b)) == before
    farther = {name: text for name, text in before[1].items() if "0.2" in name or name.startswith("other")}
    first = {name: text for name, text in before[0].items() if "0.1" in name}
    assert content(tmp_path / "c") == first | farther


def test_runs_that_disagree_are_named_and_the_first_is_kept(lrbench, tmp_path):
    for name, accuracy in (("a", 0.97), ("b", 0.98)):
        fake_runs.write_run(tmp_path / name, "FIX(k0=0.1)", [0.1, accuracy])
        fake_runs.write_run(tmp_path / name, "FIX(k0=1)", status="finished" if name == "a" else "diverged")
    code, told = merged(lrbench, tmp_path / "a", tmp_path / "b", "-o", tmp_path / "c")
    assert code == 1
    values, status = told["conflicts"]
    other = f"{tmp_path}/b/exp/FIX_k0_0.1_-SGD-s0-x1.0 has other values at iteration 500; that of {tmp_path}/a/"
    assert other in values
    assert "is diverged, not finished" in status
    assert content(tmp_path / "c") == content(tmp_path / "a")


def test_a_run_in_training_is_left_out_and_named(lrbench, tmp_path):
    fake_runs.write_run(tmp_path / "a", "FIX(k0=0.1)")
    with fake_runs.held(fake_runs.write_run(tmp_path / "a", "FIX(k0=0.2)", status="running")):
        code, told = merged(lrbench, tmp_path / "a", "-o", tmp_path / "c")
    assert code == 0
    assert told["left_out"] == ["exp/FIX_k0_0.2_-SGD-s0-x1.0: in training by another process"]
    assert [path.name for path in (tmp_path / "c/exp").iterdir()] == ["FIX_k0_0.1_-SGD-s0-x1.0"]


def test_nothing_that_is_there_is_overwritten(lrbench, tmp_path):
    fake_runs.write_run(tmp_path / "a", "FIX(k0=0.1)")
    fake_runs.write_run(tmp_path / "c", "FIX(k0=0.2)")
    before = content(tmp_path)
    code, _, err = lrbench("merge", tmp_path / "a", "-o", tmp_path / "c")
    assert (code, err) == (2, f"error: {tmp_path}/c: is there already; give -o the name of a new one\n")
    assert content(tmp_path) == before


def test_a_merge_that_fails_leaves_nothing(lrbench, tmp_path, monkeypatch):
    fake_runs.write_run(tmp_path / "a", "FIX(k0=0.1)")
    fake_runs.write_run(tmp_path / "a", "FIX(k0=0.2)")
    before = content(tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    code, _, err = lrbench("merge", tmp_path / "a", "-o", tmp_path / "c")
    assert code == 2
    assert "c: cannot be merged: No space left on device; free space, or change -o" in err
    assert content(tmp_path) == before


@pytest.mark.parametrize("other", ["nowhere", "empty", "text"])
def test_a_source_of_another_kind_is_one_line(lrbench, tmp_path, other):
    fake_runs.write_run(tmp_path / "a", "FIX(k0=0.1)")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no results\n")
    code, out, err = lrbench("merge", tmp_path / "a", tmp_path / other, "-o", tmp_path / "c")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {tmp_path}/{other}: ")
    assert not (tmp_path / "c").exists()
    code, _, err = lrbench("merge", tmp_path / "text", "-o", tmp_path / "c")
    assert (code, "is a file of another kind, no study" in err) == (2, True)


@pytest.fixture
def searched(tmp_path, digits, monkeypatch):
    """Searches of five policies in two results folders, which differ in the seed of the sampler alone."""
    monkeypatch.setattr("os.fsync", lambda _: None)

    def made(folder, trials, seed):
        text = f"rates: [0.001, 0.3]\nfunctions: [FIX, COS]\ntrials: {trials}\nsampler_seed: {seed}"
        runner = made_up_runner(tmp_path / folder, digits, text)
        settings = runner.experiment.settings.search
        return runner, search_space(settings, settings.rates, runner.experiment.document)

    for folder, seed in (("a", 0), ("b", 1)):
        search(*made(folder, 5, seed))
    return made


def tried(runner, space):
    """The policies that a search has tried so far."""
    found = earlier(runner, space)
    assert found is not None
    return list(found.tried)


@pytest.mark.parametrize("sources", ["", "/trial-tune/study.journal"])
def test_a_search_goes_on_with_the_trials_of_both(lrbench, searched, tmp_path, sources):
    made = {each.run: each for folder in "ab" for each in tried(*searched(folder, 5, 0))}
    assert 5 < len(made) <= 10
    runner, space = searched("c", 11, 0)
    output = tmp_path / "c/results" / sources.strip("/")
    output.parent.mkdir(parents=True, exist_ok=True)
    code, told = merged(lrbench, *(f"{tmp_path}/{folder}/results{sources}" for folder in "ab"), "-o", output)
    assert (told["conflicts"], told["left_out"], code) == ([], [], 0)
    assert tried(runner, space) == list(made.values())
    assert [each.run for each in search(runner, space).tried][: len(made)] == list(made)
    assert len(tried(runner, space)) == 11


def test_studies_of_different_searches_are_not_mixed(lrbench, searched, tmp_path, digits):
    text = "rates: [0.001, 0.2]\nfunctions: [FIX]\ntrials: 2"
    runner = made_up_runner(tmp_path / "other", digits, text)
    settings = runner.experiment.settings.search
    search(runner, search_space(settings, settings.rates, runner.experiment.document))
    journals = [tmp_path / folder / "results/trial-tune/study.journal" for folder in ("a", "other")]
    _, told = merged(lrbench, *journals, "-o", tmp_path / "c.journal")
    assert told["left_out"] == [f"study trial-tune of {journals[1]}: it is of another search"]
    assert [part["taken"] for part in told["sources"]] == [5, 0]


def test_databases_are_joined(lrbench, tmp_path):
    first, second, differs = run(0), run(1), replace(run(0), metrics=run(0, [0.5]).metrics)
    for name, runs in (("a", [first]), ("b", [differs, second])):
        with open_database(str(tmp_path / f"{name}.sqlite")) as database:
            database.add([entry("FIX(k0=0.01)", [each]) for each in runs])
    code, told = merged(lrbench, tmp_path / "a.sqlite", tmp_path / "b.sqlite", "-o", tmp_path / "c.sqlite")
    assert code == 1
    assert told["conflicts"] == [
        f"{first.run_id}: {tmp_path}/b.sqlite has other values; those of {tmp_path}/a.sqlite are kept"
    ]
    with open_database(str(tmp_path / "c.sqlite")) as database:
        found = next(row for row in database.entries() if not row.shipped)
    assert [(each.run_id, each.metrics) for each in found.runs] == [
        (first.run_id, first.metrics),
        (second.run_id, second.metrics),
    ]


def test_runs_held_through_a_link_are_the_same_folder(lrbench, tmp_path):
    with fake_runs.held(fake_runs.write_run(tmp_path / "a", "FIX(k0=0.1)")) as _:
        (tmp_path / "link").symlink_to(tmp_path / "a")
        _, told = merged(lrbench, tmp_path / "link", "-o", tmp_path / "c")
    assert len(told["left_out"]) == 1
    assert not RunDirectory(tmp_path / "c/exp").is_locked
