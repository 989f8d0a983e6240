"""A pipe or a device under the name of a file: "not a regular file", in one line, and never waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import fake_runs

from lrbench.data.store import read_mean
from lrbench.errors import DataError, ResultsError
from lrbench.runs.directory import RunDirectory
from lrbench.runs.files import check_checksums, write_checksums
from lrbench.runs.status import Status
from lrbench.runs.usage import USAGE, read_usage
from lrbench.storage import file_sha256

FIX = "FIX(k0=0.01)"


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    """What waits for a pipe's other end fails in place of standing still for ever."""

    def fail(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "device"])
def put(request):
    """Puts something that is not a regular file in a file's place."""

    def replace(path: Path) -> Path:
        path.unlink(missing_ok=True)
        os.mkfifo(path) if request.param == "pipe" else path.symlink_to("/dev/zero")
        return path

    return replace


@pytest.mark.parametrize("name", ["run.json", "status.json", "evaluations.jsonl"])
@pytest.mark.parametrize("command", ["report", "watch", "plot", "db add"])
def test_a_file_of_a_run(lrbench, tmp_path, put, name, command):
    fake_runs.write_run(tmp_path / "results", FIX)
    put(fake_runs.write_run(tmp_path / "results", "FIX(k0=0.1)", run_id="odd", status="running") / name)
    options = {
        "watch": ["--once"],
        "plot": ["--what", "rates", "-o", tmp_path / "x.svg"],
        "db add": ["--db", tmp_path / "x.sqlite"],
    }
    code, _, err = lrbench(*command.split(), *options.get(command, []), tmp_path / "results")
    assert code == 0
    if command != "watch" or name == "status.json":  # of a run that nobody holds the others are not looked at
        assert f"left out: {tmp_path}/results/exp/odd: {name} cannot be read: not a regular file\n" in err


@pytest.mark.parametrize("name", ["run.json", "status.json", "evaluations.jsonl"])
def test_a_run_is_not_begun_over_it(tmp_path, put, name):
    directory = RunDirectory(fake_runs.write_run(tmp_path, FIX))
    put(directory.path / name)
    with pytest.raises(ResultsError, match=f"{name}: is not a regular file; remove it"), directory.locked():
        pass
    assert directory.status() == (Status("pending") if name == "status.json" else Status("finished", 2000))


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "FILE"),
        ("serve", "FILE"),
        ("plot", "FILE", "-o", "x.svg"),
        ("run", "FILE"),
        ("tune", "FILE"),
        ("compose", "FILE"),
        ("range", "FILE"),
        ("verify", "FILE", "--policy", FIX),
        ("import", "FILE"),
        ("init", "--net", "./FILE", "--dataset", "digits", "-o", "x.yaml"),
        ("db", "import", "FILE"),
        ("db", "list", "--db", "FILE"),
        ("export", FIX, "--to", "caffe", "-o", "FILE"),
    ],
)
def test_a_file_that_is_named(lrbench, tmp_path, monkeypatch, put, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    put(tmp_path / "FILE")
    code, out, err = lrbench(*arguments)
    assert (code, out) == (2, "")
    assert "not a regular file" in err
    assert err.count("\n") == 1


def test_the_journal_of_a_study(lrbench, tmp_path, put):
    from lrbench.errors import SpecError
    from lrbench.spec.search_settings import SearchSettings
    from lrbench.tuning.study import open_study

    path = put(tmp_path / "study.journal")
    with pytest.raises(SpecError, match=r"study\.journal: cannot be opened: .*not a regular file"):
        open_study(str(path), "x", SearchSettings(), {}, 1)


def test_files_inside_snapshots_and_data(tmp_path, put):
    (tmp_path / "net.caffemodel").write_bytes(b"weights")
    write_checksums(tmp_path)
    put(tmp_path / "net.caffemodel")
    with pytest.raises(OSError, match="not a regular file"):
        check_checksums(tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        file_sha256(tmp_path / "net.caffemodel")
    with pytest.raises(DataError, match="not a regular file"):
        read_mean(put(tmp_path / "mean.binaryproto"))
    assert read_usage(put(tmp_path / USAGE)) == ([], "usage.jsonl cannot be read: not a regular file")
