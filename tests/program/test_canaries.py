"""Nothing that a spec, a result, a database or a snapshot names is executed unless it was typed."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from factories.script_folder import PLAIN, Folder

CANARY = "open('executed', 'w').close()\n"
SEED = ("--set", "seeds=[0]")
SAVING = PLAIN.replace(
    "run = lrbench.attach(",
    "import pickle\n"
    "def save(folder): pickle.dump(weight, open(folder + '/s.pkl', 'wb'))\n"
    "def restore(folder):\n"
    "    global weight\n"
    "    weight = pickle.load(open(folder + '/s.pkl', 'rb'))\n"
    "run = lrbench.attach(save=save, restore=restore, ",
)
TRAINING = """
import lrbench.torch
import torch


def training(seed):
    torch.manual_seed(seed)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = [(torch.ones(4, 2), torch.ones(4, 1))]
    return lrbench.torch.Training(
        model, optimizer, batches=data, loss=torch.nn.functional.mse_loss, evaluate_on=data
    )
"""


class Bomb:
    """Executes when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a program, which is another by now: a canary."""
    folder = Folder(tmp_path_factory.mktemp("trained"))
    folder.write("train.py", SAVING)
    assert folder.train(*SEED).returncode == 0, folder.statuses()
    folder.write("train.py", CANARY + SAVING)
    folder.write("other.py", PLAIN)
    return folder.path


@pytest.fixture
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A copy of it, with a policy database of its own."""
    shutil.copytree(trained, tmp_path / "work")
    monkeypatch.setenv("LRBENCH_DB", str(tmp_path / "policies.sqlite"))
    folder = Folder(tmp_path / "work")
    for name in ("train.py", "train.yaml"):
        shutil.copy(trained / name, folder.path / name)
    return folder


def executed(folder: Folder) -> bool:
    return bool(list(folder.path.rglob("executed")))


COMMANDS = {
    "report": ("report", "results"),
    "report as a page": ("report", "results", "--format", "html", "-o", "page.html"),
    "plot": ("plot", "results", "--what", "loss", "-o", "figure.svg"),
    "watch": ("watch", "results", "--once"),
    "db add": ("db", "add", "results"),
    "export": ("export", "COSDECAY(k0=0.1)", "--to", "torch", "--iterations", "12"),
    "run without consent": ("run", "train.yaml"),
    "dry run": ("run", "train.yaml", "--dry-run"),
    "dry run with consent": ("run", "train.yaml", "--dry-run", "--program"),
    "dry run of tune": ("tune", "train.yaml", "--dry-run"),
    "dry run of range": ("range", "train.yaml", "--dry-run", "--program"),
    "dry run of compose": ("compose", "train.yaml", "--dry-run", "--program"),
    "dry run of verify": ("verify", "train.yaml", "--dry-run", "--target", "test_loss=0.1", "--program"),
    "tune without consent": ("tune", "train.yaml"),
    "range without consent": ("range", "train.yaml"),
    "compose without consent": ("compose", "train.yaml"),
    "verify without consent": ("verify", "train.yaml"),
    "consent to another file": ("run", "train.yaml", "--program", "other.py"),
}
REFUSED = {name for name in COMMANDS if "without" in name or "another" in name}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_executes_no_program_that_was_not_typed(folder, name):
    done = folder.lrbench(*COMMANDS[name])
    assert not executed(folder)
    assert done.returncode == (2 if name in REFUSED else 0), done.stderr


def test_recommend_and_the_list_of_the_database_execute_nothing(folder):
    assert folder.lrbench("db", "add", "results").returncode == 0
    for words in (("db", "list"), ("recommend", "train.yaml")):
        done = folder.lrbench(*words)
        assert done.returncode == 0, done.stderr
    assert not executed(folder)


def test_a_first_spec_of_another_program_executes_that_one_alone(folder):
    done = folder.lrbench("init", "other.py", "--yes", "-o", "other.yaml")
    assert done.returncode == 0, done.stderr
    assert not executed(folder)


def test_the_server_executes_nothing(folder):
    command = folder.command("serve", "results", "--port", "0")
    pipe, merged = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, cwd=folder.path, stdout=pipe, stderr=merged, text=True) as server:
        assert server.stdout is not None
        try:
            (address,) = re.findall(r"http://\S+", server.stdout.readline())
            with urllib.request.urlopen(address) as page:
                assert page.status == 200
        finally:
            server.terminate()
    assert not executed(folder)


