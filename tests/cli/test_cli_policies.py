"""``lrbench policies``: exact output, exit code, one line for each error."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import refusal

from lrbench.policies import functions

TRI = "TRI(k0=0.01, k1=0.06, l=2000)"


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lrbench(lrbench: Command) -> Command:
    """Runs ``lrbench policies ...``: exit code, standard output and standard error."""
    return functools.partial(lrbench, "policies")


def test_a_process_of_its_own_says_the_same() -> None:
    command = [sys.executable, "-m", "lrbench", "policies", "eval", "FIX(k0=0.5)", "--at"]
    good = subprocess.run([*command, "0,9", "--format", "json"], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout, good.stderr) == (0, "[0.5, 0.5]\n", "")
    bad = subprocess.run([*command, "x"], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)


def test_eval_prints_a_json_array(lrbench: Command) -> None:
    code, out, err = lrbench("eval", TRI, "--at", "0,500,1000", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out) == pytest.approx([0.01, 0.0225, 0.035], rel=1e-12)
    assert out.count("\n") == 1


def test_eval_prints_a_table_and_csv(lrbench: Command) -> None:
    table = "  t  learning rate\n---  ---------------\n  0  0.5\n 50  0.25\n100  0.0\n"
    assert lrbench("eval", "LINEAR(k0=0.5)", "--at", "0,50,100", "--iterations", "100") == (0, table, "")
    csv = "t,learning_rate\n0,0.5\n50,0.25\n"
    arguments = ("eval", "LINEAR(k0=0.5)", "--at", "0,50", "--iterations", "100", "--format", "csv")
    assert lrbench(*arguments) == (0, csv, "")


def test_eval_prints_the_digits_that_a_rate_has(lrbench: Command) -> None:
    shown = lrbench("eval", "TRI(k0=0.01, k1=0.06, l=2000)", "--at", "1000")[1]
    assert shown.splitlines()[-1].split() == ["1000", "0.035"]  # float64 has 0.034999999999999996


def test_eval_without_iterations_takes_the_highest_t_and_one_more(lrbench: Command) -> None:
    assert lrbench("eval", "POLY(k0=8, p=1)", "--at", "0,4,7", "--format", "json") == (0, "[8.0, 4.0, 1.0]\n", "")


def test_eval_takes_ranges(lrbench: Command) -> None:
    arguments = ("eval", "LINEAR(k0=10, l=10)", "--at", "9, 0:6:2,3:5", "--format", "json")
    assert lrbench(*arguments) == (0, "[1.0, 10.0, 8.0, 6.0, 7.0, 6.0]\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FIX(k0=1)", "--at", "-1"), '--at: "-1" is not an iteration; give whole numbers from 0 up'),
        (("FIX(k0=1)", "--at", "1.5"), '--at: "1.5" is not an iteration;'),
        (("FIX(k0=1)", "--at", "x"), '--at: "x" is not an iteration;'),
        (("FIX(k0=1)", "--at", "1,,2"), '--at: "" is not an iteration;'),
        (("FIX(k0=1)", "--at", "1:2:3:4"), '--at: "1:2:3:4" is not an iteration;'),
        (("FIX(k0=1)", "--at", "9" * 16), "is not an iteration; give whole numbers from 0 up, of at most 15 digits"),
        (("FIX(k0=1)", "--at", "9" * 400), "is not an iteration;"),
        (("FIX(k0=1)", "--at", "0:5:0"), '--at: the step of "0:5:0" is 0;'),
        (("FIX(k0=1)", "--at", "5:5"), '--at: "5:5" names no iteration;'),
        (("FIX(k0=1)", "--at", "0:999999999999"), "--at: names more than 1000000 iterations;"),
        (("FIX(k0=-1)", "--at", "0"), "FIX: k0 is -1, but must be a finite number of at least 0; for example"),
        (("TRI(k0=1, k1=2)", "--at", "0"), "TRI: the parameter l is missing (half a cycle, in iterations); for"),
        (("__import__('os')", "--at", "0"), 'policy "__import__(\'os\')": "\'" at character 12 does not belong'),
        (("POLY(k0=1, p=1, l=5)", "--at", "6"), "POLY: the rate at t = 6 is -0.2"),
        (("POLY(k0=1, p=1, l=5)", "--at", "0", "--iterations", "10"), "POLY: the rate at t = 6 is -0.2"),
        (("WARMUP(policy=FIX(k0=1), l=5)", "--at", "0", "--iterations", "5"), "WARMUP: l is 5, but must be below"),
        (
            ("SCALE(factor=2, policy=PLATEAU(k0=1))", "--at", "0", "--iterations", "5"),
            "depend on the evaluations of a run; train with it: each evaluation has the learning_rate that was used",
        ),
    ],
)
def test_eval_refuses_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert message in refusal("policies", "eval", *arguments)


def test_list_shows_every_function(lrbench: Command) -> None:
    code, out, err = lrbench("list")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split("  ")[0] == "name"
    assert [line.split()[0] for line in lines[2:] if not line.startswith(" ")] == [row.name for row in functions()]
    assert "STEP         k0, gamma, l            k0 gamma^floor(t / l)" in out
    assert "POLY         k0, p, [l]" in out
    assert max(map(len, lines)) <= 150


def test_list_as_json_has_every_parameter(lrbench: Command) -> None:
    code, out, err = lrbench("list", "--format", "json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert (code, err) == (0, "")
    assert list(rows) == [row.name for row in functions()]
    assert rows["POLY"] == {
        "name": "POLY",
        "parameters": [
            {
                "name": "k0",
                "meaning": "the rate at t = 0",
                "rule": "a finite number of at least 0",
                "default": "required",
            },
            {"name": "p", "meaning": "the power", "rule": "a finite number of at least 0", "default": "required"},
            {
                "name": "l",
                "meaning": "iterations to the end of the decay",
                "rule": "a finite number above 0",
                "default": "the run's iterations",
            },
        ],
        "formula": "k0 (1 - t / l)^p",
        "summary": "falls as a polynomial that reaches 0 at t = l; l is the run's iterations unless given",
        "source": 'Wu et al., "Demystifying Learning Rate Policies", IEEE BigData 2019, arXiv:1908.06477',
        "example": "POLY(k0=0.01, p=1.2)",
    }


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_plot_writes_what_its_suffix_says(lrbench: Command, tmp_path: Path, suffix: str, begins: bytes) -> None:
    path = tmp_path / f"lr{suffix}"
    code, out, err = lrbench("plot", TRI, "COS2(k0=0.01, k1=0.06, l=300)", "--iterations", "1000", "-o", str(path))
    assert (code, out, err) == (0, "", f"wrote {path}\n")
    assert path.read_bytes().startswith(begins)


def test_plot_refuses_in_one_line_and_writes_nothing(lrbench: Command, tmp_path: Path) -> None:
    for name, text, message in (
        ("lr.gif", TRI, 'lr.gif: the suffix is ".gif"; use .png, .svg, .pdf'),
        ("lr", TRI, 'lr: the suffix is ""; use .png, .svg, .pdf'),
        ("lr.png", "SWITCH(policies=[FIX(k0=1), FIX(k0=2)])", "depend on the evaluations of a run"),
        ("none/lr.png", TRI, "/none; create it, or change -o"),
        ("lr.png", "POLY(k0=1, p=1, l=5)", "POLY: the rate at t = 6 is -0.2"),
        ("lr.png", "TRY()", 'unknown LR function "TRY"'),
    ):
        code, out, err = lrbench("plot", text, "--iterations", "100", "-o", str(tmp_path / name))
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_plot_to_a_folder_is_refused(lrbench: Command, tmp_path: Path) -> None:
    (tmp_path / "lr.png").mkdir()
    code, _, err = lrbench("plot", TRI, "--iterations", "100", "-o", str(tmp_path / "lr.png"))
    assert code == 2
    assert err == f"error: {tmp_path}/lr.png: is not a regular file; give -o the name of a file to write\n"
