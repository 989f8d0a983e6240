"""Caffe's log read back: real logs of a tiny net, and what years, threads and other builds do to one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lrbench.engines.caffe.log import CaffeLog, read_log
from lrbench.engines.caffe.log_sessions import Snapshot
from lrbench.errors import ResultsError

LOGS = Path(__file__).parent.parent / "data_files"


def fed(*lines: str) -> CaffeLog:
    log = CaffeLog()
    for line in lines:
        log.feed(line)
    return log


def stamped(stamp: str, message: str = "x") -> str:
    return f"I{stamp}  1234 solver.cpp:239] {message}"


def displayed_at(*stamps: str) -> list[float]:
    """Seconds of one display at each stamp."""
    lines = [stamped(stamp, f"Iteration {i}, loss = 1") for i, stamp in enumerate(stamps)]
    return [round(display.seconds, 6) for display in fed(*lines).displays]


def test_a_training_that_finished():
    log = read_log(LOGS / "caffe_step.log")
    assert log.finished
    assert not log.stopped
    assert log.fatal is None
    assert log.solver is not None
    assert (log.solver.lr_policy, log.solver.stepsize, log.solver.max_iter) == ("step", 25, 60)
    assert [(d.iteration, d.loss, d.rate) for d in log.displays] == [
        (0, 1.44937, 0.1),
        (10, 1.3343, 0.1),
        (20, 1.22907, 0.1),
        (30, 0.770173, 0.05),
        (40, 0.670686, 0.05),
        (50, 0.544927, 0.025),
        (60, 0.258621, None),
    ]
    assert [(t.iteration, t.outputs["accuracy"], t.outputs["loss"]) for t in log.tests] == [
        (0, 0.175, 1.54458),
        (20, 0.275, 1.3198),
        (40, 0.575, 1.1427),
        (60, 0.825, 0.442097),
    ]
    assert [(snapshot.iteration, snapshot.path) for snapshot in log.snapshots] == [
        (30, "tiny_iter_30.caffemodel"),
        (30, "tiny_iter_30.solverstate"),
        (60, "tiny_iter_60.caffemodel"),
        (60, "tiny_iter_60.solverstate"),
    ]
    assert [text.splitlines()[0] for text in log.net_texts] == ['name: "tiny"'] * 2


def test_how_far_it_came_is_what_any_line_says():
    assert fed().iteration == 0
    display = stamped("1123 00:00:01.0", "Iteration 10, loss = 1")
    test = stamped("1123 00:00:02.0", "Iteration 20, Testing net (#0)")
    snapshot = stamped("1123 00:00:03.0", "Snapshotting to binary proto file x_iter_30.caffemodel")
    beyond_all_counting = stamped("1123 00:00:04.0", f"Iteration {10**400}, Testing net (#0)")
    assert [fed(*lines).iteration for lines in ([display], [display, test], [snapshot, test])] == [10, 20, 30]
    assert fed(test, beyond_all_counting).iteration == 20


def test_its_times_count_from_the_first_line():
    log = read_log(LOGS / "caffe_step.log")
    assert log.sessions.training_started == pytest.approx(0.002029)
    assert log.displays[1].seconds == pytest.approx(0.003238)
    last = log.tests[-1]
    assert (last.started, last.ended) == pytest.approx((0.004628, 0.004665))


def test_a_training_that_diverged_keeps_nan_and_what_caffe_claims():
    log = read_log(LOGS / "caffe_nan.log")
    assert log.finished
    assert [math.isnan(display.loss) for display in log.displays] == [False] + [True] * 6
    assert math.isnan(log.tests[-1].outputs["loss"])
    assert log.tests[-1].outputs["accuracy"] == 1  # Caffe counts NaN as correct: for the reader to see through


def test_a_fatal_error():
    log = read_log(LOGS / "caffe_fatal.log")
    assert log.fatal == "Unknown learning rate policy: nosuch (sgd_solver.cpp:67)"
    assert not log.finished
    assert len(log.displays) == 1
    assert log.displays[0].rate is None


def test_a_log_under_way_grows_line_by_line():
    lines = (LOGS / "caffe_step.log").read_text().splitlines(keepends=True)
    whole = CaffeLog()
    seen = []
    for line in lines:
        whole.feed(line)
        seen.append((len(whole.displays), len(whole.tests), len(whole.snapshots), whole.finished))
    assert seen == sorted(seen)
    assert seen[-1] == (7, 4, 4, True)
    assert not fed(*lines[:-2]).finished


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("Snapshotting to binary proto file a/b_iter_7.caffemodel", "a/b_iter_7.caffemodel"),
        ("Snapshotting solver state to HDF5 file n_iter_7.solverstate.h5", "n_iter_7.solverstate.h5"),
        ("Snapshotting to n o_iter_7.caffemodel", "n o_iter_7.caffemodel"),
    ],
)
def test_snapshots_of_every_format(message, path):
    log = fed(stamped("0101 00:00:00.0"), stamped("0101 00:00:02.5", message))
    assert log.snapshots == [Snapshot(7, path, 2.5)]


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        (["1123 23:59:59.5", "1124 00:00:00.5"], [0, 1]),
        (["1231 23:59:59.0", "0101 00:00:01.0", "0102 00:00:01.0"], [0, 2, 86402]),
        (["0228 23:59:59.0", "0301 00:00:01.0"], [0, 2]),
        (["0228 23:59:59.0", "0229 12:00:00.0", "0301 00:00:00.0"], [0, 43201, 86401]),
        (["1124 00:00:00.5", "1123 23:59:59.5", "1124 00:00:01.5"], [0, -1, 1]),
        (["20231231 23:59:59.0", "20240101 00:00:00.0"], [0, 1]),
        (["20230228 00:00:00.0", "20230301 00:00:00.0"], [0, 86400]),
        (["20240228 00:00:00.0", "20240301 00:00:00.0"], [0, 172800]),
        (["0101 00:00:00.0", "1399 00:00:01.0"], [0, 1]),
    ],
)
def test_time_stamps(stamps, seconds):
    assert displayed_at(*stamps) == seconds


def test_the_display_line_of_older_builds():
    lines = ("Iteration 100, loss = 0.3", "Iteration 100, lr = 1e-05")
    log = fed(*(stamped("0101 00:00:00.0", line) for line in lines))
    assert (log.displays[0].iteration, log.displays[0].loss, log.displays[0].rate) == (100, 0.3, 1e-05)


def test_outputs_of_many_values_are_left_out():
    test = stamped("0101 00:00:00.0", "Iteration 5, Testing net (#1)")
    values = [stamped("0101 00:00:01.0", f"    Test net output #{i}: prob = 0.1") for i in range(3)]
    log = fed(test, *values, stamped("0101 00:00:02.0", "    Test net output #3: loss3/top-1 = 0.5"))
    assert log.tests[0].outputs == {"loss3/top-1": 0.5}
    assert (log.tests[0].net, log.tests[0].started, log.tests[0].ended) == (1, 0, 2)


def test_a_test_net_of_a_number_that_is_too_long_is_not_the_first():
    log = fed(stamped("0101 00:00:00.0", f"Iteration 5, Testing net (#{'9' * 5000})"))
    assert log.tests[0].net > 0


def test_stopped_by_a_signal_is_not_finished():
    lines = ("Optimization stopped early.", "Optimization Done.")
    log = fed(*(stamped("0101 00:00:00.0", line) for line in lines))
    assert log.stopped
    assert not log.finished


def test_solver_settings_of_another_build_are_passed_over():
    start = stamped("0101 00:00:00.0", "Initializing solver from parameters: ")
    log = fed(start, "base_lr: 0.5", "min_lr_of_a_fork: 0.1", 'lr_policy: "fixed"', stamped("0101 00:00:00.0"))
    assert log.solver is not None
    assert (log.solver.base_lr, log.solver.lr_policy) == (0.5, "fixed")
    assert fed(start, "base_lr: }{", stamped("0101 00:00:00.0")).solver is None


def test_a_second_training_in_one_log_starts_afresh():
    first = (LOGS / "caffe_fatal.log").read_text().splitlines()
    log = fed(*first, *(LOGS / "caffe_step.log").read_text().splitlines())
    assert log.finished
    assert log.fatal is None
    assert log.solver is not None
    assert log.solver.lr_policy == "step"
    assert len(log.net_texts) == 2


@pytest.mark.parametrize("content", [b"", b"name: x\nbase_lr: 0.1\n", b"\x00\xff" * 100_000, b"I1123 no\n" * 10])
def test_a_file_that_is_no_log(tmp_path, content):
    path = tmp_path / "x.log"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"x\.log: is no training log of Caffe"):
        read_log(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ResultsError, match="cannot be read: No such file"):
        read_log(tmp_path / "x.log")
