"""Storage of a search: an Optuna study in a file or a database, which many processes may share and resume."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrbench.errors import SpecError, UsageError
from lrbench.metrics.objective import Goal
from lrbench.spec.search_settings import SearchSettings
from lrbench.storage import open_regular
from lrbench.urls import hide_secrets_of, is_mistyped_url, shown_url

if TYPE_CHECKING:
    import optuna

STUDY_FILE = "study.journal"
IDENTITY = "identity"
STARTUP_TRIALS = 10
"""Policies drawn at random before TPE proposes any, and trained in full before anything is pruned."""


def open_study(
    storage: str,
    name: str,
    settings: SearchSettings,
    identity: Mapping[str, Any],
    evaluations: int,
    goal: Goal = "maximize",
) -> optuna.Study:
    """Open the study of that name, made where there is none.

    Args:
        storage: a database's URL, or the path of a journal file.
        identity: what its trials must have in common; compared part by part.
        evaluations: number of evaluations of a full run, which pruning counts in.
        goal: whether low or high values of the objective are better.

    Raises:
        UsageError: the storage cannot be opened, or holds a study of something else under that name.
    """
    import optuna

    directions: dict[str, list[Goal]] = {"value": [goal], "iterations": ["minimize"], "both": [goal, "minimize"]}
    with opened_storage(storage) as opened:
        study = optuna.create_study(
            storage=opened,
            study_name=name,
            load_if_exists=True,
            directions=directions[settings.by],
            sampler=_sampler(settings),
            pruner=_pruner(settings, evaluations),
        )
        _compare(study, identity, f"study {name} in {shown_storage(storage)}")
    return study


def check_storage(storage: str | None) -> None:
    """Open a storage that a search will use only once its rates are known, or once other policies were tried.

    Args:
        storage: as for ``open_study``; None for a file in the search's folder, which needs no check.

    Raises:
        UsageError: it cannot be opened.
    """
    if storage is not None:
        with opened_storage(storage):
            pass


@contextmanager
def opened_storage(storage: str) -> Iterator[optuna.storages.BaseStorage]:
    """Open the storage of studies, a PostgreSQL database for this process alone as long as the block lasts.

    Raises:
        UsageError: it cannot be opened.
    """
    import optuna
    from optuna.storages import get_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("optuna").propagate = False
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    try:
        if is_mistyped_url(storage):
            from lrbench.tuning.database.connection import refuse_mistyped  # it loads SQLAlchemy, which takes 0.4 s

            refuse_mistyped(storage)
        if "://" not in storage:
            yield get_storage(_journal(Path(storage)))
        elif storage.startswith(("postgresql", "postgres:")):
            # SQLAlchemy would choose another driver by itself, and Optuna fails where two processes make its tables at
            # once, so processes take turns as writers of a policy database do.
            from sqlalchemy import make_url

            from lrbench.tuning.database.connection import WRITES, Location, connect, locate

            chosen = storage.startswith("postgresql+")
            location = Location(make_url(storage), shown_storage(storage)) if chosen else locate(storage)
            engine = connect(location)
            try:
                with engine.execution_options(**{WRITES: True}).begin():
                    yield get_storage(location.url.render_as_string(hide_password=False))
            finally:
                engine.dispose()
        else:
            yield get_storage(storage)
    except UsageError:
        raise
    except Exception as error:  # each kind of storage raises kinds of its own
        raise _refusal(storage, "cannot be opened", error) from error


@contextmanager
def storage_errors(storage: str) -> Iterator[None]:
    """Turn a database's errors while a study is used into one line with the storage's name.

    Raises:
        SpecError: the database cannot be reached, read or written any more.
    """
    from optuna.exceptions import StorageInternalError

    if "://" not in storage:
        kinds: tuple[type[Exception], ...] = (StorageInternalError,)
    else:
        from sqlalchemy.exc import SQLAlchemyError

        kinds = SQLAlchemyError, StorageInternalError
    try:
        yield
    except kinds as error:
        raise _refusal(storage, "cannot be used any more", error) from error


def _refusal(storage: str, what: str, error: Exception) -> SpecError:
    from sqlalchemy.exc import DBAPIError

    from lrbench.tuning.database.connection import reason_of

    cause = error.__cause__ if isinstance(error.__cause__, DBAPIError) else error
    lines = [reason_of(cause)] if isinstance(cause, DBAPIError) else str(cause).strip().splitlines()
    return SpecError(
        f"{what}: {hide_secrets_of(storage, next(iter(lines), type(cause).__name__))}",
        where=shown_storage(storage),
        remedy="check that it is reachable, or name another with --storage",
    )


def shown_storage(storage: str) -> str:
    """Return a storage's name for messages: the path of a file, or a URL without user, password and settings."""
    return shown_url(storage) if "://" in storage or is_mistyped_url(storage) else storage


