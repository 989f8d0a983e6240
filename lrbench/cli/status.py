"""``lrbench status``: Show how many runs are planned, done and active, where, and the time left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import home, site
from lrbench.cli.completion.candidates import specs
from lrbench.cli.consent import program_options
from lrbench.cli.options import LOCAL, PATH, format_option, output_option, overrides_options, results_option
from lrbench.cli.output import show, tell
from lrbench.cli.setup import open_executor
from lrbench.errors import UsageError, path_text

if TYPE_CHECKING:
    from lrbench.engines.site import Consent
    from lrbench.report.progress import ExperimentProgress

SEARCH = "tune"
SUFFIXES = ("range", SEARCH, "confirmed", "compose", "verify", "branch", "extend")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SPEC|PATH...", type=PATH, shell_complete=specs)
@results_option
@overrides_options
@program_options
@format_option()
@output_option()
@click.option("--executor", hidden=True, help="Refused, as a cluster has no results.")
def status(
    paths: tuple[Path, ...],
    results: Path,
    overrides: Sequence[str],
    consent: Consent | None,
    output_format: str,
    output: Path | None,
    executor: str | None,
) -> None:
    """Show how far the experiment of a SPEC is, or those in the results folders PATH...

    Runs are counted as planned, done, active, to do and failed; active runs are listed with their machine and GPU. The
    time left is estimated from the speed of stored runs, with as many runs at a time as are active now. Nothing is
    written, and no engine is started.

    \b
    lrbench status configs/mnist_lenet.yaml
    lrbench status results/ --format json
    """
    from lrbench.report.progress import find_progress
    from lrbench.report.views.status import status_document

    if executor is not None:
        raise UsageError(
            "results are on the machine whose command trains, not on the cluster",
            where=f"--executor {executor}",
            remedy="leave it out, and run lrbench status on that machine",
        )
    if any(path.is_dir() for path in paths):
        show(status_document(find_progress(paths)), output_format, output)
        return
    if len(paths) > 1:
        raise click.UsageError("give one SPEC, or results folders")
    show(status_document(_of_spec(paths[0], overrides, results, consent)), output_format, output)


def _of_spec(spec: Path, overrides: Sequence[str], results: Path, consent: Consent | None) -> list[ExperimentProgress]:
    """The progress of the spec's own runs, and of those that other commands have made of it."""
    from lrbench.data import find_prepared
    from lrbench.executors.setup import check_engine, find_data, with_stored_order, with_version_if_known
    from lrbench.limits import DEFAULT_TRIALS
    from lrbench.report.progress import progress_of
    from lrbench.runs.records import find_runs
    from lrbench.spec.model import TuningSettings
    from lrbench.spec.reading import read_experiment

    experiment = read_experiment(spec, overrides, TuningSettings)
    check_engine(experiment)
    data = find_data(experiment, lambda name: find_prepared(name, home()))
    chosen: set[str] = set()
    planned: Sequence[str] = [str(number) for number in range(len(experiment.runs))]
    if data is None:
        tell(f"the data set {experiment.net_workload.dataset} is not prepared, so no run has begun")
    elif experiment.runs:
        experiment.check_data(data)
        experiment = with_version_if_known(experiment, open_executor(LOCAL), site(consent))
        experiment = with_stored_order(experiment, results, lambda line: None)
        planned, chosen = experiment.sure_run_ids(data), set(experiment.run_ids(data))
    budget = experiment.settings.search
    most = budget.trials or (DEFAULT_TRIALS if budget.iterations is None else None)
    found = []
    for suffix in ("", *(f"-{suffix}" for suffix in SUFFIXES)):
        folder = results / f"{experiment.name}{suffix}"
        runs = find_runs([folder]) if folder.is_dir() else []
        if not suffix and planned:
            found.append(progress_of(folder, [run for run in runs if run.name in chosen], planned))
        elif runs:
            found.append(progress_of(folder, runs, (), most if suffix == f"-{SEARCH}" else None))
    if not found:
        tell(f"no run of this spec has begun in {path_text(results)}")
    return found
