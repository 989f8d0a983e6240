"""``lrbench report --by engine`` as it is typed, from runs that are made up and from real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import typed
from factories import fake_runs

from lrbench.runs.usage import mean_of, read_usage
from lrbench.sampling import SHORTEST_SECONDS

FIX = "FIX(k0=0.01)"
SPEC = """
workload: {net: lenet, dataset: digits, batch_size: 64, test_batch_size: 100, iterations: 40, test_interval: 20}
solver: {momentum: 0.9, weight_decay: 0.0005}
policies: [FIX(k0=0.01), FIX(k0=0.0001)]
"""


@pytest.fixture
def results(tmp_path):
    for name in ("caffe", "torch"):
        engine = {**fake_runs.ENGINE, "name": name}
        fake_runs.write_run(tmp_path / "results", FIX, [0.1, 0.9], engine=engine, run_id=name)
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("table", "lenet on MNIST, batch 100, 2,000 iterations: policies x engines\n"),
        ("text", "lenet on MNIST, batch 100, 2,000 iterations: policies x engines\n"),
        ("markdown", "## lenet on MNIST, batch 100, 2,000 iterations: policies x engines\n"),
        ("latex", "% needs in the preamble: "),
        ("html", "<!doctype html>\n"),
        ("csv", "workload,target_accuracy,policy,function,solver,engine,lr_scale,policy_as_trained,rank,"),
        ("json", '{"schema":2,"compared_by":"engine",'),
    ],
)
def test_every_format(lrbench, results, kind, start):
    code, out, err = lrbench("report", results, "--by", "engine", "--format", kind)
    assert code == 0
    assert out.startswith(start)
    assert out.endswith("\n")
    note = "2 runs: usage.jsonl is missing; so CPU % and mean memory are unknown, or of the samples that are there"
    assert err == (f"{note}\n" if kind in ("csv", "json") else "")
    assert note in " ".join(out.replace("\\", "").split()) or kind == "csv"


def test_one_engine_is_one_line_and_code_2(lrbench, tmp_path):
    fake_runs.write_run(tmp_path, FIX)
    code, out, err = lrbench("report", tmp_path, "--by", "engine")
    assert (code, out) == (2, "")
    assert err == (
        "error: all runs are of one engine, caffe, so there is nothing to compare; run the spec with another one as "
        "well, such as with --engine torch or --engine caffe\n"
    )


def test_plots_and_a_file(lrbench, results, tmp_path):
    code, out, err = lrbench(
        "report",
        results,
        "--by",
        "engine",
        "-o",
        tmp_path / "x.md",
        "--format",
        "markdown",
        "--plots",
        tmp_path / "plots",
    )
    assert (code, out) == (0, "")
    written = [line.rpartition("/")[2] for line in err.splitlines()]
    assert written == ["x.md", "engines-usage.png", "engines-accuracy.png"]


def test_by_anything_else_is_code_2(lrbench, results):
    assert lrbench("report", results, "--by", "seed")[0] == 2


@pytest.mark.caffe
def test_real_runs_on_both_engines_are_sampled_and_compared(tmp_path, own_home):
    (tmp_path / "trial.yaml").write_text(SPEC)

    for engine in ("caffe", "torch"):
        answer = typed("run", "trial.yaml", "--engine", engine, cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
    for path in Path(tmp_path / "results/trial").glob("*/usage.jsonl"):
        samples, problem = read_usage(path)
        assert problem is None
        last = json.loads((path.parent / "evaluations.jsonl").read_text().splitlines()[-1])
        trained = last["train_seconds"] + last["evaluation_seconds"]
        assert trained - SHORTEST_SECONDS <= samples[-1].seconds < trained + 10  # a shorter rest is no sample
        assert 60e6 < max(sample.memory_bytes or 0 for sample in samples) <= 1.05 * last["peak_memory_bytes"]
        percent = mean_of(samples, "cpu_percent")
        assert percent is not None
        used = percent / 100 * samples[-1].seconds
        assert last["cpu_seconds"] / 10 < used < 1.1 * last["cpu_seconds"]  # which has the start of the process, too
    (table,) = json.loads(typed("report", "results", "--by", "engine", "--format", "json", cwd=tmp_path).stdout)[
        "tables"
    ]
    assert table["engines"] == ["caffe", "torch"]
    assert len(table["rows"]) == 4
    for row in table["rows"]:
        assert row["cpu_percent"]["mean"] > 5
        assert row["mean_memory_bytes"]["mean"] > 60e6
        assert (row["gpu_percent"]["mean"], row["gpu_memory_bytes"]["mean"]) == (None, None)
    assert {each["verdict"] for each in table["transfers"]} == {"best"}  # ten times the rate tells on both
    assert table["agreements"][0]["tau"] == 1.0
