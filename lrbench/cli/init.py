"""``lrbench init``."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from lrbench.cli.completion.candidates import data_sets, engines, nets, solver_types

if TYPE_CHECKING:
    from lrbench.importing.caffe_training import Training
    from lrbench.spec.answers import DataAnswer, NetAnswer
    from lrbench.spec.starting import Start

Answer = TypeVar("Answer")
BATCH_SIZE = 100


@dataclass(frozen=True)
class _Typed:
    """The options that answer questions, None where they were not given, and whether there is someone to ask."""

    net: str | None
    dataset: str | None
    batch_size: int | None
    iterations: int | None
    target: float | None
    solver: str | None
    engine: str | None
    asking: bool


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The spec to write.  [default: DATASET_NET.yaml]",
)
@click.option(
    "--net",
    metavar="NET",
    shell_complete=nets,
    help="One of LRBench's nets, such as lenet, a train-and-test prototxt file, or a solver's, which has "
    "its settings and policy taken, too.",
)
@click.option(
    "--dataset",
    metavar="DATA",
    shell_complete=data_sets,
    help="A data set, such as mnist, or a folder with an LMDB for training and one for testing.",
)
@click.option("--batch-size", type=int, metavar="N", help="Images of a training batch.  [default: 100]")
@click.option("--iterations", type=int, metavar="N", help="Of each run.  [default: some ten passes over the data]")
@click.option("--target", type=float, metavar="A", help="The accuracy to reach, a fraction.  [default: none]")
@click.option("--solver", metavar="TYPE", shell_complete=solver_types, help="The solver's type.  [default: SGD]")
@click.option(
    "--engine",
    metavar="NAME",
    shell_complete=engines,
    help="caffe or torch.  [default: caffe where it is installed, or neither is]",
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; so too where nobody is at a terminal.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(output: Path | None, yes: bool, force: bool, **options: str | int | float | None) -> None:
    """Write a first spec for your net and data set: workload, solver, policies to begin with, a word on each.

    What no option says is asked for, and each answer is checked at once.

    \b
    lrbench init
    lrbench init --net lenet --dataset digits --yes
    lrbench init --net prototxt/cnn3.prototxt --dataset cifar10 --iterations 5000 --target 0.7 -o first.yaml
    """
    from lrbench.cli.output import write_output
    from lrbench.spec.starting import start_experiment, start_text

    if output is not None:
        _check_new(output, force)
    typed = _Typed(asking=not yes and _asks(), **options)  # type: ignore[arg-type]
    net, training = _net(typed)
    data = _data(typed, net)
    path = output or Path(f"{data.stem}_{net.path.stem}.yaml")
    _check_new(path, force)
    start = _start(typed, net, data, path, training)
    _check_layers(net, start.engine)
    text = start_text(start)
    experiment = start_experiment(text, path)
    if data.prepared is not None:
        experiment.check_data(data.prepared)
    write_output(text.encode(), path)
    _say_next(experiment.settings.engine.name, data, path)


def _asks() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _check_new(path: Path, force: bool) -> None:
    from lrbench.cli.output import check_writable
    from lrbench.errors import UsageError

    check_writable(path)
    if path.exists() and not force:
        raise UsageError("is there already", where=str(path), remedy="give -o another name, or add --force")


def _net(typed: _Typed) -> tuple[NetAnswer, Training | None]:
    """The net, with the training that a solver file describes where such a file is given."""
    from lrbench.importing.caffe_training import read_training
    from lrbench.nets import builtin_nets, find_net
    from lrbench.spec.answers import read_net_answer

    def read(text: str) -> tuple[NetAnswer, Training | None]:
        training = read_training(find_net(text, Path()))
        return read_net_answer(text if training is None else os.path.join(os.curdir, training.net)), training

    question = f"Net ({', '.join(builtin_nets())}, or a prototxt file)"
    return _answer(typed, question, typed.net, None, read, "--net")


def _data(typed: _Typed, net: NetAnswer) -> DataAnswer:
    from lrbench.data import data_set_names
    from lrbench.library.surroundings import home
    from lrbench.spec.answers import read_data_answer

    question = f"Data set ({', '.join(data_set_names())}, or a folder with LMDBs)"
    return _answer(typed, question, typed.dataset, None, lambda text: read_data_answer(text, home(), net), "--dataset")


def _start(typed: _Typed, net: NetAnswer, data: DataAnswer, path: Path, training: Training | None) -> Start:
    """The other answers, with what the spec says of net and data set."""
    from lrbench.spec.answers import check_batch_size, check_iterations, check_solver, check_test_count
    from lrbench.spec.starting import TEST_BATCH, Start, suggested_iterations

    known = data.prepared
    usual = BATCH_SIZE if known is None else min(BATCH_SIZE, known.train_count)
    batch = _answer(
        typed,
        "Images of a training batch",
        typed.batch_size,
        usual,
        lambda text: check_batch_size(_whole(text), known),
        "--batch-size",
    )
    length = training.iterations if training is not None else None
    kind = training.settings.get("type", "SGD") if training is not None else "SGD"
    suggested = length or suggested_iterations(known, batch)
    iterations = _answer(
        typed,
        "Iterations of each run",
        typed.iterations,
        suggested,
        lambda text: check_iterations(_whole(text)),
        "--iterations",
    )
    target = _answer(typed, "Accuracy to reach, such as 0.98, or none", typed.target, "none", _target, "--target")
    solver = _answer(typed, "Solver", typed.solver, kind, check_solver, "--solver")
    engine = _answer(typed, "Engine", typed.engine, _usual_engine(), _engine, "--engine")
    start = Start(
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
        return start
    own = {name: value for name, value in training.settings.items() if name != "type"}
    return replace(
        start,
        policy=training.policy.text,
        test_interval=training.test_interval,
        parameters=own if solver == kind else None,
    )


def _check_layers(net: NetAnswer, engine: str) -> None:
    """Have the engine refuse layer types that it does not know; one that is not installed yet knows none.

    Raises:
        NetError: there is such a layer.
    """
    from lrbench.engines.registry import open_engine
    from lrbench.errors import EngineUnavailable, NetError
    from lrbench.library.surroundings import site

    try:
        open_engine(engine, site()).check_layers(net.net, str(net.path))
    except EngineUnavailable:
        return  # what is next says how to install it, and `run` refuses then
    except NetError as error:
        raise error.at("--net") from error


def _answer(
    typed: _Typed, question: str, given: object, usual: object, read: Callable[[str], Answer], option: str
) -> Answer:
    """What an option gives, else what is usual, else what is asked for, until it can be read.

    Raises:
        UsageError: what the option gives cannot be read, or there is nothing, and nobody to ask.
    """
    from lrbench.errors import LRBenchError, UsageError

    if given is not None:
        try:
            return read(str(given))
        except LRBenchError as error:
            raise error.at(option) from error
    if not typed.asking:
        if usual is None:
            raise UsageError(f"{option} is missing, and there is nobody to ask", remedy=f"add {option}")
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
    from lrbench.errors import UsageError

    try:
        return int(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise UsageError(f"{text!r} is not a whole number", remedy="for example 1000") from None


def _target(text: str) -> float | None:
    from lrbench.errors import UsageError
    from lrbench.metrics.target import check_target

    if text == "none":
        return None
    try:
        target = float(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a number", remedy="for example 0.98, or none") from None
    check_target(target, "the accuracy to reach")
    return target


def _engine(text: str) -> str:
    from lrbench.engines.registry import check_engine_name

    check_engine_name(text)
    return text


def _usual_engine() -> str:
    """Caffe, but PyTorch where that alone is there."""
    from importlib.util import find_spec

    return "torch" if not _has_caffe() and find_spec("torch") is not None else "caffe"


def _has_caffe() -> bool:
    from lrbench.engines.caffe.environment import find_environment
    from lrbench.errors import EngineUnavailable
    from lrbench.library.surroundings import site

    try:
        find_environment(site().home, site().caffe)
    except EngineUnavailable:
        return False
    return True


def _say_next(engine: str, data: DataAnswer, path: Path) -> None:
    """What to type now, in this order."""
    from lrbench.report.next_commands import next_line

    spec = shlex.quote(str(path))
    lines = [
        (f"lrbench run {spec} --dry-run", "which runs, and how long they take"),
        (f"lrbench range {spec}", "which rates are worth trying"),
    ]
    if data.prepared is None:
        lines.insert(0, (f"lrbench data prepare {data.name}", "once"))
    if engine == "caffe" and not _has_caffe():
        lines.insert(0, ("lrbench caffe install", "once"))
    for command, comment in lines:
        click.echo(next_line(command, comment), err=True)
