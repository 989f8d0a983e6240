"""``lrbench init``: a first spec that is right, whatever is answered."""

from __future__ import annotations

import io
import itertools
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from click.testing import CliRunner

import lrbench
from lrbench.cli.init import init
from lrbench.data import Prepared, load
from lrbench.errors import DataError
from lrbench.metrics.objective import Objective, Target, read_target
from lrbench.nets import builtin_nets
from lrbench.nets.caffe_pb2 import Datum
from lrbench.spec.model import DataFolders
from lrbench.spec.prompts import check_test_count
from lrbench.spec.reading import read_experiment
from lrbench.spec.solver_types import SOLVER_TYPES
from lrbench.spec.starter_spec import StarterSpec, rounded, starter_experiment, starter_text

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(digits: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the digits prepared."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_HOME", str(digits.folder.parents[1]))
    return tmp_path


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, lrbench: Callable[..., tuple[int, str, str]]
) -> Callable[..., tuple[int, str]]:
    """Gives the exit code and standard error of ``lrbench init``, asking nobody."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)

    def run(*arguments: str) -> tuple[int, str]:
        code, out, err = lrbench("init", *arguments)
        assert out == ""
        return code, err

    return run


@pytest.mark.parametrize(
    ("net", "dataset", "solver"),
    [
        (net, dataset, solver)
        for (net, solver), dataset in zip(
            itertools.product(builtin_nets(), SOLVER_TYPES), itertools.cycle(["mnist", "digits", "cifar10"])
        )
    ],
)
@pytest.mark.parametrize(
    ("iterations", "target", "engine"), [(10, None, "caffe"), (17, 1.0, "torch"), (64000, 0.9, "torch")]
)
def test_the_spec_is_right_for_every_answer(net, dataset, solver, iterations, target, engine, tmp_path):
    start = StarterSpec("my spec", net, dataset, 64, 100, iterations, solver, engine, target)
    experiment = starter_experiment(starter_text(start), tmp_path / "my spec.yaml")
    settings, workload = experiment.settings, experiment.net_workload
    assert (workload.net_name, workload.dataset, workload.batch_size) == (net, dataset, 64)
    assert (workload.iterations, settings.target_accuracy) == (iterations, target)
    assert [each.type for each in settings.solver] == [solver]
    assert (settings.engine.name, settings.name) == (engine, "my_spec")
    assert len(experiment.runs) == 18
    assert 1 <= workload.test_interval <= iterations


@pytest.mark.parametrize(
    "text", ["true", "1e3", "a: b", "with # mark", "with  # mark", "it's", "ünï", 'say "x"', "- a", "null", "[a"]
)
def test_names_of_anybody_come_back_from_the_spec(text, tmp_path):
    net = tmp_path / f"{text}.prototxt"
    net.write_bytes((REPOSITORY / "prototxt/lenet.prototxt").read_bytes())
    start = StarterSpec(text, f"./{net.name}", {"train": f"./{text}", "test": text}, 64, 100, 50)
    experiment = starter_experiment(starter_text(start), tmp_path / "spec.yaml")
    assert experiment.net_workload.net_path == net
    assert isinstance(experiment.net_workload.dataset, DataFolders)
    assert experiment.net_workload.dataset.train == str(tmp_path / text)
    assert re.fullmatch(r"[A-Za-z0-9][\w.+-]*", experiment.name)


def test_flags_alone_write_a_spec_and_name_what_is_next(here, command):
    code, said = command("--net", "lenet", "--dataset", "digits", "--yes", "--engine", "torch")
    assert code == 0
    assert said.splitlines() == [
        "wrote digits_lenet.yaml",
        "next: lrbench run digits_lenet.yaml --dry-run   # lists the runs and estimates their time",
        "next: lrbench range digits_lenet.yaml   # which learning rates are useful",
    ]
    workload = read_experiment(Path("digits_lenet.yaml")).net_workload
    assert workload.iterations == 100
    assert 500 % workload.test_batch_size == 0
    shown = Path("digits_lenet.yaml").read_text()
    comments = {line.index(" # ") for line in shown.splitlines() if " # " in line}
    assert len(comments) == 1


def test_what_is_not_there_yet_is_next(here, command):
    _, said = command("--net", "lenet", "--dataset", "mnist", "-o", "my spec.yaml", "--engine", "caffe")
    assert said.splitlines() == [
        "wrote my spec.yaml",
        "next: lrbench caffe install   # once",
        "next: lrbench data prepare mnist   # once",
        "next: lrbench run 'my spec.yaml' --dry-run   # lists the runs and estimates their time",
        "next: lrbench range 'my spec.yaml'   # which learning rates are useful",
    ]
    command("--net", "lenet", "--dataset", "mnist", "-o", "again.yaml")
    assert read_experiment(Path("again.yaml")).settings.engine.name == "torch"


def test_a_solver_file_gives_its_net_settings_and_policy(here, command):
    solver = here / "models/solver.prototxt"
    solver.parent.mkdir()
    (solver.parent / "net.prototxt").write_bytes((REPOSITORY / "prototxt/lenet.prototxt").read_bytes())
    solver.write_text(
        'net: "examples/net.prototxt" test_iter: 5 test_interval: 50 base_lr: 0.01 lr_policy: "poly"\n'
        'power: 2 max_iter: 300 momentum: 0.8 weight_decay: 0.001 type: "Nesterov" delta: 1e-9 debug: 1'
    )
    given = ("--net", "models/solver.prototxt", "--dataset", "digits", "--engine", "torch")
    assert command(*given, "-o", "spec.yaml")[0] == 0
    experiment = read_experiment(Path("spec.yaml"))
    settings, workload = experiment.settings.solver[0], experiment.net_workload
    assert (settings.type, settings.momentum, settings.weight_decay) == ("Nesterov", 0.8, 0.001)
    assert (workload.net_path, workload.iterations, workload.test_interval) == (solver.parent / "net.prototxt", 300, 50)
    assert experiment.settings.policies[0] == "POLY(k0=0.01, p=2)"
    assert command(*given, "-o", "other.yaml", "--iterations", "40", "--solver", "Adam")[0] == 0
    experiment = read_experiment(Path("other.yaml"))
    assert (experiment.settings.solver[0].momentum, experiment.net_workload.test_interval) == (0.9, 40)


def test_a_policy_of_the_solver_file_that_is_a_usual_one_is_listed_once(here, command):
    Path("solver.prototxt").write_text('net: "lenet.prototxt" base_lr: 0.01 lr_policy: "fixed"')
    Path("lenet.prototxt").write_bytes((REPOSITORY / "prototxt/lenet.prototxt").read_bytes())
    assert command("--net", "solver.prototxt", "--dataset", "digits", "-o", "spec.yaml")[0] == 0
    experiment = read_experiment(Path("spec.yaml"))
    assert (len(experiment.settings.policies), experiment.settings.solver[0].momentum) == (6, 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('net: "gone.prototxt" base_lr: 0.1 lr_policy: "fixed"', "its net, gone.prototxt, is neither there from this"),
        (
            'base_lr: 0.1 lr_policy: "fixed"',
            "has no net: with the path of a train-and-test net; put the net into a file",
        ),
        ('base_lr: 0.1 lr_policy: "cosine"', 'the lr_policy "cosine" is none of Caffe\'s'),
    ],
)
def test_a_solver_file_that_says_too_little_is_one_line(text, message, here, command):
    Path("solver.prototxt").write_text(text)
    code, said = command("--net", "solver.prototxt", "--dataset", "digits")
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("error: --net: solver.prototxt: ")
    assert message in said


FIT = ("--net", "lenet", "--dataset", "digits")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "digits"), "--net is missing, and no questions are asked; add --net"),
        (("--net", "lenet"), "--dataset is missing, and no questions are asked; add --dataset"),
        (
            ("--net", "lenett", "--dataset", "digits"),
            '--net: there is no net "lenett"; did you mean lenet? A file of your own is named by its path, such as '
            "./mine.prototxt",
        ),
        (("--net", "none.prototxt", "--dataset", "digits"), "--net: none.prototxt: no such file"),
        (
            ("--net", "lenet", "--dataset", "digit"),
            "--dataset: no data set is called 'digit'; did you mean digits? (for a folder of your own, give its path)",
        ),
        (
            ("--net", "lenet", "--dataset", "."),
            "--dataset: .: should hold one LMDB with train in its name and one with test or val, but holds none; rename them, "
            "or write both paths into the spec by hand",
        ),
        (
            (*FIT, "--batch-size", "5000"),
            "--batch-size: the batch size is 5000, but digits has 1297 training images; give 1297 or less",
        ),
        ((*FIT, "--iterations", "0"), "--iterations: a run has 10 to 100,000,000 iterations here, not 0"),
        (
            (*FIT, "--target", "98"),
            "--target: the target is 98, but an accuracy is above 0 and at most 1; give a fraction, such as 0.98 for 98 %, "
            "or METRIC=VALUE for another metric",
        ),
        ((*FIT, "--solver", "Adm"), "--solver: there is no solver 'Adm'; did you mean Adam?"),
        ((*FIT, "--engine", "cafe"), "--engine: unknown engine 'cafe'; did you mean caffe?"),
        (("-o", "nowhere/spec.yaml"), "nowhere/spec.yaml: there is no folder nowhere; create it, or change -o"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(here, command, arguments, message):
    code, said = command(*arguments)
    assert (code, said) == (2, f"error: {message}\n")
    assert list(here.iterdir()) == []


def test_a_file_that_is_there_is_kept_unless_forced(here, command):
    arguments = ("--net", "lenet", "--dataset", "digits", "--yes")
    Path("digits_lenet.yaml").write_text("mine")
    code, said = command(*arguments)
    assert (code, said) == (2, "error: digits_lenet.yaml: already exists; give -o another name, or add --force\n")
    assert Path("digits_lenet.yaml").read_text() == "mine"
    assert command(*arguments, "--force")[0] == 0
    assert read_experiment(Path("digits_lenet.yaml")).runs


def test_a_net_with_too_few_outputs_is_refused_when_it_is_named(here, command):
    text = (REPOSITORY / "prototxt/lenet.prototxt").read_text()
    Path("small.prototxt").write_text(text.replace("num_output: 10", "num_output: 7"))
    code, said = command("--net", "small.prototxt", "--dataset", "digits")
    assert code == 2
    assert re.match("error: --dataset: small.prototxt has 7 outputs, but .* has 10 classes; set num_output", said)


def write_lmdb(folder: Path, prepared: Prepared, count: int) -> None:
    split = load(prepared, "test")
    with lmdb.open(str(folder), map_size=1 << 26) as database, database.begin(write=True) as transaction:
        for index, (image, label) in enumerate(zip(split.images[:count], split.labels[:count], strict=True)):
            datum = Datum(channels=1, height=28, width=28, data=np.asarray(image).tobytes(), label=int(label))
            transaction.put(f"{index:08}".encode(), datum.SerializeToString())


def test_folders_and_files_of_ones_own_are_found_from_where_the_spec_is(here, digits, command):
    (here / "my data/specs").mkdir(parents=True)
    write_lmdb(here / "my data/train_lmdb", digits, 90)
    write_lmdb(here / "my data/val_lmdb", digits, 70)
    Path("mine.prototxt").write_bytes((REPOSITORY / "prototxt/lenet.prototxt").read_bytes())
    code, said = command("--net", "mine.prototxt", "--dataset", "my data", "-o", "my data/specs/first.yaml")
    assert code == 0, said
    experiment = read_experiment(Path("my data/specs/first.yaml"))
    assert experiment.net_workload.net_path.resolve() == here / "mine.prototxt"
    assert isinstance(experiment.net_workload.dataset, DataFolders)
    assert Path(experiment.net_workload.dataset.test).resolve() == here / "my data/val_lmdb"
    assert experiment.net_workload.dataset.mean is None
    assert (experiment.net_workload.batch_size, experiment.net_workload.test_batch_size) == (90, 70)


@pytest.mark.parametrize(("count", "batch"), [(499, 499), (450, 90), (7, 7)])
def test_the_test_batch_divides_the_test_set_and_is_not_tiny(here, digits, command, count, batch):
    (here / "mine").mkdir()
    write_lmdb(here / "mine/train_lmdb", digits, 90)
    write_lmdb(here / "mine/test_lmdb", digits, count)
    assert command("--net", "lenet", "--dataset", "mine", "-o", "first.yaml")[0] == 0
    assert read_experiment(Path("first.yaml")).net_workload.test_batch_size == batch


def test_a_test_set_that_only_tiny_batches_divide_is_refused_with_what_to_do(digits):
    with pytest.raises(DataError, match="has 1009 test images, which no test batch of 10 to 1000 divides; leave out 9"):
        check_test_count(replace(digits, test_count=1009))


class Terminal(io.BytesIO):
    """Somebody who types these answers."""

    def isatty(self) -> bool:
        return True


def test_questions_are_asked_until_the_answer_is_right(here):
    answers = ["lenett", "lenet", "digit", "digits", "x", "50", "", "98", "0.9", "adam", "", ""]
    asked = CliRunner().invoke(init, [], input=Terminal("\n".join([*answers, ""]).encode()), catch_exceptions=False)
    assert asked.exit_code == 0
    assert 'Error: there is no net "lenett"; did you mean lenet?' in asked.output
    assert "Error: no data set is called 'digit'; did you mean digits?" in asked.output
    assert "Error: 'x' is not a whole number; for example 1000" in asked.output
    assert "Error: the target is 98" in asked.output
    experiment = read_experiment(Path("digits_lenet.yaml"))
    assert experiment.net_workload.batch_size == 50
    assert experiment.settings.target_accuracy == 0.9
    assert [solver.type for solver in experiment.settings.solver] == ["Adam"]


def test_at_a_terminal_it_asks(here):
    """Through a terminal of its own."""
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "lrbench", "init"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asked:
        os.write(keyboard, b"lenet\ndigits\n\n\n\n\n\n")
        said = asked.communicate(timeout=200)[1]
    os.close(keyboard)
    os.close(terminal)
    assert asked.returncode == 0, said
    assert "Net (cnn3, lenet, resnet20, resnet32, or a prototxt file): " in said
    assert "Iterations of each run [100]: " in said
    assert read_experiment(Path("digits_lenet.yaml")).runs


@pytest.mark.parametrize(("number", "expected"), [(0.2, 1), (1.4, 1), (30, 20), (129.7, 100), (6000, 5000), (8e9, 5e8)])
def test_suggestions_are_round_numbers(number, expected):
    assert rounded(number) == expected


@pytest.mark.caffe
def test_a_spec_that_was_written_runs_for_real(own_home, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command("--net", "lenet", "--dataset", "digits", "--iterations", "10", "--engine", "caffe")
    results = lrbench.run("digits_lenet.yaml", seeds=[0], policies=["FIX(k0=0.01)"], workload={"test_interval": 10})
    assert results.runs["status"].tolist() == ["finished"]


def test_start_is_what_it_says():
    start = StarterSpec("x", "lenet", "digits", 10, 100, 100)
    assert starter_text(replace(start, solver="Adam")) != starter_text(start)
    assert "# target_accuracy: 0.98" in starter_text(start)
    assert "\ntarget_accuracy: 0.5 " in starter_text(replace(start, target=0.5))
    loss = starter_experiment(
        starter_text(replace(start, target=read_target("test_loss=0.12", "target"))), Path("x.yaml")
    )
    assert loss.aim(None) == Target(Objective("test_loss", "minimize"), 0.12)
