"""Every format is written from the same rows: read back, they say the same of every policy."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from factories import fake_runs
from factories.made_up_reports import POLICIES, made_up_reports, report_of, run_row
from hypothesis import given
from property_settings import examples
from report.report_readers import Grid, latex_tables, markdown_tables, terminal_tables
from shown import (
    csv_comparison,
    csv_report,
    json_comparison,
    json_report,
    latex_comparison,
    latex_report,
    markdown_comparison,
    markdown_report,
    terminal_comparison,
    terminal_report,
)

from lrbench.metrics.equal_seeds import is_clock
from lrbench.metrics.registry import METRICS
from lrbench.report.build import Report
from lrbench.report.comparison.axes import AXES
from lrbench.report.comparison.build import compare

WIDE = 3000
UNDER_WAY = ("running", "pending", "cut off")

TEXTS: Mapping[str, Callable[[Report], list[Grid]]] = {
    "table": lambda report: terminal_tables(terminal_report(report, WIDE)),
    "markdown": lambda report: markdown_tables(markdown_report(report)),
    "latex": lambda report: latex_tables(latex_report(report)),
}
"""What reads a format for people back; a further one is a line here."""


def from_json(report: Report) -> list[dict[str, Any]]:
    """The policies of the JSON."""
    policies: list[dict[str, Any]] = json.loads(json_report(report))["policies"]
    return policies


def from_csv(report: Report) -> list[dict[str, Any]]:
    """The lines of the CSV, put as the JSON puts them."""
    found = []
    for line in csv.DictReader(io.StringIO(csv_report(report))):
        row: dict[str, Any] = {name: line[name].removeprefix("'") for name in ("policy", "solver", "workload")}
        whole = ("rank", "rank_from", "rank_to", "seeds_to_tell", "runs", "diverged")
        row |= {name: int(line[name]) if line[name] else None for name in whole}
        row |= {name: line[name] or None for name in ("against_the_best", "group", "test")}
        row |= {name: _float(line[name]) for name in ("p_value", "smallest_difference")}
        row["statuses"] = {
            name.replace("_", " "): int(line[name])
            for name in ("finished", "stopped", "diverged", "running", "pending", "cut_off", "failed")
        }
        row |= {name: line[name] == "true" for name in ("provisional", "seeds_change_nothing")}
        for name in METRICS:
            if f"{name}_mean" in line:
                row[name] = {
                    "mean": _float(line[f"{name}_mean"]),
                    "n": int(line[f"{name}_n"]),
                    "standard_deviation": _float(line[f"{name}_standard_deviation"]),
                }
            if f"{name}_runs" in line:
                row[name] |= {
                    "runs": int(line[f"{name}_runs"]),
                    "restricted_mean": _float(line[f"{name}_restricted_mean"]),
                }
        found.append(row)
    return found


def _float(text: str) -> float | None:
    return float(text) if text else None


PROGRAMS: Mapping[str, Callable[[Report], list[dict[str, Any]]]] = {"json": from_json, "csv": from_csv}


def expected(row: dict[str, Any], report: Report) -> dict[str, str]:
    """What a table is to say of a policy, from the numbers in a format for programs."""
    metric = report.metric
    soon = "iterations_to_best" if report.workloads[0].target is None else "iterations_to_target"
    heads = {"best_accuracy": "best %", "final_accuracy": "final %", soon: METRICS[soon].title}
    further = {head: _alone(row, name) for name, head in heads.items() if name != metric.name}
    unit = {"fraction": " %", "seconds": " s"}.get(metric.unit, "")
    return {
        "#": _rank(row),
        metric.title + unit: _mean(row, metric.name),
        **({} if report.workloads[0].tests is None else {"group": row["group"] or "-"}),
        "runs": _runs(row, metric.name),
        "vs. best": _against(row, metric.name),
        **further,
    }


def _rank(row: dict[str, Any]) -> str:
    if row["rank"] is None or row["rank_from"] is None:
        return str(row["rank"] or "-")
    low, high = row["rank_from"], row["rank_to"]
    return f"{low}" if low == high else f"{low}-{high}"


def _number(value: float, name: str) -> str:
    unit = METRICS[name].unit
    if unit == "fraction":
        return f"{value * 100:.2f}"
    return {"iterations": f"{value:,.0f}", "seconds": f"{value:,.1f}"}.get(unit, f"{value:.4f}")


def _mean(row: dict[str, Any], name: str) -> str:
    found = row[name]
    if found["mean"] is None:
        return "-"
    deviation = found["standard_deviation"]
    spread = "" if deviation is None else f" ± {_number(deviation, name)}"
    return _number(found["mean"], name) + spread + _missed(found)


def _missed(found: dict[str, Any]) -> str:
    return f" ({found['n']}/{found['runs']})" if found.get("runs", found["n"]) > found["n"] else ""


def _alone(row: dict[str, Any], name: str) -> str:
    found = row[name]
    if found["mean"] is None:
        return "-"
    counted = [status for status in row["statuses"] if (status in UNDER_WAY) == row["provisional"]]
    total = sum(row["statuses"][status] for status in counted if status != "failed")
    if row["seeds_change_nothing"] and not is_clock(METRICS[name]):
        total = 1
    some = f" (n={found['n']})" if found["n"] < total else ""
    return _number(found["mean"], name) + (_missed(found) or some)


def _runs(row: dict[str, Any], name: str) -> str:
    n, total = row[name]["n"], row["runs"]
    others = [f"{count} {status}" for status, count in row["statuses"].items() if count and status != "finished"]
    equal = bool(n) and row["seeds_change_nothing"] and not is_clock(METRICS[name])
    notes = "; ".join(filter(None, [", ".join(others), "seeds change nothing" if equal else ""]))
    return (f"{n}" if n == total else f"{total}" if equal else f"{n}/{total}") + (f" ({notes})" if notes else "")


def _against(row: dict[str, Any], name: str) -> str:
    verdict, p = row["against_the_best"], row["p_value"]
    if verdict == "missed":
        found = row[name]
        return f"{found['runs'] - found['n']} of {found['runs']} missed the target"
    if verdict == "diverged":
        return f"{row['diverged']} of {row['runs']} diverged"
    shown = "not significant" if verdict == "not told apart" else verdict or ""
    if p is not None:
        return f"{shown}, p<0.001" if p < 0.001 else f"{shown}, p={p:.2g}"
    return shown


def names(rows: list[dict[str, Any]]) -> list[str]:
    """The policies, and their solvers where there are several."""
    several = len({row["solver"] for row in rows}) > 1
    return [", ".join([row["policy"], row["solver"]] if several else [row["policy"]]) for row in rows]


@examples(60)
@given(report=made_up_reports())
def test_every_format_says_the_same_of_every_policy_in_the_same_order(report):
    rows = from_json(report)
    assert [row["rank"] for row in rows] == sorted((row["rank"] for row in rows), key=lambda rank: rank or 99)
    for form, read in PROGRAMS.items():
        assert names(read(report)) == names(rows), form
        assert [expected(row, report) for row in read(report)] == [expected(row, report) for row in rows], form
    for form, grids in TEXTS.items():
        head, lines = grids(report)[0]
        shown = [dict(zip(head, line, strict=True)) for line in lines]
        assert [_named(line) for line in shown] == names(rows), form
        for line, row in zip(shown, rows, strict=True):
            assert expected(row, report).items() <= line.items(), form
            assert len(line) == len(expected(row, report)) + 1 + ("solver" in line), form


def _named(line: dict[str, str]) -> str:
    return ", ".join(line[name] for name in ("policy", "solver") if name in line)


@examples(30)
@given(report=made_up_reports())
def test_csv_and_json_have_the_same_numbers(report):
    for mine, other in zip(from_csv(report), from_json(report), strict=True):
        assert mine == {name: other[name] for name in mine}


@examples(30)
@given(report=made_up_reports())
def test_the_best_and_worst_of_each_function_agree(report):
    first, *others = [_functions(read(report)) for read in TEXTS.values()]
    assert all(grids == first for grids in others)


def _functions(grids: list[Grid]) -> list[Grid]:
    """The tables of functions; the solver stands below the policy in a terminal, and behind it elsewhere."""
    found = [(head, rows) for head, rows in grids if head[0] == "function"]
    return [
        (head, tuple(tuple(re.sub(",? (SGD|Adam)$", r" \1", cell) for cell in row) for row in rows))
        for head, rows in found
    ]


def robust_runs():
    """Three seeds at three scales, of which one diverges."""
    return [
        run_row(
            policy,
            [0.1, 0.9 - scale / 100 + seed / 50],
            seed=seed,
            lr_scale=scale,
            scales=(0.1, 10.0),
            status="diverged" if scale == 10.0 and seed else "finished",
        )
        for policy in POLICIES
        for scale in (0.1, 1.0, 10.0)
        for seed in range(3)
    ]


def test_robustness_agrees():
    report = report_of(robust_runs())
    grids = {form: read(report)[-1] for form, read in TEXTS.items()}
    assert grids["table"][0] == ("policy", "spread", "x0.1", "x1", "x10")
    assert grids["table"] == grids["markdown"] == grids["latex"]
    shown = {row[0]: row[2] for row in grids["latex"][1]}
    for row in from_json(report):
        assert shown[row["policy"]] == f"{100 * row['best_accuracy_by_lr_scale'][0]['best_accuracy']:.2f}"


def many_runs(key, values):
    """Each policy three times with each value of run.json's key; the last diverges once."""
    return [
        run_row(
            policy,
            [0.1, 0.9 - place / 40 + seed / 90 + number / 70],
            seed=seed,
            **{key: value},
            target=0.85,
            status="diverged" if place == len(POLICIES) - 1 and seed == 2 else "finished",
        )
        for place, policy in enumerate(POLICIES)
        for number, value in enumerate(values)
        for seed in range(3)
    ]


