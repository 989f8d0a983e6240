"""``lrbench predict`` as it is typed, on curves that a known law makes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from factories.fake_runs import SOLVER, WORKLOAD, write_run
from factories.loss_curves import true_loss

from lrbench.nets import find_net, net_sha256, read_net
from lrbench.policies import parse_policy

FITTED = ["FIX(k0=0.1)", "COSDECAY(k0=0.1, k1=0)", "WSD(k0=0.1, k1=0, warmup=0, decay=200, anneal=linear)"]
ASKED = ["WSD(k0=0.1, k1=0, warmup=0, decay=800, anneal=linear)", "LINEAR(k0=0.1, k1=0)", "COSDECAY(k0=0.3, k1=0)"]
SPEC = """\
name: spec
workload: {net: lenet, dataset: mnist, batch_size: 100, iterations: 2000, test_interval: 100}
solver: {type: SGD, momentum: 0.9, weight_decay: 0.0005}
policies:
"""


@pytest.fixture
def predict(lrbench, monkeypatch, tmp_path):
    """Runs ``lrbench predict`` in a folder with a spec and curves, without prepared data and engines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LRBENCH_CAFFE", raising=False)
    monkeypatch.setenv("COLUMNS", "110")
    write_spec(*FITTED, *ASKED)
    write_curves(*FITTED)
    return partial(lrbench, "predict")


def write_spec(*policies: str) -> None:
    Path("spec.yaml").write_text(SPEC + "".join(f"  - {policy}\n" for policy in policies))


def losses(policy: str) -> list[tuple[int, float, float]]:
    """Iteration, rate and loss at every twentieth of a run."""
    rates = parse_policy(policy).rates(np.arange(2000), 2000)
    return [(t, float(rates[t - 1]), true_loss(rates, t)) for t in range(100, 2001, 100)]


def write_curves(*policies: str) -> None:
    lines = [f'"{policy}",0,{t},{rate!r},{loss!r}' for policy in policies for t, rate, loss in losses(policy)]
    Path("curves.csv").write_text("\n".join(["policy,seed,iteration,learning_rate,loss", *lines]))


def test_policies_that_were_not_run_are_predicted_and_ranked(predict):
    code, out, err = predict("spec.yaml", "--from", "curves.csv")
    assert (code, err) == (0, "")
    assert "spec: predicted final test loss" in out
    assert "  1  LINEAR(k0=0.1, k1=0) " in out
    assert "  2  WSD(k0=0.1, k1=0, warmup=0, decay=800, anneal=linear) " in out
    assert "- COSDECAY(k0=0.3, k1=0): its peak rate of 0.3 is outside those fitted, 0.1 to 0.1" in " ".join(out.split())
    assert f"already run, and not predicted: {', '.join(FITTED)}" in " ".join(out.split())
    assert "lrbench run spec.yaml --set 'policies=[" in out


def test_the_same_for_programs(predict):
    data = json.loads(predict("spec.yaml", "--from", "curves.csv", "--format", "json")[1])
    assert data["metric"] == "test_loss"
    assert [one["policy"] for one in data["fitted"]] == sorted(FITTED)
    assert not data["ranks_only"]
    for one in data["predictions"][:2]:
        truth = losses(one["policy"])[-1][2]
        assert one["predicted"] == pytest.approx(truth, rel=0.01)
        assert one["low"] < one["predicted"] < one["high"]
        assert one["naive"] is not None
    refused = data["predictions"][2]
    assert (refused["policy"], refused["predicted"], refused["rank"]) == (ASKED[2], None, None)
    assert refused["refused"].startswith("its peak rate of 0.3")


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "html"])
def test_every_format_has_the_predictions(predict, form):
    code, out, err = predict("spec.yaml", "--from", "curves.csv", "--format", form)
    assert (code, err) == (0, "")
    assert "LINEAR" in out


def test_into_a_file(predict):
    code, out, _ = predict("spec.yaml", "--from", "curves.csv", "--format", "csv", "-o", "out.csv")
    assert (code, out) == (0, "")
    assert Path("out.csv").read_text().splitlines()[0] == "policy,rank,predicted,low,high,naive,refused"


def test_a_grid_of_named_families_at_the_fitted_peak(predict):
    data = json.loads(predict("spec.yaml", "--from", "curves.csv", "--grid", "--format", "json")[1])
    texts = {one["policy"] for one in data["predictions"] if one["predicted"] is not None}
    assert "REX(k0=0.1)" in texts
    assert {parse_policy(text).name for text in texts} == {"WSD", "LINEAR", "REX"}
    assert len(texts) == 11  # COSDECAY and a cooldown of a tenth were run; another one is the spec's


def test_a_policy_that_reacts_to_evaluations_is_refused(predict):
    write_spec(*FITTED, "PLATEAU(k0=0.1, factor=0.5, patience=2)")
    data = json.loads(predict("spec.yaml", "--from", "curves.csv", "--format", "json")[1])
    assert data["predictions"][0]["refused"] == "its rates depend on the evaluations of a run"


def test_curves_of_results(predict):
    net = {"name": "lenet", "sha256": net_sha256(read_net(find_net("lenet", Path())))}
    workload = {**WORKLOAD, "net": net, "test_interval": 100}
    solver = {**SOLVER, "regularization_type": "L2", "iter_size": 1}
    for policy in FITTED:
        run = write_run(Path("results"), policy, workload=workload, solver=solver)
        lines = [
            json.dumps({"iteration": t, "learning_rate": rate, "test_loss": loss}) for t, rate, loss in losses(policy)
        ]
        (run / "evaluations.jsonl").write_text("\n".join(lines) + "\n")
    of_csv = predict("spec.yaml", "--from", "curves.csv", "--format", "json")
    assert predict("spec.yaml", "--from", "results", "--format", "json") == of_csv
    code, _, err = predict("spec.yaml", "--from", "results", "--engine", "torch")
    assert code == 2
    assert "results: none of the 3 runs is of the spec's net, data set, batch size, solver and engine; give the " in err


REFUSALS = [
    (FITTED[:2], ASKED, "there are 2 curves to fit, but laws of the loss need at least 3; train a "),
    (FITTED, FITTED, "every policy of the spec has been run, so that there is nothing to predict; add policies "),
]


@pytest.mark.parametrize(("fitted", "asked", "message"), REFUSALS, ids=["few curves", "nothing left"])
def test_a_refusal_is_one_line(predict, fitted, asked, message):
    write_curves(*fitted)
    write_spec(*asked)
    code, out, err = predict("spec.yaml", "--from", "curves.csv")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_spec_of_several_solvers_is_refused(predict):
    code, _, err = predict("spec.yaml", "--from", "curves.csv", "--set", "solver.type=[SGD, Adam]")
    assert code == 2
    assert "the spec has 2 solvers, but a prediction is for one; choose one, such as by --set solver.type=SGD" in err
