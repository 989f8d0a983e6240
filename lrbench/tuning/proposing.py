"""Proposals by prediction: a search that trains only the policies that stored loss curves predict to be best."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lrbench.errors import plain
from lrbench.predicting.curves import Schedule
from lrbench.predicting.experiment import comparable_with
from lrbench.predicting.families import families
from lrbench.predicting.predictor import fit_predictor
from lrbench.predicting.reading import LOSS, read_curves
from lrbench.tuning.setup import Tell
from lrbench.tuning.trial_runner import TrialRunner

SUFFIX = "predict"
PROPOSED = 8
"""Policies that are trained unless ``search.trials`` sets their number."""


def proposed(runner: TrialRunner, source: Path, tell: Tell) -> TrialRunner:
    """Return the runner whose search space is the policies that are predicted to be best.

    They are those of named families at the peak rates of the curves (``lrbench predict --grid``) that were not run.

    Args:
        source: results or a CSV file with curves of the test loss, as for ``lrbench predict --from``.

    Raises:
        UsageError: the curves cannot be read or fitted, or nothing can be predicted from them.
    """
    experiment, length = runner.experiment, runner.experiment.workload.iterations
    read = read_curves(source, comparable_with(experiment, runner.data))
    for note in read.notes:
        tell(plain(note))
    known = {(curve.name, curve.schedule.length) for curve in read.curves}
    offered = [policy for policy in families(read.curves, length) if (policy.text, length) not in known]
    schedules = [Schedule(policy.text, policy.rates(np.arange(length), length)) for policy in offered]
    predictions = fit_predictor(read.curves).predict(schedules)
    ranked = sorted((one for one in predictions if one.rank is not None), key=lambda one: one.rank or 0)
    search = experiment.settings.search
    best = [one.schedule.name for one in ranked[: search.trials or PROPOSED]]
    refused = sum(one.refused is not None for one in predictions)
    tell(
        f"proposed by {LOSS} of {len(read.curves)} policies: the best {len(best)} of {len(ranked)} that were predicted"
        + (f", {refused} more were refused" if refused else "")
    )
    chosen = {"space": best, "functions": None, "rates": None, "sampler": "grid", "trials": len(best)}
    return runner.with_suffix(SUFFIX).with_settings(search=search.model_copy(update=chosen))
