"""The finals of a search: its best policies once more, with further seeds, before one of them is chosen.

A search trains each policy once. The best of many such results is partly luck: a rate just below what makes the net
diverge looks best with one seed, and breaks down with the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.policies import parse_policy
from lrbench.tuning.bench import Bench
from lrbench.tuning.confirm import Confirmed, confirm

ROLE = "finalist"


def finals(judge: Bench, texts: Sequence[str], chosen: int) -> tuple[Confirmed, ...]:
    """The first of these policies over several seeds of the search, the best first; none where nothing is to be chosen.

    Args:
        judge: the bench of the search; the runs that it made there count.
        texts: the policies that the search found, in its order.
        chosen: how many are wanted of them.

    Raises:
        Interrupted: Ctrl-C; what was done is on disk.
    """
    settings = judge.experiment.settings.search
    if not chosen or settings.finalists <= chosen or len(texts) <= chosen or not settings.final_seeds:
        return ()
    policies = {parse_policy(text): ROLE for text in texts[: settings.finalists]}
    seeds = [settings.search_seed + number for number in range(settings.final_seeds + 1)]
    found = confirm(judge, policies, seeds)
    return tuple(sorted(found, key=_by_iterations if settings.objective == "iterations" else _by_accuracy))


def _by_iterations(row: Confirmed) -> tuple[float, ...]:
    """As every ranking by the iterations to the target; of equal ones the more accurate."""
    return *row.to_target.order, *_by_accuracy(row)


def _by_accuracy(row: Confirmed) -> tuple[float, ...]:
    """More seeds that do not diverge come first, then the higher mean."""
    return -row.accuracy.n, -(row.accuracy.mean or 0.0)