@pytest.mark.parametrize("named", ["../outside/train.py", "linked.py", "linked/train.py"])
def test_a_spec_reaches_no_file_outside_its_folder_by_itself(folder, named):
    outside = folder.write("../outside/train.py", CANARY + PLAIN)
    (folder.path / "linked.py").symlink_to(outside)
    (folder.path / "linked").symlink_to(outside.parent)
    done = folder.train(*SEED, "--set", f"workload.program={named}")
    assert done.returncode == 2
    assert "is not in the folder of the spec" in done.stderr
    assert not executed(folder)
    assert not (outside.parent / "executed").exists()


def test_the_program_that_an_altered_run_json_names_is_not_executed(folder):
    folder.write("train.py", SAVING)
    folder.write("evil.py", CANARY + PLAIN)
    (run,) = folder.runs
    folder.cut(run, 8)
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace("train.py", "evil.py"))
    assert folder.train(*SEED).returncode == 0
    assert folder.lrbench("report", "results").returncode == 0
    assert not executed(folder)


def replaced(run: Path, name: str, content: bytes) -> None:
    """Put other bytes into a file of the snapshot of iteration 8, and into its checksums."""
    folder = run / "snapshots/iter_00000008"
    (folder / name).write_bytes(content)
    lines = [line.split("  ", 1) for line in (folder / "SHA256SUMS").read_text().splitlines()]
    sums = [(hashlib.sha256((folder / file).read_bytes()).hexdigest(), file) for _, file in lines]
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {file}\n" for digest, file in sums))


def test_an_altered_snapshot_does_not_reach_the_programs_own_restore(folder):
    folder.write("train.py", SAVING)
    (run,) = folder.runs
    whole = folder.evaluations(run)
    folder.cut(run, 8)
    replaced(run, "s.pkl", pickle.dumps(Bomb(folder.path / "executed")))
    done = folder.train(*SEED)
    assert done.returncode == 0, done.stderr
    assert "the snapshot of iteration 8 cannot be restored (it was not written on this machine for this" in done.stderr
    assert "starting over" in done.stderr
    assert not executed(folder)
    assert folder.evaluations(run) == whole


def test_a_snapshot_of_another_machine_does_not_reach_the_programs_own_restore(folder, tmp_path, monkeypatch):
    folder.write("train.py", SAVING)
    folder.cut(folder.runs[0], 8)
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home of another machine"))
    done = folder.train(*SEED)
    assert done.returncode == 0, done.stderr
    assert "it was not written on this machine for this program" in done.stderr


@pytest.mark.usefixtures("warm_programs")
def test_a_pickle_in_place_of_a_trainings_file_is_not_executed(folder):
    folder.write("train.py", TRAINING)
    words = (*SEED, "--set", "workload.function=training", "--results", "functions")
    assert folder.train(*words).returncode == 0, folder.lrbench("report", "functions").stderr
    (run,) = (folder.path / "functions/train").glob("*/")
    whole = folder.evaluations(run)
    folder.cut(run, 8)
    replaced(run, "training.pt", pickle.dumps(Bomb(folder.path / "executed")))
    done = folder.train(*words)
    assert done.returncode == 0, done.stderr
    assert "the snapshot of iteration 8 cannot be restored" in done.stderr
    assert not executed(folder)
    assert folder.evaluations(run) == whole


EDITS = {
    "the program": (
        "train.py",
        CANARY + SAVING,
        "train.py: the source of train.py changed since the command was typed: type it ",
    ),
    "a module": (
        "part.py",
        CANARY,
        "train.py:1: the source of part.py changed since the command was typed: type it again; see ",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_between_consent_and_the_start_of_a_run_is_not_executed(folder, name):
    """The first of two runs edits a file, which the second would execute."""
    file, content, reason = EDITS[name]
    edit = f"open({file!r}, 'w').write({content!r}) if run.seed == 0 else None\n"
    folder.write("part.py", "")
    folder.write("train.py", "import part\n" + SAVING.replace("weight = 1.0\n", f"weight = 1.0\n{edit}"))
    done = folder.train("--results", "edited")
    assert done.returncode == 1
    assert not executed(folder)
    (reported,) = (
        status["reason"]
        for path in folder.path.glob("edited/train/*-s1-*/status.json")
        for status in [json.loads(path.read_text())]
    )
    assert reported.startswith(reason)


def test_a_compiled_file_in_place_of_a_modules_source_is_not_executed(folder):
    import py_compile

    source = folder.write("part.py", "x = 1" + " " * (len(CANARY) - 6) + "\n")
    stamp = source.stat()
    folder.write("part.py", CANARY.ljust(stamp.st_size))
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    py_compile.compile(str(source))
    folder.write("part.py", "x = 1" + " " * (len(CANARY) - 6) + "\n")
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    folder.write("train.py", "import part\n" + SAVING)
    assert folder.train(*SEED, "--results", "compiled").returncode == 0
    assert not executed(folder)
