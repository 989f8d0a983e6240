"""``lrbench branch`` on real Caffe, and what it refuses."""

from __future__ import annotations

import json

import pytest
from factories import fake_runs

from lrbench.runs.directory import RunDirectory

SPEC = """
name: stable
workload: {net: lenet, dataset: digits, batch_size: 16, test_batch_size: 100, iterations: 40, test_interval: 10}
solver: {type: SGD, momentum: 0.9}
policies: ['WARMUP(policy=FIX(k0=0.01), l=5)']
snapshots: {keep: all}
"""


@pytest.mark.caffe
def test_branches_are_bit_for_bit_their_policies_from_the_start(lrbench, own_home, tmp_path):
    (tmp_path / "stable.yaml").write_text(SPEC)
    assert lrbench("run", tmp_path / "stable.yaml", "--results", tmp_path / "results")[0] == 0
    (run,) = (tmp_path / "results/stable").glob("*/")
    code, out, err = lrbench("branch", run, "--at", "20,50", "--format", "json")
    assert code == 0, err
    found = json.loads(out)
    assert [(one["iterations"], one["start"], one["trained"]) for one in found["lengths"]] == [
        (20, 10, 10),
        (50, 40, 10),
    ]
    for one in found["lengths"]:
        spec = tmp_path / f"{one['iterations']}.yaml"
        text = SPEC.replace("name: stable", "name: alone").replace("iterations: 40", f"iterations: {one['iterations']}")
        spec.write_text(text.replace("WARMUP(policy=FIX(k0=0.01), l=5)", one["policy"]))
        assert lrbench("run", spec, "--results", tmp_path / "results")[0] == 0
    for alone in (tmp_path / "results/alone").glob("*/"):
        branch = RunDirectory(tmp_path / "results/stable-branch" / alone.name)
        assert branch.branched_at > 0
        assert [row.metrics for row in branch.evaluations()] == [
            row.metrics for row in RunDirectory(alone).evaluations()
        ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "2000,x"], "no list of different numbers of iterations"),
        (["--at", "200,200"], "no list of different numbers of iterations"),
        (["--at", "200", "--cooldown", "1"], "is not in the range 0<x<1"),
        (["--at", "200"], "run.json is missing; give the folder of a run, such as results/NAME/RUN"),
    ],
)
def test_bad_input_is_one_clear_line(lrbench, tmp_path, words, message):
    code, _, err = lrbench("branch", tmp_path, *words)
    assert code == 2
    assert message in err.replace("\n", " ")


def test_a_run_whose_net_is_elsewhere_asks_for_the_spec(lrbench, tmp_path):
    fake_runs.write_run(tmp_path, "FIX(k0=0.01)", [0.1, 0.9])
    (run,) = (path.parent for path in tmp_path.rglob("run.json"))
    code, _, err = lrbench("branch", run, "--at", "200")
    assert code == 2
    assert "is not at hand; give the spec that the run was made by: --spec SPEC" in err