def test_solvers_side_by_side_agree():
    found = compare(report_of(many_runs("solver", [{"type": "SGD"}, {"type": "Adam"}])), AXES["solver"])
    tables = terminal_tables(terminal_comparison(found, WIDE))
    assert tables == markdown_tables(markdown_comparison(found))
    halves = latex_tables(latex_comparison(found))  # each table in two, as a page is narrower
    assert [_side_by_side(*halves[:2]), _side_by_side(*halves[2:])] == tables
    values = {line[0]: line[1] for line in tables[0][1]}
    rows = json.loads(json_comparison(found))["tables"][0]["rows"]
    assert len(rows) == 2 * len(POLICIES)
    for row in rows:
        if row["solver"] == "SGD":
            assert values[row["policy"]].startswith(_mean(row, "best_accuracy"))
    lines = list(csv.DictReader(io.StringIO(csv_comparison(found))))
    assert [(line["policy"], line["solver"]) for line in lines] == [(row["policy"], row["solver"]) for row in rows]


def test_engines_side_by_side_agree():
    engines = [fake_runs.ENGINE, {**fake_runs.ENGINE, "name": "torch"}]
    found = compare(report_of(many_runs("engine", engines)), AXES["engine"])
    tables = terminal_tables(terminal_comparison(found, WIDE))
    assert tables == markdown_tables(markdown_comparison(found))
    *halves, costs = latex_tables(latex_comparison(found))  # the others in two, as a page is narrower
    assert [_side_by_side(*halves[:2]), _side_by_side(*halves[2:]), costs] == tables
    values = {line[0]: line[1:3] for line in tables[0][1]}
    for row in json.loads(json_comparison(found))["tables"][0]["rows"]:
        assert values[row["policy"]][row["engine"] == "torch"].startswith(_mean(row, "best_accuracy"))


def _side_by_side(left: Grid, right: Grid) -> Grid:
    rows = tuple((*one, *other[1:]) for one, other in zip(left[1], right[1], strict=True))
    return (*left[0], *right[0][1:]), rows


@pytest.mark.parametrize("form", TEXTS)
def test_the_reader_of_a_format_finds_a_difference(form):
    one = report_of([run_row("FIX(k0=0.01)", [0.1, 0.9]), run_row("FIX(k0=1)", [0.1, 0.8])])
    other = report_of([run_row("FIX(k0=0.01)", [0.1, 0.9]), run_row("FIX(k0=1)", [0.1, 0.8001])])
    assert TEXTS[form](one) != TEXTS[form](other)
