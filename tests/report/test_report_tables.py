"""The tables as a person sees them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from factories import fake_runs
from shown import markdown_report, terminal_report

from lrbench.metrics.registry import metric_named
from lrbench.report.build import build_report
from lrbench.report.load import load

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"
LONG = "COMPOSE(policies=[" + ", ".join(f"TRI(k0=0.0{i}, k1=0.06, l=2000)" for i in range(1, 9)) + "], boundaries=[1])"


def built(results, metric="best_accuracy"):
    loaded = load([results])
    return build_report(loaded.runs, metric_named(metric), [results], loaded.problems)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, (fix, tri) in enumerate([(0.90, 0.97), (0.91, 0.972), (0.905, 0.971)]):
        fake_runs.write_run(tmp_path / "results", FIX, [0.1, fix], seed=seed)
        fake_runs.write_run(tmp_path / "results", TRI, [0.1, tri, tri - 0.01], seed=seed)
    return tmp_path / "results"


def test_the_table_of_a_small_experiment(results):
    assert (
        terminal_report(built(results.relative_to(results.parent)))
        == """\
lenet on MNIST, batch 100, 2,000 iterations: ranked by best accuracy

  #  policy                                 best  group    runs    vs. best          final %    iterations
                                      accuracy %                                                   to best
---  -----------------------------  ------------  -------  ------  --------------  ---------  ------------
  1  TRI(k0=0.01, k1=0.06, l=2000)  97.10 ± 0.10  a        3       best                96.10           500
  2  FIX(k0=0.01)                   90.50 ± 0.50  b        3       worse, p<0.001      90.50           500

vs. best: Tukey's test of all pairs over the seeds; worse means p < 0.05. It takes all policies to vary alike over the
seeds, and counts one that varies more with its own spread

group: policies that share a letter do not differ significantly; #: the ranks that the tests leave possible

3 seeds a policy show a difference of 1.29 points in 4 of 5 cases; one of 0.65 points would take 7 seeds a policy

Each LR function has one policy here, which is its best and its worst.

6 runs: 6 finished

