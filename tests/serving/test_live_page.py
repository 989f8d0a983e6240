"""The live page: made anew when files change, and not otherwise."""

from __future__ import annotations

import json
import os

import pytest
from factories import fake_runs

from lrbench.metrics.registry import METRICS
from lrbench.report.build import build_report
from lrbench.report.load import load
from lrbench.serving import live_page
from lrbench.serving.live_page import LivePage, fingerprint

FIX = "FIX(k0=0.01)"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Each question looks at the files."""
    monkeypatch.setattr(live_page, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(live_page, "SHARE", 0.0)


@pytest.fixture
def live(tmp_path):
    """A live page of a folder with one run, how often it was read, and what it noticed."""
    run = fake_runs.write_run(tmp_path / "results", FIX, [0.1, 0.9])
    reads: list[int] = []
    notices: list[str] = []

    def read():
        reads.append(1)
        loaded = load([tmp_path / "results"])
        return build_report(loaded.runs, METRICS["best_accuracy"])

    return LivePage(read, [tmp_path / "results"], notices.append), run, reads, notices


def append(run, iteration, accuracy):
    with (run / "evaluations.jsonl").open("a") as file:
        file.write(json.dumps(fake_runs.evaluation(iteration, accuracy)) + "\n")


def best(version):
    return json.loads(version.data)["report"]["policies"][0]["best_accuracy"]["mean"]


def test_it_is_made_once_while_nothing_changes(live):
    page, _, reads, _ = live
    assert page.version() is page.version()
    assert len(reads) == 1


def test_a_new_evaluation_makes_it_anew_with_another_tag(live):
    page, run, _, _ = live
    before = page.version()
    append(run, 1000, 0.95)
    after = page.version()
    assert (best(before), best(after)) == (0.9, 0.95)
    assert before.tag != after.tag
    assert b'data-live="true"' in after.html


def test_a_file_touched_but_not_changed_keeps_the_tag(live):
    page, run, reads, _ = live
    before = page.version()
    os.utime(run / "status.json", ns=(1, 1))
    assert page.version().tag == before.tag
    assert len(reads) == 2


def test_results_that_are_gone_are_told_once_and_the_last_page_stays(live):
    page, run, _, notices = live
    before = page.version()
    run.parent.parent.rename(run.parent.parent.with_name("away"))
    assert page.version() is before
    assert page.version() is before
    assert len(notices) == 1
    assert "no such folder" in notices[0]


def test_while_a_run_is_under_way_it_is_made_anew_now_and_then(live, tmp_path, monkeypatch):
    monkeypatch.setattr(live_page, "ACTIVE_SECONDS", 0.0)
    page, run, reads, _ = live
    page.version()
    assert len(reads) == 1  # none is under way
    (run / "status.json").write_text(json.dumps({"status": "running", "iteration": 0, "reason": None}))
    with fake_runs.held(run):
        page.version()
        page.version()
        assert json.loads(page.version().data)["underway"][0]["iteration"] == "500 of 2,000"
    assert len(reads) == 4
    assert json.loads(page.version().data)["underway"] == []  # killed: no file changed, but nobody holds it


def test_the_fingerprint_follows_new_and_deleted_runs(tmp_path):
    fake_runs.write_run(tmp_path, FIX)
    first = fingerprint([tmp_path])
    assert fingerprint([tmp_path]) == first
    other = fake_runs.write_run(tmp_path, "FIX(k0=1)")
    second = fingerprint([tmp_path])
    (other / "evaluations.jsonl").unlink()
    assert len({first, second, fingerprint([tmp_path])}) == 3