def _journal(path: Path) -> optuna.storages.BaseStorage:
    """The storage in a file, which is refused if it is of another kind: Optuna would append to whatever is there."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        with open_regular(path) as file:
            start = file.readline(1000)
        if start and not (start.startswith(b"{") and b'"op_code"' in start):
            remedy = "name another with --storage"
            raise SpecError("is a file of another kind, no study", where=str(path), remedy=remedy)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))


def _compare(study: optuna.Study, identity: Mapping[str, Any], where: str) -> None:
    texts = {part: json.dumps(value, sort_keys=True, default=str) for part, value in identity.items()}
    digests = {part: hashlib.sha256(text.encode()).hexdigest()[:16] for part, text in texts.items()}
    before = study.user_attrs.get(IDENTITY)
    if before is None:
        study.set_user_attr(IDENTITY, digests)
        return
    other = [part for part, digest in digests.items() if before.get(part) != digest]
    if other:
        raise SpecError(
            f"was made for another {' and another '.join(other)}",
            where=where,
            remedy="name another with --storage, or restore the spec that it was made with; a search of an earlier "
            "version had functions: [paper13] by default, and rates up to k1 of the range test",
        )


def sampler_settings(settings: SearchSettings) -> dict[str, Any]:
    """Return every setting of the sampler and the version of Optuna, so that no default of Optuna's decides.

    Optuna 6 removes the remaining arguments of TPE; its versions from 4.4 to 5.0 agree on their values except for
    searches with two objectives.
    """
    import optuna

    chosen: dict[str, dict[str, Any]] = {
        "tpe": {
            "n_startup_trials": STARTUP_TRIALS,
            "n_ei_candidates": 24,
            "multivariate": False,
            "group": False,
            "constant_liar": True,
        },
        "quasi-random": {"qmc_type": "sobol", "scramble": True},
    }
    return {
        "sampler": settings.sampler,
        **chosen.get(settings.sampler, {}),
        "seed": settings.sampler_seed,
        **({} if settings.ahead is None else {"ahead": settings.ahead}),
        **({"predictions": True} if settings.predictions else {}),
        "optuna": optuna.__version__,
    }


def _sampler(settings: SearchSettings) -> optuna.samplers.BaseSampler:
    from optuna import samplers

    arguments = {
        key: value
        for key, value in sampler_settings(settings).items()
        if key not in ("sampler", "optuna", "ahead", "predictions")
    }
    if settings.sampler == "tpe":
        return samplers.TPESampler(**arguments)
    if settings.sampler == "quasi-random":
        return samplers.QMCSampler(**arguments, warn_independent_sampling=False)
    return samplers.RandomSampler(**arguments)  # the policies of a grid are enqueued one by one


def _pruner(settings: SearchSettings, evaluations: int) -> optuna.pruners.BasePruner:
    from optuna import pruners

    if settings.pruner in ("none", None) or settings.by == "both":  # Optuna prunes by one value only
        return pruners.NopPruner()
    # Judged in the first half of a run, the policies that start slowly and end best were given up in a trial over
    # measured runs, so that a plain random search found better ones for the same cost; see scripts/measure_search.
    if settings.pruner == "hyperband":
        return pruners.HyperbandPruner(max(1, evaluations // 9), evaluations, reduction_factor=3, bootstrap_count=0)
    return pruners.MedianPruner(STARTUP_TRIALS, evaluations // 2, interval_steps=1, n_min_trials=1)


def study_of(study: optuna.Study, trials: Sequence[optuna.trial.FrozenTrial]) -> optuna.Study:
    """Return the study as if it had these trials alone, for a pruner, which reads them and changes none."""
    import copy

    view = copy.copy(study)

    def get_trials(
        deepcopy: bool = True, states: Container[optuna.trial.TrialState] | None = None
    ) -> list[optuna.trial.FrozenTrial]:
        return [trial for trial in trials if states is None or trial.state in states]

    view.get_trials = get_trials  # type: ignore[method-assign]
    return view
