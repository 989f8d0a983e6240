"""Recommended policies for programs: the shortlists with their evidence, and a record per policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lrbench.report.views.provenance import origin_text
from lrbench.report.views.ranking_data import target_data
from lrbench.report.views.recommend_text import Commands, asked_title, avoid_sentences, next_commands
from lrbench.tuning.database.entry import Entry
from lrbench.tuning.recommending.ranking import Avoidance
from lrbench.tuning.recommending.recommend import LikeWorkload, Recommendation, RecommendedPolicy

SCHEMA = 1
_RUN = (
    "run_id",
    "seed",
    "status",
    "reason",
    "iteration",
    "experiment",
    "run_at",
    "lrbench_version",
    "engine_version",
    "shipped",
)


def recommendation_data(found: Sequence[Recommendation], commands: Commands) -> dict[str, Any]:
    """``recommendations``, one for each solver, with ``shortlist`` (the best first), ``avoid``, ``rules``, ``next``.

    Of each policy of the shortlist ``kind`` is ``measured here`` or ``measured on a like workload``, and ``rescaled``
    says that it is not the policy that was measured. Accuracies are fractions; what is not known is null.
    """
    return {"schema": SCHEMA, "recommendations": [_recommendation(each, commands) for each in found]}


def _recommendation(found: Recommendation, commands: Commands) -> dict[str, Any]:
    limit = found.limit
    return {
        "workload": {"label": asked_title(found.query), **asdict(found.query)},
        **target_data(found.target),
        "measured_here": found.measured,
        "shortlist": _shortlist(found),
        "avoid": [_avoidance(each) for each in found.avoid],
        "avoid_sentences": list(avoid_sentences(found)),
        "largest_rate_that_trained": None
        if limit is None
        else {
            "rate": limit.trained,
            "entry": limit.trained_by.id,
            "next_rate_failed": limit.failed,
            "next_entry": None if limit.failed_by is None else limit.failed_by.id,
            "measured_on": found.limit_on,
        },
        "rules": [asdict(rule) for rule in found.rules],
        "notes": list(found.notes),
        "next": [f"{command}   # {purpose}" for command, purpose in next_commands(found, commands)],
    }


def _shortlist(found: Recommendation) -> list[dict[str, Any]]:
    shortlist = [_candidate(each, found, None) for each in found.here]
    shortlist += [_candidate(each, found, like) for like in found.like for each in like.candidates]
    return [{"place": place, **each} for place, each in enumerate(shortlist, start=1)]


def _candidate(each: RecommendedPolicy, found: Recommendation, like: LikeWorkload | None) -> dict[str, Any]:
    return {
        "policy": each.policy,
        "kind": "measured here" if like is None else "measured on a like workload",
        "rescaled": each.rescaled,
        "measured_policy": each.measured,
        "likeness": None
        if like is None
        else {"distance": like.similarity.distance, "reasons": like.similarity.reasons},
        "evidence": _evidence(each.entry, found),
    }


def _evidence(entry: Entry, found: Recommendation) -> dict[str, Any]:
    accuracy = [] if entry.workload.is_program else ["best_accuracy"]
    shown = dict.fromkeys([*accuracy, found.objective.best_metric.name, found.metric.name])
    evidence: dict[str, Any] = {
        "entry": entry.id,
        "workload": asdict(entry.workload),
        "seeds": entry.seeds,
        **{name: asdict(entry.spread(name)) for name in shown},
        "diverged": sum(run.status == "diverged" for run in entry.samples),
        "cost": asdict(entry.cost),
        "origin": origin_text(entry, found.query.engine),
        "runs": [{name: getattr(run, name) for name in _RUN} for run in entry.runs],
    }
    if found.target is not None:
        steps = entry.iterations_to(found.target)
        evidence["iterations_to_target"] = [None if math.isnan(step) else step for step in steps]
        evidence["restricted_mean_iterations_to_target"] = entry.times_to(found.target).restricted_mean
        evidence["reached"] = asdict(entry.reached(found.target))
    return evidence


def _avoidance(each: Avoidance) -> dict[str, Any]:
    return {
        "policy": each.policy,
        "why": each.why,
        "seeds": each.count,
        "of": len(each.entry.samples),
        "measured_here": each.measured_here,
        "entry": each.entry.id,
    }


def recommendation_records(found: Sequence[Recommendation]) -> list[dict[str, Any]]:
    """A record for each policy of the shortlists."""
    return [
        {
            "workload": asked_title(each.query),
            **{name: value for name, value in candidate.items() if name not in ("evidence", "likeness")},
            "entry": candidate["evidence"]["entry"],
        }
        for each in found
        for candidate in _shortlist(each)
    ]
