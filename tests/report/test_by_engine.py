"""``report --by engine`` from runs that are made up, so that every figure is known."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from factories import fake_runs
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import kendalltau, ttest_ind
from shown import csv_comparison, json_comparison, markdown_comparison, terminal_comparison

from lrbench.errors import ResultsError
from lrbench.metrics.registry import metric_named
from lrbench.metrics.summary import summarise
from lrbench.report.build import build_report
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare
from lrbench.report.load import load
from lrbench.statistics.agreement import tau_b
from lrbench.statistics.two_values import p_of_each

FIX, TRI, COS = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)", "COS(k0=0.01, k1=0.06, l=2000)"
EXP = "EXP(k0=0.1, gamma=0.9)"
LONG = "COMPOSE(policies=[" + ", ".join(f"TRI(k0=0.0{i}, k1=0.06, l=2000)" for i in range(1, 9)) + "], boundaries=[1])"
CAFFE = {**fake_runs.ENGINE}
TORCH = {"name": "torch", "driver": "stepping", "device": "cpu", "version": "2.13.0"}
GPU = {**TORCH, "device": "gpu"}
MACHINE = {"host": "secret", "cpu": "Z80", "cores": 2, "memory_bytes": 1}


def write(results: Path, engine, policy: str, accuracies, seed: int = 0, *, slower: float = 1.0, **options) -> Path:
    """A run whose training took 20 s for 1,000 iterations, times ``slower``."""
    options = {"machine": MACHINE, "threads": 1, "target_accuracy": 0.9, **options}
    solver = options.get("solver", {}).get("type")
    run_id = f"{policy.partition('(')[0]}-{engine['name']}{engine['device']}-{seed}-{solver}"
    folder = fake_runs.write_run(results, policy, accuracies, seed=seed, engine=engine, run_id=run_id, **options)
    lines = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    for line in lines:
        line["train_seconds"] *= slower
        line["peak_memory_bytes"] *= slower
    (folder / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def sampled(folder: Path, *rows) -> None:
    """Samples of (seconds, CPU %, bytes, GPU %, GPU bytes)."""
    names = ("seconds", "cpu_percent", "memory_bytes", "gpu_percent", "gpu_memory_bytes")
    lines = [json.dumps(dict(zip(names, row, strict=False))) + "\n" for row in rows]
    (folder / "usage.jsonl").write_text("".join(lines))


def compared(results: Path, metric: str = "best_accuracy"):
    loaded = load([results])
    return compare(build_report(loaded.runs, metric_named(metric), [results], loaded.problems), AXES["engine"])


ACCURACIES = {
    (FIX, "caffe"): (0.90, 0.91, 0.92),
    (FIX, "torch"): (0.95, 0.955, 0.96),
    (TRI, "caffe"): (0.97, 0.972, 0.974),
    (TRI, "torch"): (0.96, 0.94, 0.95),
    (COS, "caffe"): (0.80, 0.82, 0.81),
    (COS, "torch"): (0.81, 0.80, 0.79),
}


@pytest.fixture
def results(tmp_path):
    """Three policies, three seeds, two engines; torch takes 1.5 times as long and as much memory."""
    for (policy, name), accuracies in ACCURACIES.items():
        engine, slower = (CAFFE, 1.0) if name == "caffe" else (TORCH, 1.5)
        for seed, accuracy in enumerate(accuracies):
            folder = write(tmp_path, engine, policy, [0.1, accuracy], seed, slower=slower)
            sampled(folder, (1, 100, 100e6 * slower), (3, 100, 400e6 * slower))
    return tmp_path


def test_the_tables_and_findings_as_a_person_sees_them(results):
    assert (
        terminal_comparison(compared(results))
        == """\
lenet on MNIST, batch 100, 2,000 iterations: policies x engines

measured with caffe 1.0.0, torch 2.13.0; Z80, 2 cores, 1 thread a run

