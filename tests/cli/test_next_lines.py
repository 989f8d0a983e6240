"""Every ``next:`` line works as it stands: each is typed as a shell reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import as_bash_reads, typed

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("warm_torch")]

NET = """
name: "softmax_regression"
layer { name: "digits" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.0625 } data_param { source: "a" batch_size: 8 backend: LMDB } }
layer { name: "digits" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.0625 } data_param { source: "b" batch_size: 8 backend: LMDB } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SPEC = """
name: trial
workload: {net: net.prototxt, dataset: digits, batch_size: 20, test_batch_size: 100, iterations: 40, test_interval: 20}
solver: [SGD, Nesterov]
engine: {name: torch, lanes: 4}
policies: [FIX(k0=0.05)]
search: {trials: 3, validation: 200, finalists: 1, final_seeds: 0, baselines: ["FIX(k0=0.01)"]}
range: {low: 0.01, high: 1, rates: 3, seeds: [1000], iterations: 20, lengths: [20, 40]}
"""
SHORT = SPEC.splitlines()[-1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec and a net; the database is a new one."""
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "my spec.yaml").write_text(SPEC)
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LRBENCH_DB", raising=False)
    return tmp_path


def shell(folder: Path, line: str) -> list[str]:
    """Type a line; returns the commands that it says to type next."""
    answer = typed(*as_bash_reads(line), cwd=folder)
    assert answer.returncode == 0, f"{line}\n{answer.stderr}"
    said = (answer.stdout + answer.stderr).splitlines()
    return [told.removeprefix("next: ") for told in said if told.startswith("next: ")]


def test_from_a_range_on_pytorch_to_a_search(folder):
    export, line = shell(folder, "lrbench range 'my spec.yaml' --engine torch --solver Nesterov -j 2 --results found")
    assert line.startswith("lrbench tune 'my spec.yaml' -j 2 --results found --engine torch --set name=trial-Nesterov ")
    assert shell(folder, export) == []
    assert "COSDECAY" in (folder / "schedule.py").read_text()
    (use,) = shell(folder, line)
    assert use.split()[:2] == ["lrbench", "export"]
    assert shell(folder, use) == []
    assert list((folder / "found/trial-Nesterov-tune").glob("*Nesterov*"))


def test_from_a_first_spec_to_a_range(folder):
    first = "lrbench init --net net.prototxt --dataset digits --engine torch --iterations 40 -o first.yaml"
    lines = shell(folder, first)
    assert [line.split()[1] for line in lines] == ["data", "run", "range"]
    (folder / "first.yaml").write_text(f"{(folder / 'first.yaml').read_text()}\n{SHORT}\n")
    for line in lines:
        shell(folder, line)


def test_from_runs_to_figures_the_database_and_a_recommendation(folder):
    typed = []
    for line in (
        "lrbench run 'my spec.yaml' --engine torch",
        "lrbench watch results --once",
        "lrbench report results",
        "lrbench db add results",
        "lrbench db list",
        "lrbench recommend 'my spec.yaml' --engine torch --set workload.iterations=80 --target 0.5",
    ):
        told = shell(folder, line)
        typed += told
        for following in told:
            shell(folder, following)
    assert sorted({" ".join(line.split()[1:3]) for line in typed} - {"report results"}) == [
        "db add",
        "db show",
        "export 'FIX(k0=0.05)'",
        "report results/trial",
        "tune 'my",
        "verify 'my",
    ]


def test_runs_that_all_failed_lead_nowhere(folder):
    (folder / "net.prototxt").write_text(NET.replace('bottom: "label"', 'bottom: "label" bottom: "missing"'))
    answer = typed("run", "my spec.yaml", "--engine", "torch", cwd=folder)
    assert answer.returncode != 0
    assert "next:" not in answer.stderr
