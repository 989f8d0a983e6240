"""The page says what the other formats say, of the same rows."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from factories import fake_runs
from shown import csv_report, json_report, markdown_report

from lrbench.report.figures.data import Curve, thinned
from lrbench.report.page.costs import pareto_front
from lrbench.report.page.curves import rounded
from lrbench.report.page.html import content_policy, page_html
from lrbench.storage import file_sha256

FIX, TRI, BAD = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)", "EXP(k0=1, gamma=0.999)"
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e<!--"


@pytest.fixture
def results(tmp_path):
    """Three policies: one better over two seeds, one worse, one of which a seed diverged."""
    folder = tmp_path / "results"
    for seed, end in ((0, 0.97), (1, 0.975)):
        fake_runs.write_run(folder, TRI, [0.1, 0.9, end], seed=seed, target_accuracy=0.9)
        fake_runs.write_run(folder, FIX, [0.1, 0.5, end - 0.1], seed=seed, target_accuracy=0.9)
    fake_runs.write_run(folder, BAD, [0.1, 0.6], seed=0, target_accuracy=0.9)
    fake_runs.write_run(folder, BAD, [0.1, None], seed=1, status="diverged", target_accuracy=0.9)
    return folder


def embedded(content: bytes) -> Any:
    """The JSON that a page holds, as its scripts read it."""
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_page_holds_the_rows_of_the_json_and_csv_exports(results, report, page):
    built = report(results)
    rows = embedded(page_html(page(results)))["report"]
    exported = json.loads(json_report(built))
    for run in exported["runs"]:
        del run["evaluations"]
    assert rows == exported
    lines = list(csv.DictReader(io.StringIO(csv_report(built))))
    assert [row["policy"] for row in rows["policies"]] == [line["policy"] for line in lines] == [TRI, FIX, BAD]
    for row, line in zip(rows["policies"], lines, strict=True):
        assert row["best_accuracy"]["mean"] == pytest.approx(float(line["best_accuracy_mean"]), rel=1e-15)
        assert str(row["rank"]) == line["rank"]
        assert row["against_the_best"] == line["against_the_best"]


def test_each_cell_says_what_the_markdown_table_says(results, report, page):
    document = page(results)
    lines = [line for line in markdown_report(report(results)).splitlines() if line.startswith("|")]
    head, _, *rows = [
        [html.unescape(cell.strip()).replace("\\", "") for cell in line.strip("|").split("|")] for line in lines[:5]
    ]
    workload = document["workloads"][0]
    assert workload["columns"][: len(head)] == head
    assert [row["cells"][: len(head)] for row in workload["rows"]] == rows


def test_rows_name_their_policy_and_their_runs(results, page):
    document = page(results)
    for row in document["workloads"][0]["rows"]:
        assert document["report"]["policies"][row["policy"]]["policy"] == row["name"]
        assert {document["report"]["runs"][place]["policy"] for place in row["runs"]} == {row["name"]}
        assert len(row["runs"]) == 2
        assert len(row["cells"]) == len(row["sort"]) == len(document["workloads"][0]["columns"])


def test_curves_are_the_mean_and_range_over_the_seeds(results, page):
    document = page(results)
    curve = document["workloads"][0]["rows"][0]["curves"]["accuracy_top1"]
    assert document["grids"][curve["grid"]] == [0, 500, 1000]
    assert curve["mean"] == [0.1, 0.9, 0.9725]
    assert (curve["low"], curve["high"]) == ([0.1, 0.9, 0.97], [0.1, 0.9, 0.975])
    assert document["workloads"][0]["rows"][2]["curves"]["accuracy_top1"]["ends"] == [[0, 0.1]]


def test_what_cannot_be_read_is_named_and_the_rest_shown(results, page):
    broken = fake_runs.write_run(results, "FIX(k0=1)")
    (broken / "run.json").write_text("{")
    newer = fake_runs.write_run(results, "FIX(k0=2)", schema=99)
    torn = fake_runs.write_run(results, "FIX(k0=3)", [0.1, 0.2])
    with (torn / "evaluations.jsonl").open("a") as file:
        file.write("garbage\n")
    document = page(results)
    assert len(document["problems"]) == 3
    assert any(str(broken) in line and "is not JSON" in line for line in document["problems"])
    assert any(str(newer) in line and "schema 99" in line for line in document["problems"])
    assert any(str(torn) in line and "only the evaluations before" in line for line in document["problems"])
    assert TRI in [row["name"] for row in document["workloads"][0]["rows"]]


def test_hostile_names_stay_text(tmp_path, page):
    fake_runs.write_run(
        tmp_path,
        HOSTILE,
        [0.1, 0.9],
        status="failed",
        reason=HOSTILE,
        experiment="e",
        run_id="r",
        solver={"type": HOSTILE},
    )
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], workload={**fake_runs.WORKLOAD, "net": {"name": HOSTILE}})
    content = page_html(page(tmp_path))
    assert content.count(b"</script>") == 3  # the data's, the library's, the page's own
    assert b"<img src=x" not in content
    assert HOSTILE in {run["policy"] for run in embedded(content)["report"]["runs"]}
    assert "\u202e" not in json.dumps(embedded(content)["workloads"], ensure_ascii=False)  # turns the text around


def test_the_page_may_load_nothing(results, page):
    content = page_html(page(results)).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', content)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "connect-src 'none'" in policy[1]
    assert "unsafe-eval" not in policy[1]
    assert "script-src 'sha256-" in policy[1]
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)""", content.partition("<script")[0]) == []
    assert "connect-src 'self'" in content_policy(live=True)


