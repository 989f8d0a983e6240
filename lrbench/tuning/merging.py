"""Union of results folders with their searches, of studies, and of policy databases, each into a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.errors import ResultsError, path_text
from lrbench.runs.merging import Merged, Part, merge_runs, new_output
from lrbench.storage import open_regular, reason
from lrbench.tuning.database.database import open_database
from lrbench.tuning.study import IDENTITY, STUDY_FILE, opened_storage, storage_errors
from lrbench.tuning.trials import OUTCOME, iterations_of, proposal_of

if TYPE_CHECKING:
    import optuna

    from lrbench.tuning.database.measured import MeasuredRun

_SQLITE = b"SQLite format 3\0"


def merge(sources: Sequence[Path], output: Path) -> Merged:
    """Merge results folders, journals of studies, or policy databases in SQLite files: all sources are of one kind.

    Args:
        output: a new folder or file, which is whole or absent.

    Raises:
        UsageError: a source cannot be read or is of another kind, or the output is there or cannot be written.
    """
    kinds = {path: _merger_of(path) for path in sources}
    merger = kinds[sources[0]]
    for path, other in kinds.items():
        if other is not merger:
            message = f"is of another kind than {path_text(sources[0])}"
            remedy = "merge results folders, studies and policy databases each by themselves"
            raise ResultsError(message, where=path_text(path), remedy=remedy)
    with new_output(output) as staging:
        return merger(sources, staging, output)


def _merger_of(path: Path) -> Callable[[Sequence[Path], Path, Path], Merged]:
    if path.is_dir():
        return merge_results
    try:
        with open_regular(path) as file:
            return merge_databases if file.read(len(_SQLITE)) == _SQLITE else merge_studies
    except OSError as error:
        remedy = "give a results folder, a study's journal or a policy database in an SQLite file"
        raise ResultsError(reason(error), where=path_text(path), remedy=remedy) from None


def merge_results(folders: Sequence[Path], staging: Path, output: Path) -> Merged:
    """Merge the runs of results folders, and the journals of their searches."""
    merged = merge_runs(folders, staging, output)
    journals: dict[str, list[Path]] = {}
    for folder, part in zip(folders, merged.parts, strict=True):
        found = sorted({*folder.glob(STUDY_FILE), *folder.glob(f"*/{STUDY_FILE}")})
        if not found and not part.found:
            raise ResultsError(
                "there is no run in this folder", where=path_text(folder), remedy="give a results folder"
            )
        for journal in found:
            journals.setdefault(journal.resolve().parent.name, []).append(journal)
    for experiment, sources in journals.items():
        (staging / experiment).mkdir(exist_ok=True)
        of_study = merge_studies(sources, staging / experiment / STUDY_FILE, output / experiment / STUDY_FILE)
        merged.conflicts += of_study.conflicts
        merged.left_out += of_study.left_out
    return merged


def merge_studies(journals: Sequence[Path], staging: Path, output: Path) -> Merged:
    """Merge the studies of equal names; of trials with the same run the one that came farthest is taken.

    A search that uses the journal goes on with all trials; their order is that of the sources.
    """
    import optuna

    merged = Merged(output, [Part(path_text(journal)) for journal in journals])
    with opened_storage(str(staging)) as target:
        known: dict[str, dict[str, tuple[Path, optuna.trial.FrozenTrial]]] = {}
        identities: dict[str, optuna.Study] = {}
        for journal, part in zip(journals, merged.parts, strict=True):
            with storage_errors(str(journal)), opened_storage(str(journal)) as source:
                for name in optuna.get_all_study_names(source):
                    study = optuna.load_study(study_name=name, storage=source)
                    first = identities.setdefault(name, study)
                    trials = [trial for trial in study.get_trials(deepcopy=False) if proposal_of(trial)]
                    part.found += len(trials)
                    if (first.user_attrs.get(IDENTITY), first.directions) != (
                        study.user_attrs.get(IDENTITY),
                        study.directions,
                    ):
                        merged.left_out.append(f"study {name} of {path_text(journal)}: it is of another search")
                        continue
                    runs = known.setdefault(name, {})
                    for trial in trials:
                        _choose(runs, trial, journal, part, merged)
        for name, study in identities.items():
            new = optuna.create_study(storage=target, study_name=name, directions=study.directions)
            for key, value in study.user_attrs.items():
                new.set_user_attr(key, value)
            new.add_trials([trial for _, trial in known[name].values()])
    for part in merged.parts:
        part.taken = sum(str(journal) == part.source for runs in known.values() for journal, _ in runs.values())
    return merged


def _choose(
    runs: dict[str, tuple[Path, optuna.trial.FrozenTrial]],
    trial: optuna.trial.FrozenTrial,
    journal: Path,
    part: Part,
    merged: Merged,
) -> None:
    """Take a trial, unless the trial of the same run that is there already came as far."""
    run = proposal_of(trial)["run"]
    if run not in runs:
        runs[run] = journal, trial
        return
    kept, other = runs[run]
    if iterations_of(trial) > iterations_of(other):
        runs[run] = journal, trial
    outcomes = [each.user_attrs.get(OUTCOME, {}) | {"seconds": None} for each in (other, trial)]
    if iterations_of(trial) == iterations_of(other) and outcomes[0] != outcomes[1]:
        merged.conflicts.append(f"{run}: {path_text(journal)} has another outcome; that of {path_text(kept)} is kept")
    else:
        part.known += 1


def merge_databases(files: Sequence[Path], staging: Path, output: Path) -> Merged:
    """Merge policy databases: entries of the same policy on the same workload have the runs of all."""
    merged = Merged(output, [Part(path_text(file)) for file in files])
    runs: dict[tuple[str, str], tuple[Path, MeasuredRun]] = {}
    with open_database(str(staging)) as target:
        for file, part in zip(files, merged.parts, strict=True):
            with open_database(str(file)) as source:
                entries = source.entries()
            for entry in entries:
                for run in entry.runs:
                    kept, before = runs.setdefault((entry.id, run.run_id), (file, run))
                    if not (before.shipped or run.shipped or before.equals(run)):
                        merged.conflicts.append(
                            f"{run.run_id}: {path_text(file)} has other values; those of {path_text(kept)} are kept"
                        )
            added = target.add(entries)
            part.found, part.taken = added.runs + added.known, added.runs
            part.known = added.known
    return merged
