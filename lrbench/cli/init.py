"""``lrbench init``: Write a first spec for your net and data set, interactively."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from lrbench.api.environment import home, site
from lrbench.cli.completion.candidates import data_sets, engines, nets, python_files, solver_types
from lrbench.cli.consent import python_option
from lrbench.cli.options import output_option
from lrbench.cli.output import check_new, write_output
from lrbench.errors import EngineUnavailable, LRBenchError, UsageError, placed
from lrbench.metrics.objective import read_target

if TYPE_CHECKING:
    from lrbench.importing.caffe_solver import Training
    from lrbench.spec.prompts import DataAnswer, NetAnswer
    from lrbench.spec.starter_spec import StarterSpec

Answer = TypeVar("Answer")
BATCH_SIZE = 100


@dataclass(frozen=True)
class _Options:
    """Values of the options that answer questions, None where not given, and whether to ask for these."""

    values: Mapping[str, str | int | float | None]
    asking: bool


@click.command()
@click.argument("program", required=False, metavar="[PROGRAM]", shell_complete=python_files)
@output_option("Spec to write.  [default: DATASET_NET.yaml, or beside PROGRAM with its name]")
@click.option(
    "--net",
    metavar="NET",
    shell_complete=nets,
    help="Net: a name, such as lenet, a train-and-test prototxt file, or a solver file, whose settings and policy are "
    "then used as well.",
)
@click.option(
    "--dataset",
    metavar="DATA",
    shell_complete=data_sets,
    help="Data set: a name, such as mnist, or a folder with an LMDB for training and one for testing.",
)
@click.option("--batch-size", type=int, metavar="N", help="Training batch size.  [default: 100]")
@click.option("--iterations", type=int, metavar="N", help="Iterations of each run.  [default: about ten epochs]")
@click.option(
    "--target",
    metavar="TARGET",
    help="Target: an accuracy, a fraction such as 0.98, or METRIC=VALUE, such as test_loss=0.12.  [default: none]",
)
@click.option("--solver", metavar="TYPE", shell_complete=solver_types, help="Solver type.  [default: SGD]")
@click.option(
    "--engine",
    metavar="NAME",
    shell_complete=engines,
    help="Engine: caffe or torch.  [default: torch if it alone is installed, else caffe]",
)
@python_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask; implied without a terminal.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(
    program: str | None,
    output: Path | None,
    python: str | None,
    yes: bool,
    force: bool,
    **values: str | int | float | None,
) -> None:
    """Write a first spec for your net and data set: workload, solver and common policies, with comments.

    Asks for each value that is not given as an option, and checks each answer at once.

    With PROGRAM, a training program of your own as FILE.py or FILE.py:FUNCTION, no question is asked: the program is
    executed for two iterations and one evaluation, and the spec has the arguments, metrics and speed that it showed.

    \b
    lrbench init
    lrbench init --net lenet --dataset digits --yes
    lrbench init --net prototxt/cnn3.prototxt --dataset cifar10 --iterations 5000 --target 0.7 -o first.yaml
    lrbench init train.py:training
    """
    if program is not None:
        from lrbench.cli.init_program import init_program

        init_program(program, output, python, force, values)
        return
    if python is not None:
        raise click.UsageError("--python is for a program of your own, such as lrbench init train.py --python PATH")
    from lrbench.data import data_set_names
    from lrbench.spec.prompts import read_data_answer
    from lrbench.spec.starter_spec import starter_experiment, starter_text

    if output is not None:
        check_new(output, force)
    options = _Options(values, not yes and sys.stdin.isatty())  # somebody at a terminal can answer
    net, training = _net(options)
    question = f"Data set ({', '.join(data_set_names())}, or a folder with LMDBs)"
    data = _answer(options, "dataset", question, None, lambda text: read_data_answer(text, home(), net))
    path = output or Path(f"{data.stem}_{net.path.stem}.yaml")
    check_new(path, force)
    starter = _starter(options, net, data, path, training)
    _check_layers(net, starter.engine)
    text = starter_text(starter)
    experiment = starter_experiment(text, path)
    if data.prepared is not None:
        experiment.check_data(data.prepared)
    write_output(text.encode(), path)
    _say_next(experiment.settings.engine.name, data, path)


def _net(options: _Options) -> tuple[NetAnswer, Training | None]:
    """Read the net, and the training settings if it is given as a solver file."""
    from lrbench.importing.caffe_solver import read_training
    from lrbench.nets import builtin_nets, find_net
    from lrbench.spec.prompts import read_net_answer

    def read(text: str) -> tuple[NetAnswer, Training | None]:
        training = read_training(find_net(text, Path()))
        return read_net_answer(text if training is None else os.path.join(os.curdir, training.net)), training

    question = f"Net ({', '.join(builtin_nets())}, or a prototxt file)"
    return _answer(options, "net", question, None, read)


def _starter(options: _Options, net: NetAnswer, data: DataAnswer, path: Path, training: Training | None) -> StarterSpec:
    """Read the remaining answers and combine them with net and data set."""
    from lrbench.spec.prompts import check_batch_size, check_iterations, check_solver, check_test_count
    from lrbench.spec.starter_spec import TEST_BATCH, StarterSpec, suggested_iterations

    known = data.prepared
    usual = BATCH_SIZE if known is None else min(BATCH_SIZE, known.train_count)
    batch = _answer(
        options, "batch_size", "Training batch size", usual, lambda text: check_batch_size(_whole(text), known)
    )
    length = training.iterations if training is not None else None
    kind = training.settings.get("type", "SGD") if training is not None else "SGD"
    suggested = length or suggested_iterations(known, batch)
    iterations = _answer(
        options, "iterations", "Iterations of each run", suggested, lambda text: check_iterations(_whole(text))
    )
    target = _answer(
        options,
        "target",
        "Target, such as 0.98 or test_loss=0.12, or none",
        "none",
        lambda text: None if text == "none" else read_target(text, "the target"),
    )
    solver = _answer(options, "solver", "Solver", kind, check_solver)
    usual_engine = "torch" if not _has_caffe() and find_spec("torch") is not None else "caffe"
    engine = _answer(options, "engine", "Engine", usual_engine, _engine)
    starter = StarterSpec(
        name=path.stem,
        net=net.written(path.parent),
        dataset=data.written(path.parent),
        batch_size=batch,
        test_batch_size=TEST_BATCH if known is None else check_test_count(known),
        iterations=iterations,
        solver=solver,
        engine=engine,
        target=target,
    )
    if training is None:
        return starter
    own = {name: value for name, value in training.settings.items() if name != "type"}
    return replace(
        starter,
        policy=training.policy.text,
        test_interval=training.test_interval,
        parameters=own if solver == kind else None,
    )


def _check_layers(net: NetAnswer, engine: str) -> None:
    """Raise NetError unless the engine supports every layer type; an engine that is not installed yet is not asked."""
    from lrbench.engines.registry import open_engine

    with suppress(EngineUnavailable):  # what is next says how to install it, and `run` refuses then
        opened = open_engine(engine, site())
        with placed("--net"):
            opened.check_layers(net.net, str(net.path))


def _answer(options: _Options, name: str, question: str, usual: object, read: Callable[[str], Answer]) -> Answer:
    """Read the value of an option, or ask for it until it is valid; without questions, take the default.

    Raises UsageError if the option's value is invalid, or there is neither a value nor a default.
    """
    given, option = options.values[name], f"--{name.replace('_', '-')}"
    if given is not None:
        with placed(option):
            return read(str(given))
    if not options.asking:
        if usual is None:
            raise UsageError(f"{option} is missing, and no questions are asked", remedy=f"add {option}")
        return read(str(usual))

    def checked(text: str) -> Answer:
        try:
            return read(text.strip())
        except LRBenchError as error:
            raise click.UsageError(str(error)) from error

    answered: Answer = click.prompt(
        question, default=None if usual is None else str(usual), value_proc=checked, err=True
    )
    return answered


def _whole(text: str) -> int:
    try:
        return int(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise UsageError(f"{text!r} is not a whole number", remedy="for example 1000") from None


def _engine(text: str) -> str:
    from lrbench.engines.registry import check_engine_name

    check_engine_name(text)
    return text


def _has_caffe() -> bool:
    from lrbench.engines.caffe.environment import find_environment

    try:
        find_environment(site().home, site().caffe)
    except EngineUnavailable:
        return False
    return True


def _say_next(engine: str, data: DataAnswer, path: Path) -> None:
    """Print the next commands, in order."""
    from lrbench.report.formats import next_line

    spec = shlex.quote(str(path))
    lines = [
        (f"lrbench run {spec} --dry-run", "lists the runs and estimates their time"),
        (f"lrbench range {spec}", "which learning rates are useful"),
    ]
    if data.prepared is None:
        lines.insert(0, (f"lrbench data prepare {data.name}", "once"))
    if engine == "caffe" and not _has_caffe():
        lines.insert(0, ("lrbench caffe install", "once"))
    for command, comment in lines:
        click.echo(next_line(command, comment), err=True)
