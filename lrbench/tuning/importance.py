"""Importances of rate, function and length in a search: how much each of them decides how good a policy is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrbench.policies import parse_policy
from lrbench.tuning.result import TuneResult

if TYPE_CHECKING:
    import optuna

FEWEST = 10
"""Policies trained to their end below which nothing is said."""
TREES = 32


@dataclass(frozen=True)
class Traits:
    """A policy that a search tried, by what all policies have.

    Attributes:
        rate: the largest learning rate of the run.
        length: share of the run with at least half of it.
        value: of the objective.
    """

    policy: str
    function: str
    rate: float
    length: float
    value: float


def traits(result: TuneResult) -> list[Traits]:
    """Return the traits of the open-loop policies that were trained to their end, in the order of the search."""
    found = []
    for tried in result.tried:
        policy = parse_policy(tried.policy)
        if not tried.ended or tried.value is None or policy.closed_loop:
            continue
        rates = policy.rates(np.arange(result.run_iterations), result.run_iterations)
        peak = float(rates.max())
        if peak > 0:
            found.append(Traits(tried.policy, tried.function, peak, float((rates >= peak / 2).mean()), tried.value))
    return found


def importances(tried: Sequence[Traits]) -> dict[str, float]:
    """Return the importance of ``rate``, ``function`` and ``length``, as shares; empty where that cannot be told.

    It is fANOVA (Hutter, Hoos and Leyton-Brown 2014) as Optuna has it: the share of the variance of a random forest's
    predictions that each trait alone explains.

    Raises:
        ImportError: scikit-learn, which has the forest, is not installed.
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if len(tried) < FEWEST or len({one.value for one in tried}) < 2:
        return {}
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    low, high = min(one.rate for one in tried), max(one.rate for one in tried)
    if high > low:
        distributions["rate"] = optuna.distributions.FloatDistribution(low, high, log=True)
    if len(functions := sorted({one.function for one in tried})) > 1:
        distributions["function"] = optuna.distributions.CategoricalDistribution(functions)
    if len({one.length for one in tried}) > 1:
        distributions["length"] = optuna.distributions.FloatDistribution(0.0, 1.0)
    if len(distributions) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # parts of it are called experimental
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study()
        for one in tried:
            params = {name: getattr(one, name) for name in distributions}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=one.value))
        shares = get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items() if math.isfinite(share)}
