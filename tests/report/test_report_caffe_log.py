"""A plain training log of Caffe as a run: real logs of a tiny net, and the shapes that other nets' logs have."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from factories import fake_runs
from google.protobuf import text_format

from lrbench.engines.caffe.log import CaffeLog, read_log
from lrbench.metrics.registry import metric_named
from lrbench.nets.caffe_pb2 import SolverParameter
from lrbench.report.build import build_report
from lrbench.report.caffe_log import evaluations_of_log, policy_of_solver, row_of_log
from lrbench.report.load import load

LOGS = Path(__file__).parent.parent / "data_files"


def row(name, target=None):
    path = LOGS / f"caffe_{name}.log"
    return row_of_log(path, read_log(path), target)


def log_of(*messages):
    """A log with one message a second."""
    log = CaffeLog()
    for second, message in enumerate(messages):
        log.feed(f"I0101 00:00:{second:02}.0  1 solver.cpp:1] {message}")
    return log


def test_a_finished_training():
    run = row("step", target=0.5)
    assert (run.policy, run.function, run.seed) == ("STEP(k0=0.1, gamma=0.5, l=25)", "STEP", 1)
    assert run.status == "finished"
    assert run.solver == {"type": "SGD", "momentum": 0.9}
    assert run.workload["net"]["name"] == "tiny"
    assert run.workload["dataset"]["label"] == "train_lmdb"
    assert (run.workload["batch_size"], run.workload["iterations"], run.workload["test_interval"]) == (20, 60, 20)
    assert run.evaluations["iteration"].tolist() == [0, 20, 40, 60]
    assert run.evaluations["accuracy_top1"].tolist() == [0.175, 0.275, 0.575, 0.825]
    assert run.evaluations["test_loss"].tolist() == [1.54458, 1.3198, 1.1427, 0.442097]
    assert run.evaluations["learning_rate"].tolist()[1:] == [0.1, 0.05, 0.025]
    # the losses displayed at 40 and 50; that at 60 is of no training iteration
    assert run.evaluations["train_loss"][3] == pytest.approx((0.670686 + 0.544927) / 2)
    assert math.isnan(run.evaluations["train_loss"][0])
    assert run.metrics["best_accuracy"] == 0.825
    assert run.metrics["iterations_to_target"] == 40
    assert run.metrics["average_confidence"] is None


def test_its_seconds_are_those_of_the_log():
    run = row("step")
    # tests took 0.739, 0.038, 0.039 and 0.037 ms; the last began 3.637 ms after the first
    assert run.evaluations["evaluation_seconds"][-1] == pytest.approx(853e-6, abs=1e-9)
    assert run.evaluations["train_seconds"][0] == 0
    assert run.metrics["train_seconds"] == pytest.approx(1772e-6, abs=1e-6)


def test_a_diverged_training_is_not_a_hundred_percent_accurate():
    run = row("nan")
    assert run.status == "diverged"
    assert run.reason == "the training loss is not finite at iteration 60"
    assert run.evaluations["accuracy_top1"][0] == 0.175  # at iteration 0; Caffe claims 1 once it has diverged
    assert run.metrics["best_accuracy"] is None
    assert run.metrics["final_accuracy"] is None
    assert run.metrics["test_loss"] is None


def test_a_training_that_caffe_gave_up():
    run = row("fatal")
    assert run.status == "failed"
    assert run.reason == "Unknown learning rate policy: nosuch (sgd_solver.cpp:67)"
    assert run.policy == "Caffe's nosuch, base_lr 0.1"


def test_a_log_under_way(tmp_path):
    path = tmp_path / "caffe.log"
    path.write_text("".join((LOGS / "caffe_step.log").read_text().splitlines(keepends=True)[:-12]))
    run = row_of_log(path, read_log(path))
    assert run.status == "cut off"
    assert run.iteration == 50


@pytest.mark.parametrize(
    ("solver", "policy"),
    [
        ('lr_policy: "fixed" base_lr: 0.01', "FIX(k0=0.01)"),
        ('lr_policy: "step" base_lr: 0.01 gamma: 0.1 stepsize: 500', "STEP(k0=0.01, gamma=0.1, l=500)"),
        (
            'lr_policy: "multistep" base_lr: 0.001 gamma: 0.1 stepvalue: 500 stepvalue: 700',
            "NSTEP(k0=0.001, gamma=0.1, l=[500, 700])",
        ),
        ('lr_policy: "exp" base_lr: 0.01 gamma: 0.99994', "EXP(k0=0.01, gamma=0.99994)"),
        ('lr_policy: "inv" base_lr: 0.01 gamma: 0.0001 power: 0.75', "INV(k0=0.01, gamma=0.0001, p=0.75)"),
        ('lr_policy: "poly" base_lr: 0.01 power: 1.2', "POLY(k0=0.01, p=1.2)"),
        ('lr_policy: "sigmoid" base_lr: 0.01 gamma: 0.001 stepsize: 500', "SIG(k0=0.01, gamma=0.001, l=500)"),
        ('lr_policy: "step" base_lr: 0.01 gamma: 0.1', "STEP(k0=0.01, gamma=0.1, l=0)"),  # no policy of LRBench's
        ("base_lr: 0.5", "Caffe's unknown policy, base_lr 0.5"),
    ],
)
def test_policies_written_back(solver, policy):
    assert policy_of_solver(text_format.Parse(solver, SolverParameter()))[0] == policy


def displayed(solver, rates, *more):
    """The row of a log with a rate displayed every ten iterations."""
    log = log_of("Solving tiny")
    log.solver = text_format.Parse(solver, SolverParameter())
    for index, rate in enumerate(rates):
        log.feed(f"I0101 00:01:00.0  1 solver.cpp:1] Iteration {10 * index}, loss = 1")
        log.feed(f"I0101 00:01:00.0  1 sgd_solver.cpp:1] Iteration {10 * index}, lr = {rate}")
    for message in more:
        log.feed(f"I0101 00:02:00.0  1 solver.cpp:1] {message}")
    return row_of_log(Path("x.log"), log)


@pytest.mark.parametrize(
    ("solver", "rates", "followed"),
    [
        ('lr_policy: "fixed" base_lr: 0.01', ["0.01", "0.01"], True),
        ('lr_policy: "fixed" base_lr: 0.001', ["0.001", "0.02"], False),
        ('lr_policy: "fixed" base_lr: 0.01', ["0.02", "0.02"], False),
        ('lr_policy: "step" base_lr: 0.1 gamma: 0.5 stepsize: 10', ["0.1", "0.05", "0.025"], True),
        ('lr_policy: "poly" base_lr: 0.1 power: 4 max_iter: 20', ["0.1", "0.00625", "0"], True),
        ('lr_policy: "poly" base_lr: 0.1 power: 4 max_iter: 20', ["0.1", "nan", "0"], False),
        ('lr_policy: "exp" base_lr: 0.01 gamma: 0.9', ["0.01", "0.00348678"], True),
        ('lr_policy: "exp" base_lr: 0.01 gamma: 0.9', ["0.01", "0.00352"], False),
    ],
)
def test_a_policy_is_claimed_where_the_displayed_rates_are_its_own(solver, rates, followed):
    run = displayed(solver, rates)
    own, function, _ = policy_of_solver(text_format.Parse(solver, SolverParameter()))
    if followed:
        assert (run.policy, run.function) == (own, function)
    else:
        displayed_rates = r"(rate|rates from \S+ to) \S+ as displayed, not those of Caffe's \w+ \[[0-9a-f]{8}\]"
        assert re.fullmatch(displayed_rates, run.policy)
        assert run.function == "unknown"


def test_a_setting_that_is_a_word_is_read_as_one():
    run = displayed('lr_policy: "fixed" base_lr: 0.01 regularization_type: "L1"', ["0.01"])
    assert run.solver["regularization_type"] == "L1"


def test_rates_that_differ_are_no_seeds_of_one_policy():
    solver = 'lr_policy: "fixed" base_lr: 0.01'
    first, second = (displayed(solver, rates).policy for rates in (["0.01", "0.02", "0.03"], ["0.03", "0.02", "0.01"]))
    assert first != second
    assert first == displayed(solver, ["0.01", "0.02", "0.03"]).policy


def test_a_rate_is_known_where_it_was_not_displayed_and_tests_say_how_far_it_came():
    test = ("Iteration {0}, Testing net (#0)", "    Test net output #0: loss = 1")
    messages = [message.format(iteration) for iteration in (20, 40) for message in test]
    step = 'lr_policy: "step" base_lr: 0.1 gamma: 0.5 stepsize: 20'
    run = displayed(step, ["0.1"], *messages)
    assert run.iteration == 40
    assert run.evaluations["learning_rate"].tolist() == [0.1, 0.05]  # of iterations 19 and 39
    run = displayed(step, ["0.2"], *messages)  # another policy than it says: only what was displayed is known
    assert run.evaluations["learning_rate"].tolist() == pytest.approx([0.2, math.nan], nan_ok=True)
    assert displayed(step, ["0.1"], "Snapshotting to binary proto file a_iter_60.caffemodel").iteration == 60


@pytest.mark.parametrize(
    ("outputs", "accuracy", "top5", "loss"),
    [
        ({"accuracy": 0.5, "loss": 0.25}, 0.5, None, 0.25),
        ({"loss1/top-1": 0.1, "loss1/loss": 2, "loss3/loss": 1, "loss3/top-1": 0.5, "loss3/top-5": 0.75}, 0.5, 0.75, 1),
        ({"Accuracy1": 0.5, "accuracy_5": 0.75, "SoftmaxWithLoss1": 1}, 0.5, 0.75, 1),
        ({"hits": 0.5, "cross_entropy_loss": 0.25}, 0.5, None, 0.25),
        ({"loss": 0.25}, None, None, 0.25),
        ({"a": 0.5, "b": 0.25}, None, None, None),
    ],
)
def test_outputs_are_known_by_their_names(outputs, accuracy, top5, loss):
    lines = [f"    Test net output #{i}: {name} = {value}" for i, (name, value) in enumerate(outputs.items())]
    columns = evaluations_of_log(log_of("Iteration 10, Testing net (#0)", *lines))
    for name, value in (("accuracy_top1", accuracy), ("accuracy_top5", top5), ("test_loss", loss)):
        expected = math.nan if value is None else value
        assert columns[name].tolist() == pytest.approx([expected], nan_ok=True), name


def test_evaluation_and_training_seconds_are_kept_apart():
    log = log_of(
        "Solving tiny",
        "Iteration 0, loss = 1",  # 1 s
        "Iteration 5, loss = 2",
        "Iteration 10, Testing net (#0)",  # 3 s
        "    Test net output #0: accuracy = 0.5",
        "    Test net output #1: loss = 1",  # 5 s
        "Iteration 10, Testing net (#1)",  # 6 s
        "    Test net output #0: accuracy = 0.1",  # 7 s
        "Iteration 10, loss = 3",
        "Iteration 20, Testing net (#0)",  # 9 s
        "    Test net output #0: accuracy = 0.6",  # 10 s
    )
    columns = evaluations_of_log(log)
    assert columns["iteration"].tolist() == [10, 20]
    assert columns["accuracy_top1"][1] == pytest.approx(math.nan, nan_ok=True)  # its loss is missing: not to be trusted
    assert columns["train_seconds"].tolist() == [3, 6]
    assert columns["evaluation_seconds"].tolist() == [2, 4]
    assert columns["train_loss"].tolist() == [1.5, 3]


def test_a_resumed_log_counts_each_iteration_once_and_the_later():
    log = log_of(
        "Iteration 10, Testing net (#0)",
        "    Test net output #0: accuracy = 0.5",
        "Iteration 20, Testing net (#0)",
        "    Test net output #0: accuracy = 0.6",
        "Iteration 10, Testing net (#0)",
        "    Test net output #0: accuracy = 0.7",
    )
    columns = evaluations_of_log(log)
    assert columns["iteration"].tolist() == [10, 20]
    assert columns["accuracy_top1"].tolist() == [0.7, 0.6]


def test_the_log_of_a_run_is_read_as_the_run(tmp_path):
    run = fake_runs.write_run(tmp_path, "TRI(k0=0.001, k1=0.02, l=10)", [0.1, 0.9])
    (run / "caffe.log").write_bytes((LOGS / "caffe_step.log").read_bytes())
    (run / "by_hand.log").write_bytes((LOGS / "caffe_step.log").read_bytes())
    loaded = load([run / "caffe.log", run, run / "by_hand.log"])
    assert [(row.policy, row.path.name) for row in loaded.runs] == [
        ("TRI(k0=0.001, k1=0.02, l=10)", run.name),
        ("STEP(k0=0.1, gamma=0.5, l=25)", "by_hand.log"),
    ]
    assert loaded.notes == [f"{run / 'caffe.log'}: this log belongs to a run of LRBench, which is read in its place"]


def test_a_log_beside_another_programs_run_json_is_read_itself(tmp_path):
    (tmp_path / "run.json").write_text('{"name": "not of LRBench"}')
    (tmp_path / "caffe.log").write_bytes((LOGS / "caffe_step.log").read_bytes())
    loaded = load([tmp_path / "caffe.log"])
    assert [row.policy for row in loaded.runs] == ["STEP(k0=0.1, gamma=0.5, l=25)"]
    assert loaded.notes == []


def test_logs_stand_in_one_table_and_what_is_none_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing of Caffe's")
    loaded = load([LOGS / "caffe_step.log", LOGS / "caffe_nan.log", tmp_path / "notes.txt", LOGS / "caffe_step.log"])
    assert [run.run_id for run in loaded.runs] == ["caffe_step.log", "caffe_nan.log"]
    assert len(loaded.problems) == 1
    assert "notes.txt: is no training log of Caffe" in loaded.problems[0]
    (workload,) = build_report(loaded.runs, metric_named("best_accuracy")).workloads
    assert workload.label == "tiny on train_lmdb, batch 20, 60 iterations"
    assert [row.rank for row in workload.policies] == [1, None]  # of one, the only accuracy is of iteration 0
