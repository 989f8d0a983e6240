"""Logs that something else wrote through: prefixes, colours, UTF-16, and messages that glog cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrbench.engines.caffe.log import CaffeLog, read_log
from lrbench.errors import ResultsError
from lrbench.report.caffe_log import notes_of_log, row_of_log
from lrbench.report.load import load

LOGS = Path(__file__).parent.parent / "data_files"
STAMP = "I0305 10:00:00.000000  77 solver.cpp:44] "


def seen(path: Path) -> tuple[object, ...]:
    """What a report shows of a log."""
    log = read_log(path)
    run = row_of_log(path, log)
    columns = {name: column.tolist() for name, column in run.evaluations.items() if name != "learning_rate"}
    return run.policy, run.solver, run.workload, run.status, str(columns), log.lines, notes_of_log(log)


@pytest.mark.parametrize("name", ["caffe_step.log", "logs/top5.log", "logs/resumed.log"])
@pytest.mark.parametrize(
    "prefix", ["[1,0]<stderr>:", "    ", "\t", "\x1b[32m", "caffe_1  | ", "2024-01-01T00:00:0{0}.{0}Z ", "[{0}] "]
)
def test_what_stands_before_each_line_does_not_matter(tmp_path, name, prefix):
    lines = (LOGS / name).read_text().splitlines()
    path = tmp_path / Path(name).name
    path.write_text("".join(f"{prefix.format(7 * i % 100)}{line}\n" for i, line in enumerate(lines)))
    assert seen(path) == seen(LOGS / name)


def test_colours_around_lines_do_not_matter(tmp_path):
    path = tmp_path / "caffe_step.log"
    lines = (LOGS / "caffe_step.log").read_text().splitlines()
    path.write_text("".join(f"\x1b[0;33m{line}\x1b[0m\n" for line in lines))
    assert seen(path) == seen(LOGS / "caffe_step.log")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_logs_of_other_encodings(tmp_path, encoding, line_end):
    path = tmp_path / "caffe_step.log"
    text = (LOGS / "caffe_step.log").read_text().replace("\n", line_end)
    path.write_bytes(text.encode(encoding))
    assert seen(path) == seen(LOGS / "caffe_step.log")


def test_a_log_of_2014_says_why_there_is_no_accuracy(tmp_path):
    path = tmp_path / "old.log"
    messages = [
        "Solving CaffeNet",
        "Iteration 0, Testing net",
        "Test score #0: 0.1",
        "Test score #1: 2.31",
        "Iteration 20, lr = 0.01",
        "Iteration 20, loss = 2.3",
        "Iteration 20, Testing net",
        "Test score #0: 0.4",
        "Test score #1: 1.5",
        "Optimization Done.",
    ]
    lines = [f"I0105 10:00:{i:02}.000000  77 solver.cpp:44] {text}\n" for i, text in enumerate(messages)]
    path.write_text("".join(lines))
    loaded = load([path])
    assert loaded.notes == [
        f"{path}: its test scores have no names, as in Caffe until 2014: which is the accuracy is unknown"
    ]
    (run,) = loaded.runs
    assert (run.status, run.iteration, run.metrics["best_accuracy"]) == ("finished", 20, None)
    assert run.policy.startswith("rate 0.01 as displayed")


def logged(header: str, message: str, most: int = 29_999) -> CaffeLog:
    """A log of one message, as glog writes it: no more than 29,999 bytes with its line end."""
    log = CaffeLog()
    text = (STAMP + header + "\n" + message)[: most - 1]
    for line in [*text.split("\n"), STAMP + "Solving tiny", STAMP + "Iteration 0, loss = 1"]:
        log.feed(line)
    return log


def layers(count: int) -> str:
    return "\n".join(f'layer {{\n  name: "l{i}"\n  type: "ReLU"\n}}' for i in range(count))


def test_the_whole_layers_of_a_net_that_glog_cut_count():
    data = 'name: "long"\nlayer {\n  name: "d"\n  data_param {\n    source: "a/b_lmdb"\n    batch_size: 20\n  }\n}\n'
    log = logged("Initializing net from parameters: ", data + layers(2000))
    run = row_of_log(Path("x.log"), log)
    assert (run.workload["net"]["name"], run.workload["dataset"]["label"], run.workload["batch_size"]) == (
        "long",
        "b_lmdb",
        20,
    )
    assert notes_of_log(log) == [
        "its net is cut where Caffe's logger ends a message, at 30,000 bytes: only the layers before that count"
    ]
    shorter = logged("Initializing net from parameters: ", data + layers(2000), 29_990)  # of a longer stamp
    assert row_of_log(Path("y.log"), shorter).workload == run.workload


def test_a_number_that_glog_cut_does_not_count():
    fields = 'base_lr: 0.01\nlr_policy: "fixed"\n' + "\n".join(f"test_iter: {10**6 + i}" for i in range(2000))
    solver = fields[: 29_999 - 1 - len(STAMP + "Initializing solver from parameters: \n") - len("\nmax_iter: 10")]
    log = logged("Initializing solver from parameters: ", solver + "\nmax_iter: 10000")
    assert log.solver is not None
    assert not log.solver.HasField("max_iter")
    run = row_of_log(Path("x.log"), log)
    assert run.policy == "FIX(k0=0.01)"
    assert run.workload["iterations"] is None
    assert run.solver == {}  # its type may stand behind the cut
    assert run.engine["device"] is None
    assert notes_of_log(log) == ["its solver settings are incomplete: what is missing is unknown"]


def test_boundaries_that_glog_cut_make_no_policy():
    solver = 'base_lr: 0.1\nlr_policy: "multistep"\ngamma: 0.5\nstepvalue: 100\nnet_param {\n' + layers(2000)
    log = logged("Initializing solver from parameters: ", solver)
    log.feed(STAMP + "Iteration 0, lr = 0.1")
    run = row_of_log(Path("x.log"), log)
    assert run.policy.startswith("rate 0.1 as displayed, of a policy multistep")
    assert run.function == "unknown"


def test_a_message_as_long_as_glog_writes_is_whole():
    net = 'name: "short"\n' + layers(600)
    log = logged("Initializing net from parameters: ", net)
    assert len(net) < 29_000
    assert log.nets_whole
    assert notes_of_log(log) == []


DEEP = "a {\n" * 2000 + "}\n" * 2000


@pytest.mark.parametrize("header", ["Initializing solver from parameters: ", "Initializing net from parameters: "])
def test_a_block_nested_without_end_hides_nothing(tmp_path, header):
    deep = tmp_path / "deep.log"
    good = (LOGS / "logs" / "good.log").read_text()
    training = good[good.index("I0305 10:00:01") :]
    deep.write_text(f'{STAMP}{header}\nbase_lr: 0.02\nlr_policy: "fixed"\n{DEEP}{training}')
    loaded = load([deep, LOGS / "logs" / "good.log"])
    assert [(run.run_id, run.metrics["best_accuracy"]) for run in loaded.runs] == [("deep.log", 0.8), ("good.log", 0.8)]
    assert loaded.problems == []


def test_the_fields_before_a_nested_one_count():
    log = logged("Initializing solver from parameters: ", f'base_lr: 0.02\nlr_policy: "fixed"\n{DEEP}')
    assert row_of_log(Path("x.log"), log).policy == "FIX(k0=0.02)"
    assert notes_of_log(log) == ["its solver settings are incomplete: what is missing is unknown"]


def test_a_log_with_nothing_but_a_nested_block_is_refused_in_one_line(tmp_path):
    path = tmp_path / "deep.log"
    path.write_text(f"{STAMP}Initializing solver from parameters: \n{DEEP}{STAMP}x\n")
    with pytest.raises(ResultsError, match=r"deep\.log: is no training log of Caffe"):
        read_log(path)