def test_the_workload_that_a_stranger_means_comes_first(tmp_path, page):
    held_out = {**fake_runs.WORKLOAD, "dataset": {"name": "mnist-holdout500", "sha256": "c", "label": "held out"}}
    for rate in range(1, 5):
        fake_runs.write_run(tmp_path, f"FIX(k0={rate})", experiment="e-tune", workload=held_out)
        fake_runs.write_run(
            tmp_path, f"FIX(k0={rate})", experiment="e-range", workload={**fake_runs.WORKLOAD, "iterations": 100}
        )
    fake_runs.write_run(tmp_path, FIX, experiment="e-confirmed")
    labels = [workload["label"] for workload in sorted(page(tmp_path)["workloads"], key=lambda one: one["order"])]
    assert labels == [
        "lenet on MNIST, batch 100, 2,000 iterations",
        "lenet on held out, batch 100, 2,000 iterations",
        "lenet on MNIST, batch 100, 100 iterations",
    ]


def test_policies_by_optimizer_have_shades_from_the_best_on(tmp_path, page):
    for kind, gain in (("SGD", 0.0), ("Adam", 0.02)):
        for policy, accuracy in ((FIX, 0.9 + gain), (TRI, 0.95 - gain)):
            fake_runs.write_run(tmp_path, policy, [0.1, accuracy], solver={**fake_runs.SOLVER, "type": kind})
    fake_runs.write_run(tmp_path, BAD, [0.1, None], status="diverged")
    (matrix,) = page(tmp_path)["solvers"]
    assert matrix["solvers"] == ["SGD", "Adam"]
    cells = {row["policy"]: row["cells"] for row in matrix["rows"]}
    assert [(cell["text"], cell["shade"], cell["best"]) for cell in cells[TRI]] == [
        ("95.00", 0.0, True),
        ("93.00", 0.0, True),
    ]
    assert cells[FIX][0]["shade"] == 1.0
    assert cells[BAD][0]["shade"] is None


def test_the_front_is_what_nothing_beats_in_cost_and_quality(results, page):
    assert pareto_front([(3, 1), (1, 3), (2, 2), (2, 3), (4, 1), (1, 3)]) == [1, 5, 2, 0]
    costs = {cost["name"]: cost for cost in page(results)["workloads"][0]["costs"]}
    assert costs["iterations_to_best"]["front"] == [0]  # both there at 1,000; a policy that diverged is not compared
    assert costs["iterations_to_best"]["places"] == [0, 1]
    assert "iterations_to_target" not in costs  # one policy reaches it
    assert costs["iterations_to_best"]["sentence"].startswith(f"Pareto-optimal: {TRI} (1,000 ")


def test_a_seed_that_missed_the_target_shows_sorts_and_is_left_out_of_the_costs(tmp_path, page):
    for policy, reached_at in ((FIX, (1500, 1500)), (TRI, (500, None)), (BAD, (1500, 2000))):
        for seed, at in enumerate(reached_at):
            accuracies = [0.1, *(0.95 if iteration >= (at or 9999) else 0.5 for iteration in range(500, 2001, 500))]
            fake_runs.write_run(tmp_path, policy, accuracies, seed=seed, target_accuracy=0.9)
    document = page(tmp_path)
    workload = document["workloads"][0]
    place = workload["columns"].index("iterations to target")
    cells = {row["name"]: (row["cells"][place], row["sort"][place]) for row in workload["rows"]}
    assert cells == {FIX: ("1,500", 0), BAD: ("1,750", 1), TRI: ("500 (1/2)", 2)}
    (cost,) = (cost for cost in workload["costs"] if cost["name"] == "iterations_to_target")
    assert cost["sentence"].endswith("Excluded: 1 policy with seeds that missed the target.")
    assert document["report"]["policies"][0]["iterations_to_target"].keys() >= {"n", "runs", "restricted_mean"}


def test_thinning_keeps_the_ends_and_every_peak():
    values = np.sin(np.linspace(0, 60, 20_000))
    values[7_003], values[9_001:9_050] = 5.0, np.nan
    places = thinned(values, 200)
    assert len(places) <= 200
    assert {0, 19_999, 7_003} <= {*places.tolist()}
    assert np.nanmin(values[places]) == np.nanmin(values)
    assert thinned(values[:200], 200).tolist() == list(range(200))
    assert len(thinned(np.full(1000, np.nan), 100)) == 2


def test_numbers_keep_five_digits():
    assert rounded(np.array([0.123456789, -1234567.0, 0.0, 3e-12, np.nan, np.inf])) == [
        0.12346,
        -1234600.0,
        0.0,
        3e-12,
        None,
        None,
    ]
    assert Curve(np.empty(0), np.empty(0), np.empty(0), np.empty(0), ()).empty


def test_the_library_is_the_file_that_its_version_names(repository):
    folder = repository / "lrbench/report/page/echarts"
    assert file_sha256(folder / "echarts.min.js") in (folder / "VERSION").read_text()
    assert "Apache License" in (folder / "LICENSE").read_text()
