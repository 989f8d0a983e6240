"""Logs of several sessions: resumed trainings, trainings one after the other, and the time between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrbench.engines.caffe.log import CaffeLog, read_log
from lrbench.report.caffe_log import evaluations_of_log, row_of_log

LOGS = Path(__file__).parent.parent / "data_files" / "logs"
SOLVER = ["Initializing solver from parameters: ", "base_lr: 0.02", 'lr_policy: "fixed"', "max_iter: 100"]


def fed(*lines: str | tuple[int, str]) -> CaffeLog:
    """A log of messages with the second of each; a line alone has no stamp."""
    log = CaffeLog()
    for line in lines:
        if isinstance(line, tuple):
            minutes, seconds = divmod(line[0], 60)
            line = f"I0305 {minutes // 60:02}:{minutes % 60:02}:{seconds:02}.0  1 solver.cpp:1] {line[1]}"
        log.feed(line)
    return log


def session(start: int, *shown: tuple[int, int, float | None], resumed: str = "") -> list[str | tuple[int, str]]:
    """A session that begins to solve at a second: (second, iteration, accuracy of a test of 2 s or None)."""
    lines: list[str | tuple[int, str]] = [(start - 2, SOLVER[0]), *SOLVER[1:]]
    lines += [(start - 1, f"Resuming from {resumed}")] if resumed else []
    lines.append((start, "Solving tiny"))
    for second, iteration, accuracy in shown:
        if accuracy is None:
            lines.append((second, f"Iteration {iteration}, loss = {second}"))
        else:
            lines += [
                (second, f"Iteration {iteration}, Testing net (#0)"),
                (second + 2, f"    Test net output #0: accuracy = {accuracy}"),
                (second + 2, f"Snapshotting to binary proto file t_iter_{iteration}.caffemodel"),
            ]
    return lines


def curve(log: CaffeLog) -> list[tuple[float, ...]]:
    """Iteration, accuracy, seconds of training, and seconds of evaluating of each evaluation."""
    columns = evaluations_of_log(log)
    names = ("iteration", "accuracy_top1", "train_seconds", "evaluation_seconds")
    return list(zip(*(columns[name].tolist() for name in names), strict=True))


def test_the_time_between_two_sessions_is_no_training():
    path = LOGS / "resumed.log"
    run = row_of_log(path, read_log(path), 0.5)
    assert run.evaluations["train_seconds"].tolist() == [30, 60]
    assert run.evaluations["evaluation_seconds"].tolist() == [5, 10]
    assert run.metrics["seconds_to_target"] == 30
    assert run.status == "finished"


def test_a_training_that_was_stopped_and_continued_has_finished():
    path = LOGS / "stopcont.log"
    run = row_of_log(path, read_log(path))
    assert (run.status, run.iteration) == ("finished", 200)
    assert run.evaluations["train_seconds"].tolist() == [12, 32]
    assert run.evaluations["evaluation_seconds"].tolist() == [1, 2]


def test_iterations_that_a_session_repeats_are_those_of_the_later():
    first = session(10, (10, 0, None), (40, 50, 0.5), (62, 70, None), (72, 80, 0.7))
    second = session(5000, (5000, 50, 0.51), (5032, 80, 0.6), (5054, 100, 0.8), resumed="t_iter_50.solverstate")
    log = fed(*first, *second)
    assert curve(log) == [(50, 0.51, 30, 4), (80, 0.6, 60, 6), (100, 0.8, 80, 8)]
    assert [display.iteration for display in log.displays] == [0]


def test_what_an_abandoned_session_did_beyond_its_snapshot_does_not_count():
    first = session(10, (10, 0, None), (40, 50, 0.5), (72, 80, 0.9))
    log = fed(*first, *session(5000, (5010, 60, 0.6), resumed="t_iter_50.solverstate"))
    assert curve(log) == [(50, 0.5, 30, 2), (60, 0.6, 40, 4)]
    assert log.iteration == 60


def test_a_session_that_does_not_resume_is_another_training():
    log = fed(*session(10, (10, 0, 0.1), (40, 50, 0.5), (72, 80, 0.9)), *session(500, (500, 0, 0.2), (530, 50, 0.3)))
    assert curve(log) == [(0, 0.2, 0, 2), (50, 0.3, 28, 4)]


@pytest.mark.parametrize(
    "line", ["Restoring previous solver status from t_iter_50.solverstate.h5", "SGDSolver: restoring history"]
)
def test_however_a_session_says_that_it_resumes(line):
    second = [
        *session(500)[:-1],
        (499, line),
        (500, "Solving tiny"),
        (520, "Iteration 60, Testing net (#0)"),
        (521, "    Test net output #0: accuracy = 0.6"),
    ]
    log = fed(*session(10, (10, 0, None), (40, 50, 0.5)), *second)
    assert curve(log) == [(50, 0.5, 30, 2), (60, 0.6, 50, 3)]


def test_iterations_that_go_back_without_a_word_do_not_turn_time_back():
    log = fed(
        (0, "Iteration 0, loss = 1"),
        (20, "Iteration 20, Testing net (#0)"),
        (21, "    Test net output #0: accuracy = 0.2"),
        (40, "Iteration 40, Testing net (#0)"),
        (41, "    Test net output #0: accuracy = 0.4"),
        (9000, "Iteration 20, loss = 1"),
        (9030, "Iteration 50, Testing net (#0)"),
        (9031, "    Test net output #0: accuracy = 0.5"),
    )
    assert [point[0] for point in curve(log)] == [20, 40, 50]
    seconds = [point[2] for point in curve(log)]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 60


def test_a_first_test_late_in_the_training_is_not_its_start():
    log = fed(*session(10, (70, 50, 0.5)))
    assert curve(log) == [(50, 0.5, 60, 2)]
    resumed = fed(*session(10, (20, 50, 0.5), (32, 60, 0.6), resumed="t_iter_50.solverstate"))
    assert curve(resumed) == [(50, 0.5, 0, 2), (60, 0.6, 10, 4)]


def test_a_session_that_fails_at_once_changes_nothing_but_the_outcome():
    log = fed(*session(10, (10, 0, None), (40, 50, 0.5)), *session(500)[:-1])
    log.feed("F0305 00:10:00.0  1 net.cpp:1] Check failed: no such file")
    assert curve(log) == [(50, 0.5, 30, 2)]
    assert log.fatal == "Check failed: no such file (net.cpp:1)"


def test_whenever_iterations_go_back_time_goes_on_from_the_latest_that_was_shown_up_to_there():
    drawn = np.random.default_rng(0).integers(0, 30, size=400).tolist()
    log = fed(*((7 * place, f"Iteration {iteration}, loss = 1") for place, iteration in enumerate(drawn)))
    shown = list(log.displays)
    assert [display.iteration for display in shown] == drawn
    checked = 0
    for place, display in enumerate(shown[1:], start=1):
        earlier = [other.seconds for other in shown[:place] if other.iteration <= display.iteration]
        if display.iteration < shown[place - 1].iteration and earlier:
            assert display.seconds == max(earlier)
            checked += 1
    assert checked > 100
