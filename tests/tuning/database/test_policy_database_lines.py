"""Entries as JSON lines, and those that come with LRBench."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from factories import fake_runs
from factories.fake_entries import diverged, entry, program_entry, run

from lrbench.errors import DatabaseError
from lrbench.spec.reading import read_experiment
from lrbench.tuning.database.lines import from_lines, shipped_entries, to_lines

ENTRIES = [entry(runs=[run(0, (1 / 3, 0.7)), diverged(1)]), entry("TRI(k0=0.1, k1=1, l=5)", [run(note="½")])]


def changed(path, value):
    """A line of an entry with one value changed; the path's keys are separated by dots."""
    content = json.loads(to_lines(ENTRIES[:1]))
    *parents, last = path.split(".")
    place = content
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[last] = value
    return json.dumps(content).encode()


def test_lines_are_read_back_as_they_were():
    lines = to_lines(ENTRIES)
    assert len(lines.splitlines()) == 2
    assert from_lines(lines, "file") == ENTRIES
    assert from_lines(b"\n" + lines.replace(b"\n", b"\r\n\n"), "file") == ENTRIES
    assert from_lines(b"", "file") == []


def test_entries_of_programs_are_read_back_and_others_have_nothing_of_them():
    lines = to_lines([program_entry()])
    assert from_lines(lines, "file") == [program_entry()]
    assert b'"bests":[[500,2.0,10.0]' in lines
    assert all(name not in to_lines(ENTRIES) for name in (b'"objective"', b'"bests"', b'"facts"'))


def test_nan_is_null():
    assert b"NaN" not in to_lines(ENTRIES)
    (found,) = from_lines(to_lines(ENTRIES[:1]), "file")
    assert math.isnan(found.iterations_to(0.1)[1])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "is not JSON: "),
        (b"[]", "is no entry of a policy database; "),
        (b'{"a": 1}', "is no entry of a policy database; "),
        (changed("schema", 2), "the entry has schema 2, this version of LRBench reads 1; export it again"),
        (changed("policy", "FIX(k0=0.02)"), "the id is "),
        (changed("workload.batch_size", 64), "the id is "),
        (changed("workload.batch_size", "100"), "workload.batch_size: "),
        (changed("workload.net_sha256", "x"), "workload.net_sha256: "),
        (changed("runs.0.seed", 0.5), "runs.0.seed: "),
        (changed("runs.0.seed", True), "runs.0.seed: "),
        (changed("runs.0.status", "failed"), "runs.0.status: "),
        (changed("runs.0.run_id", "a\x1b[31m"), "runs.0.run_id: "),
        (changed("runs.0.curve", [[500, 0.5]]), "runs.0.curve.0"),
        (changed("runs.0.host", "mine"), "runs.0.host: "),
        (changed("runs", []), "runs: "),
        (changed("runs.0.metrics", {"best_accuracy": "high"}), "runs.0.metrics.best_accuracy: "),
    ],
)
def test_a_line_that_is_wrong_is_named(line, says):
    with pytest.raises(DatabaseError) as error:
        from_lines(to_lines(ENTRIES[1:]) + line, "file.jsonl")
    assert str(error.value).startswith(f"file.jsonl:2: {says}")
    assert str(error.value).isprintable()


def test_shipped_entries_are_marked_and_traceable():
    entries = shipped_entries()
    assert len(entries) >= 7
    assert [each.id for each in entries] == sorted({each.id for each in entries})
    for each in entries:
        assert each.shipped
        for measured in each.runs:
            assert measured.note
            assert measured.run_at
            assert measured.lrbench_version
            assert measured.engine_version
            assert measured.cpu


def test_the_quickstarts_shipped_runs_are_those_of_its_spec(repository, digits):
    experiment = read_experiment(repository / "configs" / "quickstart.yaml")
    runs = [run for each in shipped_entries() for run in each.runs if run.experiment == "quickstart"]
    assert {run.run_id for run in runs} == {experiment.run_id(run, digits) for run in experiment.runs}


def test_the_script_adds_to_the_shipped_entries_and_marks_them(repository, tmp_path):
    fake_runs.write_run(tmp_path / "results", "FIX(k0=0.5)")
    fake_runs.write_run(tmp_path / "results", "FIX(k0=0.5)", seed=1, status="failed")
    output = tmp_path / "seed.jsonl"
    command = [
        sys.executable,
        repository / "scripts" / "generate_shipped_results",
        tmp_path / "results",
        "--note",
        "a spec",
        "-o",
        output,
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "left out, without an outcome: {'failed': 1}" in answer.stderr
    found = from_lines(output.read_bytes(), "seed.jsonl")
    assert len(found) == len(shipped_entries()) + 1
    (new,) = [each for each in found if each.policy == "FIX(k0=0.5)"]
    assert [(each.shipped, each.note) for each in new.runs] == [(True, "a spec")]
