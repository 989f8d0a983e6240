"""``lrbench report --by solver`` as it is typed."""

from __future__ import annotations

import pytest
from factories import fake_runs

FIX = "FIX(k0=0.01)"


@pytest.fixture
def results(tmp_path):
    for name in ("SGD", "Nesterov"):
        fake_runs.write_run(tmp_path / "results", FIX, [0.1, 0.9], solver={**fake_runs.SOLVER, "type": name})
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("table", "lenet on MNIST, batch 100, 2,000 iterations: policies x solvers\n"),
        ("markdown", "## lenet on MNIST, batch 100, 2,000 iterations: policies x solvers\n"),
        ("csv", "workload,target_accuracy,policy,function,solver,"),
        ("json", '{"schema":2,"compared_by":"solver",'),
    ],
)
def test_every_format(lrbench, results, kind, start):
    code, out, err = lrbench("report", results, "--by", "solver", "--format", kind)
    assert (code, err) == (0, "")
    assert out.startswith(start)
    assert out.endswith("\n")


def test_the_heat_map_is_written_beside_the_table(lrbench, results, tmp_path):
    code, out, err = lrbench("report", results, "--by", "solver", "--plots", tmp_path / "plots")
    assert code == 0
    assert out.startswith("lenet on MNIST")
    assert err == f"wrote {tmp_path / 'plots' / 'policies_by_solver.png'}\n"


def test_what_is_left_out_is_said_beside_a_format_for_programs(lrbench, results):
    fake_runs.write_run(results, FIX, [0.9], workload={**fake_runs.WORKLOAD, "batch_size": 7}, run_id="other")
    code, _, err = lrbench("report", results, "--by", "solver", "--format", "csv")
    assert code == 0
    assert err == "lenet on MNIST, batch 7, 2,000 iterations: left out, because only SGD has runs of it\n"


def test_one_solver_alone_is_one_line_and_code_2(lrbench, tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9])
    code, out, err = lrbench("report", tmp_path, "--by", "solver")
    assert (code, out) == (2, "")
    assert err == (
        "error: all runs are of one solver, SGD, so there is nothing to compare; give the spec a list of solvers, as in "
        "configs/optimizers.yaml\n"
    )
