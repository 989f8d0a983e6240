"""Text of a results folder that could steer a terminal is printed by no command, in no format, on neither stream."""

from __future__ import annotations

import json
import unicodedata
from itertools import product

import pytest
from factories import fake_runs

from lrbench.errors import printable_json
from lrbench.report.render import formats

EVIL = "\x1b[31m\x07\x7f\x9b2J\x9d\u202e\u200b\U000e0041\ue000"
FIX = "FIX(k0=0.01)"


def evil(value):
    """The same with control characters at the end of every text and key."""
    if isinstance(value, dict):
        return {name + EVIL if name not in KNOWN else name: evil(each) for name, each in value.items()}
    return value + EVIL if isinstance(value, str) else value


KNOWN = {"name", "type", "label", "sha256", "iterations", "momentum", "batch_size", "test_interval"}


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    for number, (engine, solver, seed) in enumerate(product(("e0", "e1"), ("SGD", "Adam"), (0, 1))):
        fake_runs.write_run(
            folder,
            f"{FIX}{EVIL}",
            [0.1, 0.9],
            run_id=f"run{number}",
            function=f"FIX{EVIL}",
            seed=seed,
            solver=evil({**fake_runs.SOLVER, "type": solver}),
            workload=evil(fake_runs.WORKLOAD),
            engine=evil({**fake_runs.ENGINE, "name": engine}),
            status="stopped",
            reason=f"because{EVIL}",
            machine=evil({"cores": 2, "name": "x"}),
        )
        described = json.loads((folder / f"exp/run{number}/run.json").read_text())
        described |= {"run_id": f"run{number}{EVIL}", "experiment": f"exp{EVIL}", f"more{EVIL}": f"x{EVIL}"}
        (folder / f"exp/run{number}/run.json").write_text(json.dumps(described))
    (fake_runs.write_run(folder, FIX, run_id="broken") / "status.json").write_text(json.dumps({"status": EVIL}))
    return folder


def unsafe(text, also=""):
    return {
        character for character in text if unicodedata.category(character)[0] == "C" and character not in f"\n{also}"
    }


@pytest.mark.parametrize("by", [(), ("--by", "engine"), ("--by", "solver")])
@pytest.mark.parametrize("kind", formats())
def test_reports(lrbench, results, by, kind):
    code, out, err = lrbench("report", results, "--format", kind, *by)
    assert (code, bool(out)) == (0, True)
    assert unsafe(err) == set()
    if kind == "html":  # the library of the charts has some of its own
        assert not any(character in out for character in "\x1b\x07\x7f\x9b\x9d\U000e0041")
    else:
        assert unsafe(out, "\r" if kind == "csv" else "") == set()
    if kind == "json":
        assert r"\u009b2J" in out  # nothing is left out of the data


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--format", "json"),
        ("list", "--format", "csv"),
        ("list", "--format", "markdown"),
        ("export",),
        ("show",),
    ],
)
def test_the_database(lrbench, results, tmp_path, arguments):
    place = ("--db", tmp_path / "x.sqlite")
    code, out, err = lrbench("db", "add", results, *place, "--note", f"note{EVIL}")
    assert unsafe(out + err) == set()
    _, listed, _ = lrbench("db", "list", "--format", "json", *place)
    for entry in json.loads(listed)[:3]:
        more = (entry["id"],) if arguments == ("show",) else ()
        for form in ((), ("--format", "json")) if more else ((),):
            code, out, err = lrbench("db", *arguments, *more, *form, *place)
            assert code == 0
            assert unsafe(out + err) == set()


def test_watch(lrbench, results):
    status = {"status": "running", "reason": None, "iteration": 0}
    (results / "exp/run2/status.json").write_text(json.dumps(status))
    with fake_runs.held(results / "exp/run2"):
        code, out, err = lrbench("watch", "--once", results)
    assert code == 0
    assert out
    assert unsafe(out + err) == set()


def test_json_stays_what_it_says():
    document = {f"a{EVIL}\n": ["naïve ± 学习率 😀", "\ud7ff", EVIL]}
    content = json.dumps(document, ensure_ascii=False).encode()
    assert json.loads(printable_json(content)) == document
    assert unsafe(printable_json(content).decode()) == set()
    assert "naïve ± 学习率 😀" in printable_json(content).decode()
