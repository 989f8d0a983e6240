"""``lrbench quickstart``: Train LeNet on digits with seven policies and rank them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lrbench.cli.completion.candidates import engines
from lrbench.cli.options import results_option
from lrbench.cli.output import tell

MOST_JOBS = 6


@click.command()
@click.option(
    "-j", "--jobs", type=click.IntRange(1), help=f"Runs side by side.  [default: one a core, at most {MOST_JOBS}]"
)
@results_option
@click.option("--engine", metavar="NAME", shell_complete=engines, help="caffe or torch.  [default: caffe]")
def quickstart(jobs: int | None, results: Path, engine: str | None) -> int:
    """Train LeNet on digits under seven policies with three seeds each, rank the policies, and draw pictures.

    The ready spec quickstart, trained by `lrbench run` and ranked by `lrbench report`. Finished runs are skipped, so
    the command can be interrupted and rerun at any time.

    \b
    lrbench quickstart
    lrbench quickstart --engine torch
    """
    from lrbench.cli.report import report
    from lrbench.cli.run import run
    from lrbench.spec.ready import find_ready_spec

    jobs = jobs or min(os.cpu_count() or 1, MOST_JOBS)
    folder = results / "quickstart"
    chosen = ["--engine", engine] if engine else []
    tell(f"quickstart: training LeNet, {jobs} runs side by side")
    spec = find_ready_spec("quickstart")
    code: int = run.main(
        [str(spec.path), "-j", str(jobs), "--results", str(results), *chosen], "lrbench run", standalone_mode=False
    )
    report.main([str(folder), "--plots", str(folder / "plots")], "lrbench report", standalone_mode=False)
    tell(f"quickstart: done; the pictures are in {folder / 'plots'}")
    tell("next, the same on MNIST (downloads 11 MB; 39 runs of 10,000 iterations, so see first what it takes):")
    tell("    lrbench configs copy mnist_lenet")
    tell(f"    lrbench run mnist_lenet.yaml -j {jobs} --dry-run")
    return code
