"""``lrbench slurm``: Run a spec as an array job of SLURM."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.cli.consent import program_options
from lrbench.cli.options import (
    output_option,
    overrides_options,
    results_option,
    session_options,
    spec_argument,
    storage_option,
)
from lrbench.cli.output import tell, write_output
from lrbench.cli.tuning_options import TuningOptions
from lrbench.errors import UsageError

if TYPE_CHECKING:
    from lrbench.spec.experiment import Experiment

SECONDS_TO_SAVE = 120
SUBMIT_SECONDS = 120
_OURS = {"-a": "--array", "--array": "--array", "-D": "--chdir", "--chdir": "--chdir"}
_SCRIPT = """\
#!/bin/bash
{options}
# Before the time limit SLURM sends USR1: LRBench saves its runs, and the task is queued again. A preempted task gets
# TERM and is queued again by SLURM (--requeue); one that scancel ends gets TERM and is not.
limit=
{command} &
process=$!
trap 'limit=reached; kill -TERM $process' USR1
trap 'kill -TERM $process' TERM
wait $process
code=$?
while kill -0 $process 2>/dev/null; do wait $process; code=$?; done
if [[ $limit && ( $code -eq 130 || $code -eq 143 ) ]]; then  # 143: TERM before LRBench listened, or at its end
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
    sleep 60  # until SLURM ends this task, which would otherwise count as failed
fi
exit $code
"""


def _tasks(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, str]:
    """Return the number of tasks, and the limit of those at a time as ``--array`` has it."""
    found = re.fullmatch(r"([1-9]\d*)(%[1-9]\d*)?", text)
    if not found:
        raise click.BadParameter(f"{text!r} is not N or N%K, such as 8 or 100%10")
    return int(found[1]), found[2] or ""


@click.command()
@spec_argument
@click.argument("sbatch", nargs=-1, metavar="[-- SBATCH OPTIONS...]")
@click.option(
    "--tasks",
    required=True,
    callback=_tasks,
    metavar="N[%K]",
    help="Tasks of the array, each with an equal share of the runs; at most K at a time.",
)
@click.option("--tune", is_flag=True, help="Search, as `lrbench tune`; all tasks work on one search.")
@click.option("--submit", is_flag=True, help="Submit the job by sbatch.")
@click.option(
    "--gpus", is_flag=True, help="Train on all GPUs of a task, as `run --gpus all`, or as `tune` on the first one."
)
@session_options
@results_option
@overrides_options
@program_options
@storage_option
@output_option("Write the script to FILE instead of standard output.")
def slurm(
    sbatch: Sequence[str],
    tasks: tuple[int, str],
    tune: bool,
    submit: bool,
    gpus: bool,
    storage: str | None,
    output: Path | None,
    **given: Any,
) -> None:
    """Write, and with --submit submit, a SLURM array job that runs SPEC, or searches by it.

    Options after -- are those of sbatch. Nodes need this Python environment, the spec and the results folder on a
    shared disk; prepare the data set first. A task that reaches its time limit saves its runs, is queued again and
    resumes them; so do preempted tasks and those of lost nodes.

    \b
    lrbench slurm configs/mnist_lenet.yaml --tasks 8 --submit -- --time=4:00:00 --cpus-per-task=4
    lrbench slurm configs/cifar10_resnet32.yaml --tasks 8%4 --gpus -- --gres=gpu:1 > job.sh
    """
    from lrbench.executors.setup import check_engine
    from lrbench.spec.model import ExperimentSettings, TuningSettings
    from lrbench.spec.reading import read_experiment

    options = TuningOptions(**given)
    experiment = read_experiment(options.spec, options.overrides, TuningSettings if tune else ExperimentSettings)
    check_engine(experiment)
    if storage is not None and not tune:
        raise click.UsageError("--storage is for --tune")
    count, at_once = tasks
    if not tune:
        experiment.fixed_seeds("are added by the results of all runs, of which each task makes a part")
    if not tune and count > len(experiment.runs):
        raise UsageError(f"{count} tasks for {len(experiment.runs)} runs", where="--tasks", remedy="give fewer")
    command = _command(options, count, tune, gpus, storage)
    script = _script(experiment, f"1-{count}{at_once}", _directives(sbatch), command)
    if submit:
        tell(_submit(script))
    if output is not None or not submit:
        write_output(script.encode(), output)


def _command(options: TuningOptions, tasks: int, tune: bool, gpus: bool, storage: str | None) -> str:
    """The command of a task, as the shell reads it."""
    changes = ("engine.device=gpu", "engine.device_ids=[0]") if gpus and tune else ()
    words = options.words("tune" if tune else "run", *changes)
    words += ["--storage", storage] if storage else []
    words += ["--gpus", "all"] if gpus and not tune else []
    ending = "" if options.jobs or gpus else ' -j "${SLURM_CPUS_PER_TASK:-1}"'
    ending += "" if tune else f' --shard "$SLURM_ARRAY_TASK_ID/{tasks}"'
    return shlex.join([sys.executable, "-m", "lrbench", *words]) + ending


def _directives(words: Sequence[str]) -> list[str]:
    """The options of sbatch, each with its value; raise UsageError for what is none, or is set here."""
    found: list[str] = []
    for word in words:
        name = word.partition("=")[0]
        if name in _OURS or name.startswith("-a"):
            ours = _OURS.get(name, "--array")
            remedy = "use --tasks" if ours == "--array" else "leave it out"
            raise UsageError(f"{ours} is set by lrbench slurm", where=word, remedy=remedy)
        if any(character in word for character in "\n\r"):
            raise UsageError("an option of sbatch has more than one line", where=word)
        if word.startswith("-"):
            found.append(shlex.quote(word))
        elif found:
            found[-1] += f" {shlex.quote(word)}"
        else:
            raise UsageError("is not an option of sbatch", where=word, remedy="write it as in --time=4:00:00")
    return found


def _script(experiment: Experiment, array: str, directives: Sequence[str], command: str) -> str:
    name = re.sub(r"[^\w.-]", "_", experiment.name)
    options = [
        f"--job-name=lrbench-{name}",
        f"--array={array}",
        f"--chdir={shlex.quote(str(Path.cwd()))}",
        f"--output=lrbench-{name}-%A_%a.log",
        "--open-mode=append",
        "--requeue",
        f"--signal=B:USR1@{SECONDS_TO_SAVE}",
        *directives,
    ]
    return _SCRIPT.format(options="\n".join(f"#SBATCH {option}" for option in options), command=command)


def _submit(script: str) -> str:
    """Submit the script; return what sbatch says, such as ``Submitted batch job 7``."""
    if shutil.which("sbatch") is None:
        remedy = "submit on a login node, or leave out --submit and move the script there"
        raise UsageError("there is no sbatch on this machine", where="--submit", remedy=remedy)
    try:
        answer = subprocess.run(
            ["sbatch"], input=script, capture_output=True, text=True, timeout=SUBMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        message = f"sbatch did not answer within {SUBMIT_SECONDS} s"
        raise UsageError(message, remedy="see whether the job is there: squeue") from None
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        reason = lines[-1].removeprefix("sbatch: error: ")
        raise UsageError(f"sbatch refuses the job: {reason}", remedy="correct the options after --")
    return answer.stdout.strip()
