"""Sentences on the tests of a table: which test, what it takes for granted, and what its seeds can show."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.metrics.registry import Unit
from lrbench.report.formats import counted, number, p_value, unit_text, with_unit
from lrbench.statistics.all_pairs import ENOUGH_FOR_WELCH, AllPairs
from lrbench.statistics.planning import MOST_SEEDS, seeds_for, smallest_shown

TUKEY = "Tukey's test of all pairs over the seeds"
WELCH = "Welch's t-test of all pairs over the seeds, p corrected for their number (Sidak)"
_ALIKE = "It takes all policies to vary alike over the seeds, and counts one that varies more with its own spread"
_GROUPS = "group: policies that share a letter do not differ significantly; #: the ranks that the tests leave possible"


def test_title(tests: AllPairs) -> str:
    """Return the name of the test, such as ``Tukey's test of all pairs over the seeds``."""
    return TUKEY if tests.method == "Tukey" else WELCH


def test_notes(tests: AllPairs, unit: Unit) -> Iterator[str]:
    """Yield the sentences below a ranking whose policies, in the order of their ranks, were tested."""
    first, *further = comparison_notes(tests, unit)
    yield from (first, _GROUPS, *further)


def comparison_notes(tests: AllPairs, unit: Unit) -> Iterator[str]:
    """Yield the sentences on comparisons with the best, and on what the seeds can show."""
    yield f"vs. best: {test_title(tests)}; worse means p < 0.05. {_assumption(tests, unit)}"
    yield f"{shown_by(tests, unit)}{_further(tests, unit)}"


def _assumption(tests: AllPairs, unit: Unit) -> str:
    if tests.method == "Tukey":
        return _ALIKE
    low, high = (number(value, unit) for value in tests.deviations)
    text = (
        f"The policies differ in how much they vary over the seeds, by {low} to {high}"
        f"{unit_text(unit, difference=True)} (Bartlett's test, {p_value(tests.spreads_p)})"
    )
    if tests.seeds.min() < ENOUGH_FOR_WELCH:
        text += f"; with fewer than {ENOUGH_FOR_WELCH} seeds a difference must be significant by Tukey's test, too"
    return text


def shown_by(tests: AllPairs, unit: Unit) -> str:
    """Return the smallest difference that the seeds of a table can show, as a sentence."""
    shown, seeds = smallest_shown(tests), counted(tests.usual_seeds, "seed", "seeds")
    if shown is None:
        return f"{seeds} a policy show no difference between the first two, of which neither varies"
    between = "" if tests.method == "Tukey" else " between the first two"
    return f"{seeds} a policy show a difference of {with_unit(shown, unit, difference=True)}{between} in 4 of 5 cases"


def _further(tests: AllPairs, unit: Unit) -> str:
    """Say how many seeds show a smaller difference: that of the first two, or half of what these seeds show."""
    if tests.method == "Welch":
        return ""
    gap = tests.gap(0, 1)
    first_two = gap > 0 and not tests.different()[0, 1]
    wanted = gap if first_two else (smallest_shown(tests) or 0.0) / 2
    seeds = seeds_for(wanted / tests.deviation, len(tests.means), tests.looks)
    many = f"more than {MOST_SEEDS:,}" if seeds is None else str(seeds)
    if seeds is not None and seeds > 20:
        many = f"about {float(f'{seeds:.2g}'):g}"
    apart = with_unit(wanted, unit, difference=True)
    named = f"the {apart} between the first two" if first_two else f"one of {apart}"
    return f"; {named} would take {many} seeds a policy"
