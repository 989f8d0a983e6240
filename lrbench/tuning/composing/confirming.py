"""From a spec to a composed policy that was confirmed beside the best single one and the framework's default."""

from __future__ import annotations

from dataclasses import replace

from lrbench.errors import SpecError
from lrbench.policies import Policy
from lrbench.tuning.bench import Bench
from lrbench.tuning.composing.building import compose
from lrbench.tuning.composing.result import ComposeResult
from lrbench.tuning.confirm import SUFFIX as CONFIRMED
from lrbench.tuning.confirm import confirm
from lrbench.tuning.space import Space
from lrbench.tuning.tune import BASELINE, baselines, earlier, with_finals

COMPOSED, SINGLE = "composed", "best single"


def compose_and_confirm(bench: Bench, judge: Bench, space: Space) -> ComposeResult:
    """Build a policy stage by stage, or go on building, then confirm it by full runs from scratch.

    Args:
        bench: on the data to confirm on.
        judge: the same on the data to choose by.

    Raises:
        UsageError: the spec's stages, a baseline or the space are impossible, or the engine refuses.
        EngineFailed: a run of the search failed; the others are kept.
        Interrupted: Ctrl-C; what was done is on disk.
    """
    beside = baselines(bench)
    found = compose(judge, space)
    single, single_from = _best_single(judge, space, found)
    policies = {found.policy: COMPOSED}
    for policy, role in ((single, SINGLE), *((baseline, BASELINE) for baseline in beside)):
        policies.setdefault(policy, role)
    confirmed = confirm(bench.named(CONFIRMED), policies, bench.experiment.settings.seeds)
    return replace(found, best_single=single, single_from=single_from, confirmed=tuple(confirmed))


def _best_single(judge: Bench, space: Space, found: ComposeResult) -> tuple[Policy, str]:
    """The best of a study by tune of the same spec, else of the first stage; and which of them it is."""
    try:
        tuned = earlier(judge, space)
    except SpecError as error:
        return found.best_single, f"{found.single_from}, as the study by lrbench tune is no help: {error}"
    if tuned is None or not tuned.best:
        return found.best_single, f"{found.single_from}, as lrbench tune has found none in this results folder"
    return with_finals(judge, tuned, 1).chosen[0], f"the best of the {len(tuned.tried)} that lrbench tune tried"