best accuracy %: mean ± sample standard deviation over 3 seeds, unless a cell says otherwise

policy                        caffe         torch    torch -  noise                       iterations    iterations
                                                       caffe                                 to 0.9,       to 0.9,
                                                      points                                   caffe         torch
---------------------  ------------  ------------  ---------  ------------------------  ------------  ------------
TRI(k0=0.01, k1=0.06,  97.20 ± 0.20  95.00 ± 1.00      -2.20  not significant, p=0.053           500           500
l=2000)
FIX(k0=0.01)           91.00 ± 1.00  95.50 ± 0.50      +4.50  differs, p<0.001                   500           500
COS(k0=0.01, k1=0.06,  81.00 ± 1.00  80.00 ± 1.00      -1.00  not significant, p=0.65              -             -
l=2000)

noise: t-test between the engines, by the spread of all policies at each or a policy's own if larger, p corrected for
the number of policies (Sidak); differs means p < 0.05

ranks that the tests leave possible on each engine, with the gap to its best in brackets; holds: on no engine
significantly worse than the best (Tukey's test of all pairs over the seeds, p < 0.05; Welch's, corrected for their
number, where the policies' spreads clearly differ). With few seeds few gaps are significant: mind their sizes, too.

policy                             caffe       torch    worst rank    largest gap  verdict
-----------------------------  ---------  ----------  ------------  -------------  ---------------------
TRI(k0=0.01, k1=0.06, l=2000)   1 (0.00)  1-2 (0.50)             2           0.50  holds
FIX(k0=0.01)                    2 (6.20)  1-2 (0.00)             2           6.20  worse on caffe
COS(k0=0.01, k1=0.06, l=2000)  3 (16.20)   3 (15.50)             3          16.20  worse on caffe, torch

best accuracy on torch minus on caffe: +0.43 points in the mean over 3 policies; within the seeds' noise (paired by
policy, p=0.31); one by one, 1 policy differs.

1 policy of 3 holds across the 2 engines (best, or not significantly worse than the best, on each): TRI(k0=0.01,
k1=0.06, l=2000). With few seeds this is weak evidence: gaps of up to 0.50 points were not significant.

Safest policy for any engine: TRI(k0=0.01, k1=0.06, l=2000), at most 0.50 points behind the best (worst rank 2 of 3).

The best policy differs: TRI(k0=0.01, k1=0.06, l=2000) on caffe; FIX(k0=0.01) on torch.

The best policy on caffe, TRI(k0=0.01, k1=0.06, l=2000), ranks 2 of 3 on torch, 0.50 points behind; within the seeds'
noise.

The best policy on torch, FIX(k0=0.01), ranks 2 of 3 on caffe, 6.20 points behind; beyond the seeds' noise.