next: lrbench report results --plots plots   # draws the curves
next: lrbench export 'TRI(k0=0.01, k1=0.06, l=2000)' --to torch --iterations 2000 -o schedule.py   # the policy to use, for your own PyTorch
"""
    )


def test_of_several_workloads_none_is_named_to_be_exported(results):
    fake_runs.write_run(results, TRI, [0.1, 0.9], seed=9, workload={**fake_runs.WORKLOAD, "batch_size": 50})
    assert "lrbench export" not in terminal_report(built(results))


def test_markdown_has_the_same_rows(results):
    text = markdown_report(built(results))
    assert text.startswith("## lenet on MNIST, batch 100, 2,000 iterations: ranked by best accuracy\n\n|")
    assert re.search(r"\| +1 \| TRI\(k0=0.01, k1=0.06, l=2000\) +\| +97.10 ± 0.10 \|", text)
    assert "next:" not in text


def test_what_happened_to_a_policys_runs_is_said(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], seed=0)
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.8, None], seed=1, status="diverged")
    fake_runs.write_run(tmp_path, FIX, [None], seed=2, status="diverged")
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.5], seed=0, status="failed", reason="Caffe died: out of memory")
    text = terminal_report(built(tmp_path))
    assert "2/3 (2 diverged)" in text
    assert "90.00 (n=1)" in text  # the final accuracy: only the finished seed has one
    assert "0/1 (1 failed)" in text
    assert "4 runs: 1 finished, 2 diverged, 1 failed" in text
    assert re.search(r"failed: .*TRI.*: Caffe died: out of memory", " ".join(text.split()))


def test_different_targets_are_named_and_not_mixed(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], target_accuracy=0.7)
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.9], target_accuracy=0.85)
    fake_runs.write_run(tmp_path, TRI, [0.1, 0.9], target_accuracy=0.85, seed=1)
    text = terminal_report(built(tmp_path))
    assert "the runs have different targets: 0.7 (1 run), 0.85 (2 runs); so nothing is said" in text
    assert "--target 0.85" in " ".join(text.split())
    assert "to target" not in text.split("\n\n")[1]


def test_a_table_that_mixes_versions_of_an_engine_says_so(tmp_path):
    for seed, version in enumerate(["1.0.0", None, "1.0.1"]):
        text = terminal_report(built(tmp_path)) if seed else ""
        assert "several versions" not in text
        fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], seed=seed, engine={**fake_runs.ENGINE, "version": version})
    note = "the runs of caffe are of several versions, 1.0.0 and 1.0.1: small differences may be due to the version"
    for shown in (terminal_report, markdown_report):
        assert note in " ".join(shown(built(tmp_path)).split())


def test_another_packages_engine_has_a_row_for_each_version(tmp_path):
    for seed, version in enumerate(["1", "1", "2"]):
        engine = {**fake_runs.ENGINE, "name": "softmax", "version": version}
        fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], seed=seed, engine=engine)
    (table,) = built(tmp_path).workloads
    assert {row.engine: len(row.runs) for row in table.policies} == {"softmax (version=1)": 2, "softmax (version=2)": 1}


def test_a_run_under_way_is_marked(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.1, 0.9], status="running")
    text = terminal_report(built(tmp_path))
    assert re.search(r"^ +- +FIX.* 90.00 +1 \(1 cut off\)", text, re.MULTILINE)
    assert "running (the best so far)" in text


def test_one_seed_is_said(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9])
    fake_runs.write_run(tmp_path, TRI, [0.8])
    text = terminal_report(built(tmp_path))
    assert "one seed" in text
    assert "Welch" not in text


def test_long_policies_wrap_within_the_width(tmp_path):
    for seed in range(3):
        fake_runs.write_run(tmp_path, LONG, [0.9 + seed / 100], seed=seed, solver={"type": "Adam"})
        fake_runs.write_run(tmp_path, TRI, [0.8 + seed / 100], seed=seed)
        fake_runs.write_run(tmp_path, FIX, [0.8 + seed / 50], seed=seed)
        fake_runs.write_run(tmp_path, "FIX(k0=0.1)", [0.7 + seed / 50, None], seed=seed, status="diverged")
    lines = terminal_report(built(tmp_path), 120).splitlines()
    assert max(len(line) for line in lines if not line.startswith("next:")) <= 120
    assert any(line.rstrip().endswith("…") or " …" in line for line in lines)
    assert LONG in markdown_report(built(tmp_path)).replace("\\", "")


@pytest.mark.parametrize("width", [100, 120, 140])
@pytest.mark.parametrize("metric", ["best_accuracy", "confidence_deviation_across_classes"])
def test_solvers_engines_divergence_and_robustness_fit_the_width(tmp_path, width, metric):
    solvers = [fake_runs.SOLVER, {**fake_runs.SOLVER, "momentum": 0.5, "weight_decay": 0.1}, {"type": "RMSProp"}]
    engines = [fake_runs.ENGINE, {**fake_runs.ENGINE, "driver": "native"}, {"name": "torch"}]
    for number in range(5 * 3 * 3 * 3):
        seed, place, scale = number % 3, number // 3 % 9, (1.0, 0.1, 0.5, 5.0, 10.0)[number // 27]
        fake_runs.write_run(
            tmp_path,
            LONG if place % 2 else TRI,
            [0.1, 0.9 + seed / 100 - place / 50, None if seed else 0.8],
            seed=seed,
            status="diverged" if seed else "finished",
            lr_scale=scale,
            run_id=f"r{number}",
            solver=solvers[place % 3],
            engine=engines[place // 3],
            target_accuracy=0.85,
        )
    text = terminal_report(built(tmp_path, metric), width)
    assert max(len(line) for line in text.splitlines() if not line.startswith("next:")) <= width
    for name in ("RMSProp", "momentum=0.5", "torch", "driver=native"):
        assert name in text


def test_the_ranking_metric_leads_in_its_unit(results):
    text = terminal_report(built(results, "peak_memory_bytes"))
    assert "400 ± 0" in text
    assert "peak memory" in text
    assert "best %" in text


def test_best_and_worst_of_a_function(tmp_path):
    for k0, best in ((0.01, 0.9), (0.1, 0.95), (1.0, 0.2)):
        fake_runs.write_run(tmp_path, f"FIX(k0={k0})", [best])
    fake_runs.write_run(tmp_path, TRI, [0.93])
    text = terminal_report(built(tmp_path))
    assert re.search(r"FIX +3 +FIX\(k0=0.1\) +95.00 +FIX\(k0=1.0\) +20.00", text)
    assert re.search(r"TRI +1 +TRI.* 93.00 +\(its only one\)", text)


def test_robustness_is_shown_scale_by_scale(tmp_path):
    fake_runs.write_run(tmp_path, FIX, [0.9], robustness_scales=[0.1, 10.0])
    fake_runs.write_run(tmp_path, FIX, [0.8], lr_scale=0.1, robustness_scales=[0.1, 10.0])
    fake_runs.write_run(tmp_path, TRI, [0.9], robustness_scales=[0.1])
    fake_runs.write_run(tmp_path, TRI, [0.7], lr_scale=0.1, robustness_scales=[0.1])
    text = terminal_report(built(tmp_path))
    assert re.search(r"policy +spread +x0.1 +x1 +x10\n", text)
    assert re.search(r"FIX.* - +80.00 +90.00 +-\n", text)
    assert re.search(r"TRI.* 20.00 +70.00 +90.00 +-\n", text)
    assert "no spread, because of FIX(k0=0.01) at x10 (no accuracy)\n" in text


def test_divergence_at_a_scale_stands_beside_its_accuracy(tmp_path):
    for scale, statuses in ((1.0, "fff"), (5.0, "fdd"), (10.0, "ddd")):
        for seed, status in enumerate(statuses):
            ended: dict[str, Any] = {
                "status": "finished" if status == "f" else "diverged",
                "lr_scale": scale,
                "seed": seed,
            }
            fake_runs.write_run(tmp_path, FIX, [0.1, 0.9, 0.9 if status == "f" else None], **ended)
    text = terminal_report(built(tmp_path))
    assert re.search(r"FIX.* -  +90.00  +90.00 \(2/3 diverged\)  +- \(3/3 diverged\)\n", text)
    assert "no spread, because of FIX(k0=0.01) at x5 (diverged), x10 (diverged)\n" in text


def test_what_diverged_is_said_where_it_is_compared(tmp_path):
    for seed in range(3):
        fake_runs.write_run(tmp_path, FIX, [0.1, 0.9 + seed / 100], seed=seed)
        survived = {"accuracies": [0.1, 0.99]} if seed == 0 else {"accuracies": [None], "status": "diverged"}
        fake_runs.write_run(tmp_path, "FIX(k0=0.2)", seed=seed, **survived)
    text = terminal_report(built(tmp_path))
    assert re.search(r"1 +FIX\(k0=0.01\) +91.00 ± 1.00 +3 +best ", text)
    assert re.search(r"2 +FIX\(k0=0.2\) +99.00 +1/3 \(2 diverged\) +2 of 3 diverged ", text)
    assert "ranks behind every one of which none did" in text
    assert re.search(r"FIX +2 +FIX\(k0=0.01\) +91.00 ± 1.00 +FIX\(k0=0.2\) +99.00 \(2/3 diverged\)", text)


def test_text_from_files_cannot_steer_a_terminal_or_break_a_table(tmp_path):
    evil = "FIX(k0=0.01)\x1b]0;owned\x07\x1b[2J|<img src=x onerror=alert(1)>`a`\n| 1 |\u202ereversed"
    fake_runs.write_run(tmp_path, evil, [0.9], status="failed", reason="\x1b[31mred|", run_id="evil")
    fake_runs.write_run(tmp_path, FIX, [0.9], workload={**fake_runs.WORKLOAD, "net": {"name": "\x1b[5mnet|_x_"}})
    report = built(tmp_path)
    for text in (terminal_report(report), markdown_report(report)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    text = markdown_report(report)
    assert "<img" not in text
    (row,) = (line for line in text.splitlines() if "owned" in line and line.startswith("|"))
    header = next(line for line in text.splitlines() if line.startswith("|   # |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == header.count("|")
