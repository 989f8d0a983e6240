"""``snapshots``: when the state of a run is saved, and how many saved states are kept."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("every", ["evaluation", "20", "[20, 60, 100]", "100", "10 minutes", "1 hour", "0.5 seconds"])
@pytest.mark.parametrize("keep", ["1", "2", "all"])
def test_what_the_documentation_shows_is_read(spec, every, keep):
    settings = spec.more(f"snapshots: {{every: {every}, keep: {keep}}}\n").read().settings.snapshots
    assert (str(settings.every), str(settings.keep)) == (every, keep)


def test_every_evaluation_has_one_and_two_are_kept_by_default(spec):
    assert spec.read().settings.snapshots.model_dump() == {"every": "evaluation", "keep": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{every: 30}", "every is 30, but snapshots are made at evaluations, every 20 iterations; choose a multiple of 20"),
        ("{every: [20, 50]}", "every is 50, but snapshots are made at evaluations, every 20 iterations; choose a multiple "
         "of 20"),
        ("{every: [20, 120]}", "every is 120, more than the 100 iterations; lower it"),
        ("{every: often}", "every is 'often', but must be evaluation, a number of iterations, a list of iterations, or a "
         "time such as 10 minutes; for example every: 10 minutes"),
        ("{every: 0}", "every is 0, but must be evaluation, a number of iterations, a list of iterations, or a time such "
         "as 10 minutes; for example every: 10 minutes"),
        ("{every: 10}", "every is 10, but snapshots are made at evaluations, every 20 iterations; choose a multiple of 20"),
        ("{keep: 0}", "keep is 0, but must be a whole number of at least 1, or all; for example keep: all"),
        ("{keep: some}", "keep is 'some', but must be a whole number of at least 1, or all; for example keep: all"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_refused_in_one_line(spec, text, message):
    assert spec.more(f"snapshots: {text}\n").refusal() == f"trial.yaml:14: snapshots.{message}"


def test_an_iteration_twice_is_refused(spec):
    message = spec.more("snapshots: {every: [20, 20]}\n").refusal()
    assert message == "trial.yaml:14: snapshots.every.1 is 20, which is already in the list; remove one"
