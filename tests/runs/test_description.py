"""run.json: written and read back, and refused in one line where it is not what it should be."""

from __future__ import annotations

import json

import pytest
from factories import fake_runs

from lrbench.runs.description import SCHEMA, Branch, RunDescription
from lrbench.runs.files import DamagedRun

DESCRIPTION = fake_runs.description(
    rates=2,
    target_accuracy=0.9,
    robustness_scales=(0.1, 10.0),
    threads=1,
    created="2026-01-01T00:00:00+00:00",
    machine={"cores": 2},
    branch=Branch("parent", 20),
)


@pytest.mark.parametrize("description", [DESCRIPTION, fake_runs.description()])
def test_what_is_written_is_read_back(description):
    content = json.loads(description.content())
    assert content["schema"] == SCHEMA
    assert RunDescription.parse(content) == description


def test_what_is_not_known_is_left_out_but_for_the_target():
    content = json.loads(fake_runs.description().content())
    assert content["target_accuracy"] is None
    assert not {"rates", "threads", "created", "branch"} & content.keys()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (
            {"schema": SCHEMA + 1},
            f"run.json has schema {SCHEMA + 1}, this version reads up to {SCHEMA}; install a newer",
        ),
        ({"schema": None}, "run.json was not written by LRBench"),
        ({"seed": "0"}, "run.json: 'seed' is missing or of the wrong type"),
        ({"engine": None}, "run.json: 'engine' is missing or of the wrong type"),
        ({"threads": "two"}, "run.json: 'threads' is missing or of the wrong type"),
        ({"stopping": []}, "run.json: 'stopping' is missing or of the wrong type"),
        ({"robustness_scales": [1, "ten"]}, "run.json: 'robustness_scales' is missing or of the wrong type"),
        ({"branch": {"run": "parent"}}, "run.json: 'branch' is missing or of the wrong type"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(change, refusal):
    with pytest.raises(DamagedRun) as raised:
        RunDescription.parse(json.loads(DESCRIPTION.content()) | change)
    assert str(raised.value).startswith(refusal)
