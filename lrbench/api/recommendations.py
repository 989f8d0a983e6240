"""Recommendations for a spec's workload by the user's policy database."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, overload

from lrbench.api.environment import database_place, home
from lrbench.data import find_prepared
from lrbench.executors.setup import check_engine, find_data
from lrbench.metrics.objective import AnyTarget, read_target
from lrbench.policies import Policy, parse_policy
from lrbench.report.next_commands import database_option
from lrbench.report.render import notebook, render
from lrbench.report.views.recommend import recommendation_document
from lrbench.report.views.recommend_text import Commands, asked_solver
from lrbench.spec.experiment import Data, Experiment
from lrbench.spec.model import TuningSettings
from lrbench.spec.reading import Spec, python_experiment
from lrbench.tuning.database.database import Database, open_database
from lrbench.tuning.database.schema import EntryQuery
from lrbench.tuning.recommending.recommend import Recommendation
from lrbench.tuning.recommending.recommend import recommend as recommended
from lrbench.tuning.recommending.similarity import similar_solvers, workload_queries


class Recommendations(Sequence[Recommendation]):
    """A recommendation for each solver of a spec; shown as ``lrbench recommend`` shows it, in a notebook as tables."""

    def __init__(self, found: Sequence[Recommendation], experiment: Experiment, database: str | None) -> None:
        self._found = tuple(found)
        solvers = tuple(asked_solver(recommendation.query) for recommendation in found)
        self._commands = Commands(
            experiment.document.source, experiment.name, solvers=solvers, database_option=database_option(database)
        )

    @property
    def policies(self) -> list[Policy]:
        """Recommended policies without repeats, best first: those measured on this workload, then rescaled ones."""
        texts = [
            candidate.policy
            for found in self
            for candidate in (*found.here, *(row for like in found.like for row in like.candidates))
        ]
        return [parse_policy(text) for text in dict.fromkeys(texts)]

    @overload
    def __getitem__(self, index: int) -> Recommendation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recommendation]: ...
    def __getitem__(self, index: int | slice) -> Recommendation | Sequence[Recommendation]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __str__(self) -> str:
        return render(recommendation_document(self._found, self._commands)).decode()

    def __repr__(self) -> str:
        return f"<Recommendations: {', '.join(policy.text for policy in self.policies) or 'none'}>"

    def _repr_html_(self) -> str:
        return notebook(recommendation_document(self._found, self._commands))


def recommend(
    spec: Spec, *, target: float | str | None = None, database: str | None = None, **values: Any
) -> Recommendations:
    """Recommend policies for the workload of a spec from the policy database; nothing is trained.

    As ``lrbench recommend``. The spec need not have policies.

        >>> found = lrbench.recommend("quickstart.yaml", target=0.9)
        >>> found.policies[0]
        <Policy FIX(k0=0.03)>

    Args:
        spec: the path of a YAML file, or what such a file holds.
        target: the accuracy to reach, a fraction, or a text such as ``test_loss=0.12``; by default the spec's target.
        database: the path or URL of a policy database; by default ``LRBENCH_DB``, else the user's own.
        values: set in the spec, as for ``lrbench.run``.

    Raises:
        UsageError: the spec, the data set or the database is invalid.
    """
    experiment = python_experiment(spec, values, TuningSettings)
    check_engine(experiment)
    data, wanted = data_at_hand(experiment), experiment.aim(read_target(target, "target"))
    place = database_place() if database is None else database
    with open_database(place) as known:
        if known.created:
            logging.getLogger("lrbench").info(
                "created %s with the %d entries that LRBench ships", known.shown, len(known)
            )
        found = recommendations(experiment, data, wanted, known)
    return Recommendations(found, experiment, database)


def recommendations(
    experiment: Experiment, data: Data | None, target: AnyTarget | None, database: Database
) -> list[Recommendation]:
    """A recommendation for each solver of the experiment."""
    asked = workload_queries(experiment, data)
    types = sorted({kind for workload in asked for kind in similar_solvers(workload.solver_type)})
    entries = [entry for kind in types for entry in database.entries(EntryQuery(solver=kind))]
    objective = experiment.settings.objective.resolved
    return [recommended(workload, entries, target, objective) for workload in asked]


def data_at_hand(experiment: Experiment) -> Data | None:
    """Return the data set if it is prepared; it is not downloaded, since its name is enough.

    The files of a program are read, and nothing of it is executed.

    Raises:
        UsageError: it is damaged, or does not fit the net.
    """
    data = find_data(experiment, lambda name: find_prepared(name, home()))
    if data is not None:
        experiment.check_data(data)
    return data
