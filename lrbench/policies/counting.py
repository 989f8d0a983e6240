"""The way of counting cycles that a run's rates come from."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from lrbench.errors import PolicyError
from lrbench.policies.policy import parse_policy

RATES = 2
"""The way in which lengths that are not whole are counted. The first way, 1, was late at 3 % of their multiples."""

# What a length that is not whole looks like in a canonical text; parsing every text of a large report takes long.
_FRACTION = re.compile(r"\b(?:l|mult)=\d*(?:\.|e-)")


def rates_of(description: Mapping[str, Any]) -> int | None:
    """Return a run's way of counting, from its run.json: RATES, or 1 for a run made before there was another.

    None where all lengths that its policy counts are whole, as both ways count these alike.
    """
    if not _counts_fractions(str(description.get("policy"))):
        return None
    return RATES if description.get("rates") == RATES else 1


@functools.lru_cache(maxsize=4096)
def _counts_fractions(text: str) -> bool:
    try:
        return bool(_FRACTION.search(text)) and parse_policy(text).counts_fractions
    except PolicyError:
        return False
