"""How many examples a property test tries, under each of the Hypothesis profiles that ``conftest.py`` registers."""

from __future__ import annotations

from hypothesis import settings

EXAMPLES = 50
"""Examples of a property test under the profile "suite", unless it asks for another number by ``examples``."""
SEARCH_FACTOR = 100
"""How many times as many examples the profile "search" tries."""


def examples(count: int) -> settings:
    """Settings of a property test with ``count`` examples under "suite", and in proportion under "search"."""
    return settings(max_examples=count * settings().max_examples // EXAMPLES)
