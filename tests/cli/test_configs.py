"""The ready specs as they are listed and copied, and the quickstart."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lrbench.cli import report, run
from lrbench.spec.reading import read_experiment
from lrbench.spec.ready import ready_specs

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_ready_spec_is_listed_with_a_summary_of_one_sentence(lrbench):
    code, out, err = lrbench("configs")
    assert (code, err) == (0, "\nnext: lrbench configs copy NAME   # into this folder\n")
    lines = out.splitlines()
    assert lines[0].split() == ["name", "what", "it", "does", "data", "set", "engine", "command"]
    (quickstart,) = (line for line in lines if line.startswith("quickstart "))
    assert quickstart.split()[-3:] == ["digits", "caffe", "run"]
    specs = ready_specs()
    assert {spec.name for spec in specs} == {path.stem for path in (REPOSITORY / "configs").iterdir()}
    assert all(spec.summary.endswith(".") and len(spec.summary) < 100 for spec in specs)
    assert [spec.name for spec in specs if spec.command == "tune"] == [
        "search_table",
        "tune_cifar10",
        "tune_digits",
        "tune_mnist",
    ]


def test_a_copy_is_the_same_experiment_anywhere(lrbench):
    Path("specs").mkdir()
    code, out, err = lrbench("configs", "copy", "quickstart", "specs")
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "wrote specs/quickstart.yaml"
    assert "next: lrbench run specs/quickstart.yaml --dry-run" in err
    shipped = REPOSITORY / "configs/quickstart.yaml"
    assert Path("specs/quickstart.yaml").read_bytes() == shipped.read_bytes()
    assert read_experiment(Path("specs/quickstart.yaml")).runs == read_experiment(shipped).runs


def test_a_file_that_exists_is_kept_unless_forced(lrbench):
    Path("tune_digits.yaml").write_text("mine")
    assert lrbench("configs", "copy", "tune_digits") == (
        2,
        "",
        "error: tune_digits.yaml: exists; give another DIR, or add --force to replace it\n",
    )
    assert Path("tune_digits.yaml").read_text() == "mine"
    code, _, err = lrbench("configs", "copy", "tune_digits.yaml", "--force")
    assert code == 0
    assert "next: lrbench tune tune_digits.yaml" in err
    assert yaml.safe_load(Path("tune_digits.yaml").read_text())["name"] == "tune_digits"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quickstrt"], "error: there is no ready spec 'quickstrt'; did you mean quickstart?\n"),
        (["quickstart", "no"], "error: no/quickstart.yaml: there is no folder no; create it, or change DIR\n"),
    ],
)
def test_what_cannot_be_copied_is_one_line(lrbench, arguments, said):
    assert lrbench("configs", "copy", *arguments) == (2, "", said)


def test_the_quickstart_runs_reports_and_says_what_is_next(lrbench, monkeypatch):
    """What it types, in place of 21 trainings: the wheel's test and scripts/quickstart train."""
    typed = []

    def note(words, name, standalone_mode):
        typed.append((name, *words))
        return 1

    for command in (run.run, report.report):
        monkeypatch.setattr(command, "main", note)
    code, out, err = lrbench("quickstart", "-j", "3", "--results", "there", "--engine", "torch")
    spec = str(REPOSITORY / "configs/quickstart.yaml")
    assert typed == [
        ("lrbench run", spec, "-j", "3", "--results", "there", "--engine", "torch"),
        ("lrbench report", "there/quickstart", "--plots", "there/quickstart/plots"),
    ]
    assert (code, out) == (1, "")
    assert err.splitlines()[-2:] == [
        "    lrbench configs copy mnist_lenet",
        "    lrbench run mnist_lenet.yaml -j 3 --dry-run",
    ]