Rank correlation of caffe and torch over 3 policies (Kendall's tau-b): 0.33; of the true orders between 0.33 and 1.00
(95% interval).

policy                         engine           training s    CPU s per    CPU %    memory MB,    memory MB,
                                                 per 1,000          run                   mean          peak
                                                iterations
-----------------------------  -------------  ------------  -----------  -------  ------------  ------------
TRI(k0=0.01, k1=0.06, l=2000)  caffe                 20.00         14.5      100           300           400
                               torch                 30.00         14.5      100           450           600
                               torch / caffe          1.50         1.00     1.00          1.50          1.50
FIX(k0=0.01)                   caffe                 20.00         14.5      100           300           400
                               torch                 30.00         14.5      100           450           600
                               torch / caffe          1.50         1.00     1.00          1.50          1.50
COS(k0=0.01, k1=0.06, l=2000)  caffe                 20.00         14.5      100           300           400
                               torch                 30.00         14.5      100           450           600
                               torch / caffe          1.50         1.00     1.00          1.50          1.50

Cost of torch relative to caffe (geometric mean over 3 policies): training s per 1,000 iterations 1.50; CPU s per run
1.00; CPU % 1.00; memory MB, mean 1.50; memory MB, peak 1.50.
"""
    )


def paragraphs(results, metric="best_accuracy", width=10_000):
    return terminal_comparison(compared(results, metric), width).split("\n\n")


def finding(results, start, **options):
    """The one paragraph that starts so."""
    (found,) = [text for text in paragraphs(results, **options) if text.startswith(start)]
    return found.strip()


def test_markdown_has_the_same_figures(results):
    text = markdown_comparison(compared(results))
    assert text.startswith("## lenet on MNIST, batch 100, 2,000 iterations: policies x engines\n\n")
    assert re.search(r"\| TRI\(k0=0.01, k1=0.06, l=2000\) +\| +97.20 ± 0.20 \| +95.00 ± 1.00 \| +-2.20 \|", text)
    assert "The best policy on caffe, TRI(k0=0.01, k1=0.06, l=2000), ranks 2 of 3 on torch, 0.50 points behind;" in text


def test_csv_has_a_line_for_each_policy_on_each_engine(results):
    lines = list(csv.DictReader(io.StringIO(csv_comparison(compared(results)))))
    assert [(line["policy"], line["engine"]) for line in lines] == [
        (policy, engine) for policy in (TRI, FIX, COS) for engine in ("caffe", "torch")
    ]
    base, other = lines[:2]
    assert (base["rank"], base["compared_with"], base["difference"], base["cpu_seconds_ratio"]) == ("1", "", "", "")
    assert other["compared_with"] == "caffe"
    assert float(other["difference"]) == pytest.approx(-0.022)
    assert float(other["train_seconds_per_1000_iterations_mean"]) == pytest.approx(30)
    assert float(other["train_seconds_per_1000_iterations_ratio"]) == pytest.approx(1.5)
    assert float(other["mean_memory_bytes_mean"]) == pytest.approx(450e6)  # 150 MB for 1 s, 600 MB for 2 s
    assert float(other["peak_memory_bytes_mean"]) == pytest.approx(600e6)
    assert (other["mean_memory_bytes_n"], other["cpu_percent_mean"]) == ("3", "100.0")
    assert (other["gpu_percent_mean"], other["gpu_memory_bytes_n"], other["gpu_memory_bytes_ratio"]) == ("", "0", "")
    assert float(other["iterations_to_target_mean"]) == 500
    samples = [[summarise(ACCURACIES[policy, engine]) for engine in ("caffe", "torch")] for policy in (TRI, FIX, COS)]
    p_values = p_of_each([(one, two) for one, two in samples])
    assert p_values is not None
    assert float(other["p_value"]) == pytest.approx(p_values[0])


def test_json_says_the_same_and_what_the_best_policies_reach_elsewhere(results):
    document = json.loads(json_comparison(compared(results)))
    (table,) = document["tables"]
    assert document["compared_by"] == "engine"
    assert table["engines"] == ["caffe", "torch"]
    assert [(row["policy"], row["engine"], row["rank"]) for row in table["rows"]] == [
        (TRI, "caffe", 1),
        (TRI, "torch", 2),
        (FIX, "caffe", 2),
        (FIX, "torch", 1),
        (COS, "caffe", 3),
        (COS, "torch", 3),
    ]
    assert table["rows"][1]["best_accuracy"] == {
        "mean": pytest.approx(0.95),
        "standard_deviation": pytest.approx(0.01),
        "n": 3,
    }
    assert table["rows"][1]["ratio"]["peak_memory_bytes"] == pytest.approx(1.5)
    assert table["rows"][1]["gpu_percent"] == {"mean": None, "standard_deviation": None, "n": 0}
    (contrast,) = table["contrasts"]
    apart = {row["policy"]: row["value"] for row in contrast["differences"]}
    assert apart == {TRI: pytest.approx(-0.022), FIX: pytest.approx(0.045), COS: pytest.approx(-0.01)}
    assert contrast["mean"] == pytest.approx((-0.022 + 0.045 - 0.01) / 3)
    to_torch, to_caffe = table["transfers"]
    assert [to_torch[name] for name in ("policy", "rank", "ranked", "verdict")] == [TRI, 2, 3, "within noise"]
    assert to_torch["regret"] == pytest.approx(0.005)
    assert (to_caffe["policy"], to_caffe["rank"], to_caffe["verdict"]) == (FIX, 2, "beyond noise")
    assert to_caffe["regret"] == pytest.approx(0.062)
    assert (
        to_torch["p"] == table["rows"][1]["against_the_best_p_value_holm"]
    )  # of all pairs: the best was picked by the data
    assert to_torch["p"] > ttest_ind(ACCURACIES[TRI, "torch"], ACCURACIES[FIX, "torch"], equal_var=False).pvalue
    (agreement,) = table["agreements"]
    assert agreement["tau"] == pytest.approx(kendalltau([1, 2, 3], [2, 1, 3]).statistic)
    assert -1 <= agreement["low"] <= agreement["tau"] <= agreement["high"] <= 1
    assert agreement["low"] < agreement["high"]  # the order of FIX and TRI on torch is not known
    assert json_comparison(compared(results)) == json_comparison(compared(results))


def test_rankings_that_no_draw_changes_have_an_interval_of_a_point(tmp_path):
    for place, policy in enumerate((FIX, TRI, COS, EXP)):
        for seed in range(3):
            for engine, order in ((CAFFE, place), (TORCH, (1, 0, 2, 3)[place])):
                write(tmp_path, engine, policy, [0.9 - order / 10 + seed / 1000], seed)
    (agreement,) = json.loads(json_comparison(compared(tmp_path)))["tables"][0]["agreements"]
    expected = kendalltau([0, 1, 2, 3], [1, 0, 2, 3]).statistic
    assert [agreement[name] for name in ("policies", "tau", "low", "high")] == [4, *[pytest.approx(expected)] * 3]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_rank_correlation_is_scipys_to_the_last_bit(ranks):
    one, other = zip(*ranks, strict=True)
    assume(len(set(one)) > 1 and len(set(other)) > 1)
    assert tau_b(one, other) == kendalltau(one, other).statistic


def test_the_best_on_both_is_said(tmp_path):
    for seed in range(2):
        for engine in (CAFFE, TORCH):
            write(tmp_path, engine, FIX, [0.9 + seed / 100], seed)
            write(tmp_path, engine, TRI, [0.8 + seed / 100], seed)
    assert finding(tmp_path, "The best policy on caffe") == (
        "The best policy on caffe, FIX(k0=0.01), is also the best of 2 on torch."
    )


def test_one_seed_is_said_wherever_noise_is_asked_for(tmp_path):
    for engine, (fix, tri) in ((CAFFE, (0.9, 0.8)), (TORCH, (0.85, 0.95))):
        write(tmp_path, engine, FIX, [fix])
        write(tmp_path, engine, TRI, [tri])
    assert "one seed" in paragraphs(tmp_path)[3]
    assert finding(tmp_path, "best accuracy on torch") == (
        "best accuracy on torch minus on caffe: +5.00 points in the mean over 2 policies; one seed, so the noise is "
        "unknown."
    )
    assert finding(tmp_path, "The best policy on caffe").endswith(
        "ranks 2 of 2 on torch, 10.00 points behind; one seed, so the noise is unknown."
    )
    assert finding(tmp_path, "Rank correlation").endswith(": -1.00; a policy has one seed, so the noise is unknown.")


def test_a_policy_that_diverged_has_no_difference_no_regret_and_no_place_at_zero(tmp_path):
    for seed in range(2):
        write(tmp_path, CAFFE, FIX, [0.1, 0.9 + seed / 100], seed)
        write(tmp_path, TORCH, FIX, [None], seed, status="diverged")
        write(tmp_path, CAFFE, TRI, [0.1, 0.8 + seed / 100], seed)
        write(tmp_path, TORCH, TRI, [0.1, 0.85 + seed / 50], seed)
    document = json.loads(json_comparison(compared(tmp_path)))["tables"][0]
    rows = {(row["policy"], row["engine"]): row for row in document["rows"]}
    assert rows[FIX, "torch"]["best_accuracy"] == {"mean": None, "standard_deviation": None, "n": 0}
    assert (rows[FIX, "torch"]["rank"], rows[FIX, "torch"]["diverged"]) == (None, 2)
    assert rows[FIX, "torch"]["train_seconds_per_1000_iterations"]["n"] == 0
    apart = {row["policy"]: row for row in document["contrasts"][0]["differences"]}
    assert (apart[FIX]["value"], apart[FIX]["verdict"]) == (None, "diverged")
    assert document["contrasts"][0]["mean"] == pytest.approx(0.055)  # of TRI alone
    assert document["transfers"][0]["regret"] is None
    sentence = finding(tmp_path, "The best policy on caffe")
    assert sentence.endswith("diverged on torch with every seed.")
    assert document["agreements"][0]["tau"] == -1.0
    (cell,) = [line for line in paragraphs(tmp_path)[3].splitlines() if line.startswith("FIX")]
    assert "2/2 diverged" in cell


def test_some_seeds_that_diverged_rank_last_and_have_no_regret(tmp_path):
    for seed in range(2):
        for engine in (CAFFE, TORCH):
            write(tmp_path, engine, TRI, [0.8 + seed / 100], seed)
        write(tmp_path, CAFFE, FIX, [0.9], seed)
    write(tmp_path, TORCH, FIX, [0.99, None], 0, status="diverged")
    write(tmp_path, TORCH, FIX, [0.99], 1)
    assert finding(tmp_path, "The best policy on caffe").endswith(
        "ranks 2 of 2 on torch, where runs of it or of the best policy diverged."
    )


def test_what_was_not_run_or_is_under_way_on_one_engine(tmp_path):
    for seed in range(2):
        write(tmp_path, CAFFE, FIX, [0.9 + seed / 100], seed)
        write(tmp_path, CAFFE, TRI, [0.8 + seed / 100], seed)
        write(tmp_path, TORCH, TRI, [0.8 + seed / 100], seed)
    assert finding(tmp_path, "The best policy on caffe").endswith("was not run on torch.")
    write(tmp_path, TORCH, FIX, [0.99], status="running")
    assert finding(tmp_path, "The best policy on caffe").endswith("has no outcome on torch yet.")
    assert "not comparable" in paragraphs(tmp_path)[3]
    assert finding(tmp_path, "Rank correlation").endswith(
        "over 1 policy (Kendall's tau-b): unknown, because one of the rankings has no order."
    )


def test_seeds_that_one_engine_lacks_are_counted(results):
    write(results, TORCH, EXP, [0.5], 0)
    write(results, CAFFE, EXP, [0.5], 0)
    assert len(re.findall(r"50.00 \(n=1\)", paragraphs(results)[3])) == 2
    assert "over the 3 with several seeds at both" in finding(results, "best accuracy on torch")


def test_gpu_columns_appear_where_a_run_has_them(tmp_path):
    for engine, gpu in ((CAFFE, ()), (GPU, (80, 3e9))):
        folder = write(tmp_path, engine, FIX, [0.9])
        sampled(folder, (10, 100, 1e6, *gpu), (20, 100, 1e6, *((40, 2e9) if gpu else ())))
    text = "\n\n".join(paragraphs(tmp_path))
    assert re.search(r"GPU % +GPU memory", " ".join(text.split()))
    (row,) = [line for line in text.splitlines() if re.match(r" +torch  ", line)]
    assert row.split()[-2:] == ["60", "3,000"]
    (row,) = [line for line in text.splitlines() if re.search(r"^ +torch / caffe", line)]
    assert row.split()[-2:] == ["-", "-"]


def test_older_runs_without_samples_leave_columns_empty_and_say_so(results):
    for folder in results.glob("exp/*torch*"):
        (folder / "usage.jsonl").unlink()
    found = compared(results)
    assert found.notes == (
        "9 runs: usage.jsonl is missing; so CPU % and mean memory are unknown, or of the samples that are there",
    )
    assert terminal_comparison(found, 200).rstrip().endswith(found.notes[0])
    row = next(line for line in terminal_comparison(found, 200).splitlines() if line.lstrip().startswith("torch  "))
    assert row.split() == ["torch", "30.00", "14.5", "-", "-", "600"]


def test_damaged_samples_are_used_up_to_the_damage_and_named(results):
    folder = next(results.glob("exp/*torch*"))
    sampled(folder, (1, 50, 100e6))
    with (folder / "usage.jsonl").open("a") as file:
        file.write("garbage\n")
    (note,) = [note for note in compared(results).notes if note.startswith("1 run")]
    assert note.startswith("1 run: usage.jsonl:2 is no sample that follows the one before; ")


def test_what_bears_on_times_beside_the_engine_is_said(results):
    for folder in results.glob("exp/TRI-torch*"):
        (folder / "usage.jsonl").write_text('{"seconds": 1, "cpu_percent": 60, "shared": 4}\n')
    assert compared(results).notes == (
        "lenet on MNIST, batch 100, 2,000 iterations: up to 4 runs shared the processes of torch; its CPU %, GPU and "
        "memory are those of all of them, and its times are of training side by side",
        "lenet on MNIST, batch 100, 2,000 iterations: torch had a core 60 to 100 % of the time, so other work was on "
        "the machine: this affects its training seconds, and its CPU seconds less so",
    )


def test_engines_measured_on_different_machines_are_no_fair_comparison(tmp_path):
    write(tmp_path, CAFFE, FIX, [0.9])
    write(tmp_path, TORCH, FIX, [0.9], machine={**MACHINE, "cpu": "6502", "cores": 1}, threads=2)
    (table,) = compared(tmp_path).tables
    assert table.conditions == (
        "caffe 1.0.0: Z80, 2 cores, 1 thread a run",
        "torch 2.13.0: 6502, 1 cores, 2 threads a run",
        "the engines were measured under different conditions, on which times and memory depend",
    )


def test_each_workload_and_solver_has_a_table_and_what_one_engine_lacks_is_left_out(results):
    write(results, CAFFE, FIX, [0.9], solver={"type": "Adam"})
    found = compared(results)
    assert [table.label for table in found.tables] == ["lenet on MNIST, batch 100, 2,000 iterations, SGD"]
    assert found.notes == (
        "lenet on MNIST, batch 100, 2,000 iterations, Adam: left out, because only caffe has runs of it",
    )
    write(results, TORCH, FIX, [0.9], solver={"type": "Adam"})
    assert [table.label.rpartition(" ")[2] for table in compared(results).tables] == ["Adam", "SGD"]


def test_three_engines_are_each_compared_with_the_first(results):
    for seed in range(3):
        write(results, GPU, FIX, [0.91 + seed / 100], seed)
    (table,) = compared(results).tables
    assert table.values == ("caffe", "torch (device=cpu)", "torch (device=gpu)")
    assert [(each.base, each.other) for each in table.contrasts] == [("caffe", name) for name in table.values[1:]]
    assert len(table.transfers) == 6
    assert len(table.agreements) == 3
    text = terminal_comparison(compared(results))
    assert re.search(r"torch \(device=gpu\) */", text)


@pytest.mark.parametrize("width", [100, 120, 140])
def test_tables_fit_the_width(results, width):
    for seed in range(3):
        write(results, CAFFE, LONG, [0.9], seed)
        write(results, TORCH, LONG, [0.9, None], seed, status="diverged")
    assert max(map(len, terminal_comparison(compared(results), width).splitlines())) <= width


@pytest.mark.parametrize("metric", ["iterations_to_target", "train_seconds", "peak_memory_bytes", "test_loss"])
def test_other_metrics_in_their_units(results, metric):
    text = terminal_comparison(compared(results, metric), 10_000)
    assert "points" not in text
    if metric == "peak_memory_bytes":
        assert "peak memory on torch minus on caffe: +200 MB in the mean over 3 policies" in text


def test_one_engine_or_none_in_common_is_an_error_with_its_remedy(tmp_path):
    write(tmp_path, CAFFE, FIX, [0.9])
    with pytest.raises(ResultsError) as error:
        compared(tmp_path)
    assert str(error.value) == (
        "all runs are of one engine, caffe, so there is nothing to compare; run the spec with another one as well, "
        "such as with --engine torch or --engine caffe"
    )
    write(tmp_path, TORCH, FIX, [0.9], workload={**fake_runs.WORKLOAD, "batch_size": 7})
    with pytest.raises(ResultsError, match="caffe, torch have no workload in common with all else equal"):
        compared(tmp_path)


def test_text_from_files_cannot_steer_a_terminal_or_a_spreadsheet(tmp_path):
    evil = "=FIX\x1b]0;owned\x07|<img src=x>\n| 1 |"
    for engine in (CAFFE, {**TORCH, "name": "\x1b[31mtorch|", "version": "\x1b[2J"}):
        write(tmp_path, engine, evil, [0.9], machine={**MACHINE, "cpu": "\x1b[5m`x`"})
    found = compared(tmp_path)
    for text in (terminal_comparison(found), markdown_comparison(found), csv_comparison(found)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert "<img" not in markdown_comparison(found)
    assert ",'=FIX" in csv_comparison(found)


def test_no_host_is_named(results):
    found = compared(results)
    for text in (
        terminal_comparison(found),
        markdown_comparison(found),
        csv_comparison(found),
        json_comparison(found),
    ):
        assert "secret" not in text
        assert str(results) not in text


@pytest.fixture
def reaching(tmp_path):
    """On caffe both policies reach 90 % with both seeds; on torch TRI does with one, sooner than FIX with two."""
    for engine in (CAFFE, TORCH):
        for seed in range(2):
            write(tmp_path, engine, FIX, [0.1, 0.5, 0.9 + seed / 50], seed)
            missed = engine is TORCH and seed == 1
            write(tmp_path, engine, TRI, [0.1, 0.2 if missed else 0.91, 0.3 if missed else 0.92], seed)
    return tmp_path


def test_a_seed_that_misses_the_target_is_not_left_out_of_the_comparison(reaching):
    found = compared(reaching, "iterations_to_target")
    (table,) = json.loads(json_comparison(found))["tables"]
    torch = {row["policy"]: row for row in table["rows"] if row["engine"] == "torch"}
    assert {policy: row["rank"] for policy, row in torch.items()} == {FIX: 1, TRI: 2}
    assert torch[TRI]["iterations_to_target"] == {
        "mean": 500,
        "standard_deviation": None,
        "n": 1,
        "runs": 2,
        "restricted_mean": 1250,
    }
    differences = {each["policy"]: (each["value"], each["verdict"]) for each in table["contrasts"][0]["differences"]}
    assert differences == {FIX: (0, "not told apart"), TRI: (None, "missed")}  # equal, but known to 500 iterations only
    assert [(each["source"], each["regret"], each["verdict"]) for each in table["transfers"]] == [
        ("caffe", None, "missed"),
        ("torch", 500, "seeds change nothing"),
    ]
    assert "where runs of it or of the best policy missed the target" in table["transfers"][0]["sentence"]
    assert table["agreements"][0]["tau"] == -1
    assert "500 (1/2)" in terminal_comparison(found)


def test_the_column_of_the_target_says_how_many_reached_it(reaching):
    assert " 500 500 (1/2) " in " ".join(terminal_comparison(compared(reaching), width=400).split())
