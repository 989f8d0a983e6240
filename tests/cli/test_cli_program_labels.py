"""Labels of programs in every table: their declarations, and the data that they are judged on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from factories.fake_programs import OWN, write_program_run

import lrbench as lrbench_package
from lrbench.report.active_runs import active_runs
from lrbench.report.load import load, read_report
from lrbench.report.page.document import page_document

FIX, TRI = "FIX(k0=0.01)", "TRI(k0=0.01, k1=0.06, l=2000)"
TABLES = ["terminal", "markdown", "latex", "csv", "json", "html"]
TAKES_NO_SPLIT = (
    "program train.py takes no split: policies are chosen and judged on its test set, which flatters the best"
)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def shown(lrbench, results, form, *words):
    """All that a report says: on both streams, and in the page."""
    page = results.parent / "page.html"
    where = [] if form == "terminal" else ["--format", form, *(["-o", page] if form == "html" else [])]
    code, out, err = lrbench("report", results, *words, *where)
    assert code == 0
    text = (page.read_text().partition('id="data">')[2].partition("</script>")[0] if form == "html" else out) + err
    return " ".join(text.replace("\\", "").split())


def write(results, **settings):
    for policy, level in ((FIX, 1.0), (TRI, 0.5)):
        for seed in (0, 1):
            values = [level + 0.1, level + seed / 100]
            write_program_run(results, policy, {"test_loss": values}, seed=seed, **settings)


@pytest.mark.parametrize("form", TABLES)
def test_every_table_names_what_the_program_declares_and_speaks_of_no_net_or_solver(lrbench, tmp_path, form):
    write(tmp_path / "r", program="train.py:training")
    text = shown(lrbench, tmp_path / "r", form)
    assert "train.py:training on its own data, 2,000 iterations" in text
    assert "rogram train.py:training: optimizer AdamW, data Digits (1,000 samples)" in text
    assert "lenet" not in text.lower()
    assert " net " not in text


@pytest.mark.parametrize("form", TABLES)
def test_every_table_says_what_is_not_declared_and_that_the_test_set_was_chosen_on(lrbench, tmp_path, form):
    write(tmp_path / "r", facts={"split_used": False})
    text = shown(lrbench, tmp_path / "r", form)
    assert "train.py: optimizer not declared, data not declared" in text
    assert TAKES_NO_SPLIT[1:] in text


def test_a_program_that_takes_the_split_is_not_said_to_be_chosen_on_its_test_set(lrbench, tmp_path):
    write(tmp_path / "r")
    assert "takes no split" not in shown(lrbench, tmp_path / "r", "terminal")


def test_a_run_that_is_not_evaluated_yet_is_not_said_to_declare_nothing(lrbench, tmp_path):
    write(tmp_path / "r", facts={})
    assert "declared" not in shown(lrbench, tmp_path / "r", "terminal")


def test_arguments_stand_where_nets_have_solvers(lrbench, tmp_path):
    for width in (64, 128):
        optimizer = "SGD" if width == 64 else "AdamW"
        write(tmp_path / "r", arguments={"width": width}, facts={**OWN, "optimizer": optimizer})
    text = shown(lrbench, tmp_path / "r", "terminal")
    assert "solver" not in text
    assert " arguments " in text
    assert " width=64 " in text
    assert "train.py (width=64): optimizer SGD, data Digits (1,000 samples)" in text
    assert "train.py (width=128): optimizer AdamW, data Digits (1,000 samples)" in text
    compared = shown(lrbench, tmp_path / "r", "terminal", "--by", "arguments")
    assert compared == shown(lrbench, tmp_path / "r", "terminal", "--by", "solver")
    assert "policies x sets of arguments" in compared
    assert "train.py (width=64): optimizer SGD" in compared
    records = json.loads(lrbench("report", tmp_path / "r", "--format", "json")[1])["policies"]
    assert {record["solver"] for record in records} == {"width=64", "width=128"}


def test_batch_sizes_are_compared_where_they_are_an_argument_of_the_program(lrbench, tmp_path):
    for size in (32, 128):
        write(tmp_path / "r", arguments={"batch_size": size, "width": 8})
    text = shown(lrbench, tmp_path / "r", "markdown", "--by", "batch_size")
    assert "train.py on its own data, 2,000 iterations, width=8: policies x batch sizes" in text
    assert "| policy | 32 | 128 | 128 - 32 |" in text
    assert "None" not in text
    write(tmp_path / "s", arguments={"width": 8})
    code, _, err = lrbench("report", tmp_path / "s", "--by", "batch_size")
    assert code == 2
    assert err.startswith(
        "error: all runs are of one batch size, not an argument of the program, so there is nothing to"
    )


def test_runs_of_the_page_the_frames_and_watch_have_the_declared_optimizer(tmp_path):
    pytest.importorskip("pandas")
    write(tmp_path / "r", arguments={"width": 64}, status="running")
    (tmp_path / "s").mkdir()
    write(tmp_path / "s", facts={"split_used": True})
    found = lrbench_package.Results(tmp_path / "r")
    assert set(found.runs["solver"]) == {"AdamW"}
    assert set(lrbench_package.Results(tmp_path / "s").runs["solver"]) == {"optimizer not declared"}
    assert set(found.runs["net"]) == {"train.py"}
    rows = load([tmp_path / "r"]).runs
    names = [run.name for run in active_runs([replace(row, status="running") for row in rows])]
    assert names[0].endswith(", AdamW, width=64, seed 0")


def test_the_page_names_the_optimizer_of_each_run_and_puts_a_validation_part_last(tmp_path):
    write(tmp_path / "r", arguments={"width": 64})
    write(tmp_path / "r", split="validation")
    page = page_document(read_report([tmp_path / "r"]), datetime(2026, 1, 1))
    assert {run["solver"] for run in page["runs"]} == {"AdamW, width=64", "AdamW"}
    assert [(one["label"], one["order"][1], one["solver"]) for one in page["workloads"]] == [
        ("train.py on its own data (validation split), 2,000 iterations", 1, "optimizer"),
        ("train.py on its own data, 2,000 iterations", 0, "optimizer"),
    ]
