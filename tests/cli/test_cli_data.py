import math
import os
import pty
import struct
import subprocess
import sys

import pytest
from command_line import typed


@pytest.fixture
def lrbench(tmp_path, monkeypatch):
    """Types the command line as a user does, with a home of its own."""
    for name in os.environ:
        if name.startswith("LRBENCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    return lambda *arguments, **variables: typed(*arguments, variables=variables)


def test_a_data_set_is_prepared_once_and_the_second_time_one_line_says_so(lrbench, tmp_path):
    folder = tmp_path / "home" / "data" / "digits"
    first = lrbench("data", "prepare", "digits")
    assert first.stdout == f"digits: 1297 training and 500 test images of 1x28x28 in {folder}\n"
    assert (first.returncode, first.stderr) == (0, "writing digits: 1797 done\n")
    second = lrbench("data", "prepare", "digits")
    assert (second.returncode, second.stdout, second.stderr) == (0, f"digits is already prepared in {folder}\n", "")


def test_the_list_says_what_is_prepared_and_what_is_damaged(lrbench, tmp_path):
    lrbench("data", "prepare", "digits")
    folder = tmp_path / "home" / "data" / "digits"
    (tmp_path / "home" / "data" / "mnist").mkdir()
    (tmp_path / "home" / "data" / "mnist" / "manifest.json").write_text("{")
    listed = lrbench("data", "list")
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[0] == ["name", "data", "set", "train", "test", "shape", "fingerprint", "folder"]
    assert rows[1][:5] == ["mnist", "damaged:", "manifest.json", "cannot", "be"]
    assert rows[2] == ["cifar10", "not", "prepared"]
    assert rows[4] == ["digits", "digits", "1297", "500", "1x28x28", "8ac521bdfff5", str(folder)]
    assert (listed.returncode, listed.stderr) == (0, "")


def test_damage_is_repaired_and_told_on_standard_error(lrbench, tmp_path):
    lrbench("data", "prepare", "digits")
    folder = tmp_path / "home" / "data" / "digits"
    os.truncate(folder / "train_lmdb" / "data.mdb", 5000)
    again = lrbench("data", "prepare", "digits")
    assert again.returncode == 0
    assert again.stderr.startswith(f"{folder}: train_lmdb/data.mdb has 5000 bytes, not ")
    assert again.stdout.startswith("digits: 1297 training")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["digit"], {}, "error: no data set is called 'digit'; did you mean digits?\n"),
        (["mnist", "--from", "/none/such"], {}, "error: /none/such: is not a folder\n"),
        (
            ["mnist"],
            {"LRBENCH_DATA": "/none/such"},
            "error: LRBENCH_DATA: /none/such is not a folder; correct or unset it\n",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(lrbench, arguments, environment, said):
    result = lrbench("data", "prepare", *arguments, **environment)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", said)


def test_a_file_that_is_cut_short_is_named_in_one_line(lrbench, tmp_path):
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(b"\x00\x00\x08\x03")
    result = lrbench("data", "prepare", "mnist", LRBENCH_DATA=str(tmp_path))
    assert result.returncode == 2
    assert result.stderr == (
        f"error: {tmp_path}/train-images-idx3-ubyte: is cut short: 4 of 47040016 bytes; copy or download it again\n"
    )


def test_altered_files_are_labelled_wherever_the_data_set_is_named(lrbench, tmp_path):
    for name, shape in (
        ("train-images-idx3", (60000, 28, 28)),
        ("train-labels-idx1", (60000,)),
        ("t10k-images-idx3", (10000, 28, 28)),
        ("t10k-labels-idx1", (10000,)),
    ):
        header = struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape)
        (tmp_path / f"{name}-ubyte").write_bytes(header + bytes(math.prod(shape)))
    refused = lrbench("data", "prepare", "mnist", "--from", tmp_path)
    label, folder = "MNIST (other pixels and labels than published)", tmp_path / "home" / "data" / "mnist"
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"--allow-altered takes them, and reports then say {label!r}\n")
    taken = lrbench("data", "prepare", "mnist", "--from", tmp_path, "--allow-altered")
    assert taken.stdout == f"{label}: 60000 training and 10000 test images of 1x28x28 in {folder}\n"
    assert label in lrbench("data", "list").stdout
    assert lrbench("data", "prepare", "mnist").stdout == (
        f"{label} is already prepared in {folder}; remove that folder to prepare it from the published files\n"
    )


def test_on_a_terminal_there_is_a_bar_and_standard_output_stays_clean(tmp_path):
    ours, theirs = pty.openpty()
    result = subprocess.run(
        [sys.executable, "-m", "lrbench", "data", "prepare", "digits"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=False,
        env=os.environ | {"LRBENCH_HOME": str(tmp_path / "home"), "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    drawn = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "writing digits" in drawn
    assert "100%" in drawn
    assert "\x1b[" in drawn
    assert result.stdout.count("\n") == 1
