"""Logs as public reports show them: NaN on a GPU, cut heads, policies of forks, outputs of any name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from shown import csv_report, html_report, json_report, latex_report

from lrbench.engines.caffe.log import CaffeLog, read_log
from lrbench.report.caffe_log import evaluations_of_log, row_of_log
from lrbench.report.load import read_report
from lrbench.report.next_commands import export_command
from lrbench.report.rows import RunRow

LOGS = Path(__file__).parent.parent / "data_files" / "logs"


def report(*names: str, metric: str = "best_accuracy", target: float | None = None):
    return read_report([LOGS / f"{name}.log" for name in names], metric, target)


def row(name: str, target: float | None = None) -> RunRow:
    path = LOGS / f"{name}.log"
    return row_of_log(path, read_log(path), target)


def test_nan_on_a_gpu_is_divergence_and_no_accuracy():
    table = report("good", "nan_gpu", target=0.9).workloads[0]
    assert [(row.policy, row.diverged) for row in table.policies] == [("FIX(k0=0.01)", 0), ("FIX(k0=0.5)", 1)]
    assert "FIX(k0=0.01)" in (export_command(table.policies[0]) or "")
    run = row("nan_gpu", target=0.9)
    assert run.status == "diverged"
    assert run.reason == "the test loss of 87.3365 and the accuracy of 100 % stand for NaN at iteration 300"
    assert run.metrics["iterations_to_target"] is None
    for name in ("accuracy_top1", "test_loss", "train_loss", "loss_difference"):
        assert run.evaluations[name].tolist()[1:] == pytest.approx([math.nan] * 2, nan_ok=True), name


def test_a_policy_whose_every_run_diverged_is_not_recommended():
    assert export_command(report("nan_gpu").workloads[0].policies[0]) is None


NET = """name: "ten"
state {{ phase: TEST }}
layer {{ name: "d" type: "Data" top: "data" top: "label" }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: {classes} }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" }}
layer {{ name: "loss" type: "{loss}" bottom: "fc" bottom: "label" top: "loss" {settings} }}"""


@pytest.mark.parametrize(
    ("loss", "settings", "classes", "value", "accuracy", "status"),
    [
        ("SoftmaxWithLoss", "", 10, 87.3365, 0.1, "diverged"),  # Caffe before 2017: NaN is right by chance
        ("SoftmaxWithLoss", "", 10, 78.6029, 0.1, "finished"),  # sure of one class, and right by chance
        ("SoftmaxWithLoss", "", 10, 87.3365, 0, "finished"),
        ("SoftmaxWithLoss", "loss_weight: 0.3", 10, 2.4, 1, "diverged"),  # the first number is without the weight
        ("SoftmaxWithLoss", "", 20, 2.4, 1, "finished"),
        ("SoftmaxWithLoss", "loss_param { normalization: NONE }", 10, 90, 0.7, "finished"),
        ("SoftmaxWithLoss", "loss_param { normalize: false }", 10, 87.3365, 1, "diverged"),
        ("SoftmaxWithLoss", "loss_param { ignore_label: 0 }", 10, 87.3365, 0.9, "finished"),
        ("EuclideanLoss", "", 10, 120, 0.9, "finished"),
    ],
)
def test_the_net_says_which_losses_are_possible(loss, settings, classes, value, accuracy, status):
    net = NET.format(loss=loss, settings=settings, classes=classes)
    log = log_of(
        "Initializing net from parameters: \n" + net,
        "Solving ten",
        "Iteration 100, Testing net (#0)",
        f"    Test net output #0: accuracy = {accuracy}",
        f"    Test net output #1: loss = {value}",
        "Optimization Done.",
    )
    assert row_of_log(Path("x.log"), log).status == status


def log_of(*messages: str) -> CaffeLog:
    """A log with one message a second; what follows the first line of a message has no stamp."""
    log = CaffeLog()
    for second, message in enumerate(messages):
        for line in f"I0101 00:00:{second:02}.0  1 solver.cpp:1] {message}".split("\n"):
            log.feed(line)
    return log


def test_a_log_that_ends_within_a_pass_has_not_diverged():
    log = log_of(
        "Iteration 0, loss = 1",
        "Iteration 10, Testing net (#0)",
        "    Test net output #0: accuracy = 0.5",
        "    Test net output #1: loss = 1",
        "Iteration 20, Testing net (#0)",
        "    Test net output #0: accuracy = 0.6",
    )
    assert row_of_log(Path("x.log"), log).status == "cut off"


@pytest.mark.parametrize("names", [("tail_a", "tail_b"), ("fork_a", "fork_b")])
def test_unknown_policies_with_other_rates_are_two(names):
    (table,) = report(*names).workloads
    assert [len(row.runs) for row in table.policies] == [1, 1]
    first, second = (row.policy for row in table.policies)
    assert first.startswith("rate 0.1 as displayed, of ")
    assert second.startswith(("rates from 0.0003 to 0.003 as displayed", "rates from 0.001 to 0.1 as displayed"))
    assert "base_lr 0" not in first + second


def test_seeds_of_an_unknown_policy_are_those_with_its_rates(tmp_path):
    (tmp_path / "again.log").write_bytes((LOGS / "fork_a.log").read_bytes())
    (table,) = read_report([LOGS / "fork_a.log", tmp_path / "again.log"], "best_accuracy").workloads
    assert [len(row.runs) for row in table.policies] == [2]


def test_an_unknown_policy_without_rates_is_that_of_its_log(tmp_path):
    lines = [line for line in (LOGS / "fork_a.log").read_text().splitlines() if ", lr = " not in line]
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_text("\n".join(lines))
    (table,) = read_report([tmp_path / "a.log", tmp_path / "b.log"], "best_accuracy").workloads
    assert [row.policy for row in table.policies] == [
        f"Caffe's plateau, base_lr 0.1, in {tmp_path / name}.log" for name in ("a", "b")
    ]


def test_what_a_log_without_a_head_does_not_say_is_unknown():
    run = row("tail_a")
    assert run.workload == {
        "net": {"name": None, "sha256": None},
        "dataset": {"label": None},
        "batch_size": None,
        "iterations": None,
        "test_interval": None,
    }
    assert run.solver == {}
    assert run.engine["device"] is None
    alone, both = report("tail_a"), report("tail_a", "tail_b")
    assert alone.workloads[0].label == "unnamed net on unknown data"
    assert alone.notes == ()
    assert both.notes == (
        f"{LOGS / 'tail_a.log'} and 1 more: these logs do not say which net was trained on which "
        "data, so whether they are comparable is unknown",
    )


@pytest.mark.parametrize("write", [json_report, csv_report, latex_report, html_report])
def test_every_format_shows_what_is_unknown(write):
    written = write(report("tail_a", "fork_a", "resumed"))
    text = written.decode() if isinstance(written, bytes) else written
    assert "as displayed, of an unknown policy" in text


def test_outputs_are_what_their_layers_are():
    run = row("top5")
    assert {name: run.evaluations[name].tolist() for name in ("accuracy_top1", "accuracy_top5", "test_loss")} == {
        "accuracy_top1": [0.52],
        "accuracy_top5": [0.79],
        "test_loss": [1.9],
    }


@pytest.mark.parametrize(
    ("layers", "outputs", "expected"),
    [
        # the names say the opposite of the layers
        (
            [
                ("Accuracy", "accuracy_5", "top_k: 1"),
                ("Accuracy", "accuracy", "top_k: 5"),
                ("SoftmaxWithLoss", "acc", ""),
            ],
            {"accuracy_5": 0.5, "accuracy": 0.8, "acc": 1.5},
            (0.5, 0.8, 1.5),
        ),
        (
            [("Accuracy", "top3", "top_k: 3"), ("SoftmaxWithLoss", "cost", "")],
            {"top3": 0.8, "cost": 1.5},
            (None, None, 1.5),
        ),
        # auxiliary branches come first
        (
            [
                ("SoftmaxWithLoss", "loss", ""),
                ("Accuracy", "accuracy", ""),
                ("SoftmaxWithLoss", "main", ""),
                ("Accuracy", "hits", ""),
            ],
            {"loss": 3.0, "accuracy": 0.1, "main": 1.5, "hits": 0.5},
            (0.5, None, 1.5),
        ),
        # a loss without a top
        (
            [("Accuracy", "hits", ""), ("SoftmaxWithLoss", None, "")],
            {"hits": 0.5, "(automatic)": 1.5},
            (0.5, None, 1.5),
        ),
        ([("Python", "accuracy", ""), ("EuclideanLoss", "pull", "")], {"accuracy": 0.5, "pull": 0.3}, (0.5, None, 0.3)),
        # of a net that glog cut, the names of what is missing
        ([("Data", "data", "")], {"accuracy": 0.5, "loss": 1.5}, (0.5, None, 1.5)),
        ([("Reduction", "mean_share", "")], {"mean_share": 0.5}, (None, None, None)),
    ],
)
def test_layers_go_before_names(layers, outputs, expected):
    net = "\n".join(
        f'layer {{ name: "l{i}" type: "{kind}" {f"top: {top!r}" if top else ""} '
        f"{'accuracy_param { ' + settings + ' }' if settings else ''} }}"
        for i, (kind, top, settings) in enumerate(layers)
    )
    lines = [f"    Test net output #{i}: {name} = {value}" for i, (name, value) in enumerate(outputs.items())]
    log = log_of(
        f"Initializing net from parameters: \nstate {{ phase: TEST }}\n{net}", "Iteration 10, Testing net (#0)", *lines
    )
    columns = evaluations_of_log(log)
    for name, value in zip(("accuracy_top1", "accuracy_top5", "test_loss"), expected, strict=True):
        assert columns[name].tolist() == pytest.approx([math.nan if value is None else value], nan_ok=True), name


def test_the_accuracy_is_that_of_the_scores_which_the_main_loss_reads():
    net = """state { phase: TEST }
layer { name: "a" type: "Accuracy" bottom: "main" top: "of_main" }
layer { name: "b" type: "Accuracy" bottom: "aux" top: "of_aux" }
layer { name: "c" type: "SoftmaxWithLoss" bottom: "main" top: "cost" }"""
    log = log_of(
        "Initializing net from parameters: \n" + net,
        "Iteration 10, Testing net (#0)",
        *(
            f"    Test net output #{i}: {name} = {value}"
            for i, (name, value) in enumerate({"of_main": 0.5, "of_aux": 0.3, "cost": 1}.items())
        ),
    )
    assert evaluations_of_log(log)["accuracy_top1"].tolist() == [0.5]
