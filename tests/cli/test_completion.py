"""What a shell offers for half-typed words, through click's interface and through a real bash."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from factories.fake_runs import write_run

import lrbench.cli.main as program
from lrbench.cli import COMPLETE_VARIABLE
from lrbench.cli.completion.candidates import MOST
from lrbench.cli.completion.shells import SHELLS, answer, script
from lrbench.engines import registry
from lrbench.engines.names import ENGINES
from lrbench.metrics.registry import METRICS
from lrbench.nets import builtin_nets
from lrbench.policies import functions, parse_policy
from lrbench.spec.solver_types import SOLVER_TYPES

HEAVY = {
    "filelock",
    "google",
    "jax",
    "keras",
    "lmdb",
    "matplotlib",
    "numpy",
    "optax",
    "optuna",
    "orjson",
    "pandas",
    "psutil",
    "pydantic",
    "requests",
    "rich",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "tabulate",
    "torch",
    "yaml",
}
"""Packages that take long to load: a half-typed word waits only for those that know what to offer."""


def offered(*words: str) -> list[str]:
    """The values for the last word, after the others."""
    complete = ShellComplete(program.lrbench, {}, "lrbench", COMPLETE_VARIABLE)
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_commands_are_offered_with_what_they_do():
    assert offered("") == list(program.commands())
    assert offered("re") == ["report", "recommend"]
    assert offered("policies", "") == ["eval", "list", "plot"]
    assert "--shard" in offered("run", "--")
    assert offered("report", "--format", "j") == ["json"]
    items = ShellComplete(program.lrbench, {}, "lrbench", COMPLETE_VARIABLE).get_completions([], "doc")
    assert [item.help for item in items] == ["Check the installation and show how to fix it."]


def test_offering_commands_imports_none_of_them():
    code = (
        "import sys, lrbench.cli.main as m; from click.shell_completion import ShellComplete as S\n"
        "S(m.lrbench, {}, 'lrbench', 'X').get_completions([], ''); print('lrbench.cli.run' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("words", [("policies", "eval"), ("policies", "plot"), ("verify", "spec.yaml", "--policy")])
def test_policies_are_offered_by_function_and_then_whole(words):
    assert offered(*words, "") == [row.name for row in functions()]
    assert offered(*words, "COSDEC") == [row.example for row in functions() if row.name == "COSDECAY"]
    assert offered(*words, "warm") == [row.example for row in functions() if row.name == "WARMUP"]
    assert offered(*words, "TRI(k0") == [row.example for row in functions() if row.name == "TRI"]
    tri = offered(*words, "TRI")
    assert tri[0].startswith("TRI(")
    assert {"TRI2", "TRIEXP"} < set(tri)
    assert offered(*words, "NONE") == []


def test_the_policies_of_a_figure_are_those_of_the_runs_at_its_paths(tmp_path):
    for policy in ("FIX(k0=0.01)", "SIN(k0=0.01, k1=0.06, l=2000)", "SIN(k0=0.01, k1=0.08, l=2000)"):
        write_run(tmp_path, policy)
    plot = ("plot", str(tmp_path), "--policies")
    assert offered(*plot, "") == ["FIX", "SIN"]
    assert offered(*plot, "SI") == ["SIN", "SIN(k0=0.01, k1=0.06, l=2000)", "SIN(k0=0.01, k1=0.08, l=2000)"]
    assert offered(*plot, "SIN(k0=0.01, k1=0.08") == ["SIN(k0=0.01, k1=0.08, l=2000)"]
    assert offered(*plot, "TRI") == []


def test_every_function_that_is_named_whole_becomes_a_policy():
    for row in functions():
        assert parse_policy(offered("policies", "eval", f"{row.name}(")[0]).name == row.name


def test_names_are_those_that_are_known():
    assert offered("report", "results", "--sort", "") == list(METRICS)
    assert offered("report", "results", "--sort", "iter") == [name for name in METRICS if name.startswith("iter")]
    assert offered("data", "prepare", "cifar") == ["cifar10", "cifar10_padded"]
    assert offered("db", "list", "--net", "") == builtin_nets()
    assert offered("db", "list", "--dataset", "m") == ["mnist"]
    assert offered("range", "spec.yaml", "--solver", "ada") == ["AdaGrad", "AdaDelta", "Adam"]
    assert set(offered("range", "spec.yaml", "--solver", "")) == set(SOLVER_TYPES)
    assert offered("run", "spec.yaml", "--set", "workload.test_") == [
        "workload.test_batch_size=",
        "workload.test_interval=",
    ]
    assert "search.rates=" in offered("tune", "spec.yaml", "--set", "search.")


def test_the_engines_offered_are_those_there_are():
    assert set(ENGINES) == set(registry._OWN)
    others = [point.name for point in entry_points(group=registry.GROUP)]
    assert offered("run", "spec.yaml", "--engine", "") == [*ENGINES, *others]


def test_specs_are_yaml_files_wherever_they_are(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    for name in ("one.yaml", "two.yml", "other.txt", "configs/three.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    for command in ("run", "tune", "recommend", "parity"):
        assert offered(command, "") == ["one.yaml", "two.yml", ""]
    assert offered("run", "configs/th") == ["configs/three.yaml", "configs/th"]
    assert offered("run", f"{tmp_path}/o") == [f"{tmp_path}/one.yaml", f"{tmp_path}/o"]
    assert offered("run", "nowhere/") == ["nowhere/"]


@pytest.mark.parametrize("command", ["report", "plot", "watch", "serve", "db add"])
def test_runs_are_offered_by_the_beginning_of_their_id(command, tmp_path, monkeypatch):
    write_run(tmp_path / "results", "FIX(k0=0.01)", experiment="quick", run_id="FIX_0.01-SGD-s0-abc")
    write_run(tmp_path / "results", "FIX(k0=0.02)", experiment="quick", run_id="FIX_0.02-SGD-s0-def")
    monkeypatch.chdir(tmp_path)
    words = command.split()
    assert offered(*words, "FIX_0.02") == ["results/quick/FIX_0.02-SGD-s0-def", "FIX_0.02"]
    assert offered(*words, "FIX") == ["results/quick/FIX_0.01-SGD-s0-abc", "results/quick/FIX_0.02-SGD-s0-def", "FIX"]
    assert offered(*words, "qui") == ["results/quick", "qui"]
    assert offered(*words, "results/") == ["results/"]


def test_entries_of_the_database_are_offered_and_none_is_made(tmp_path, monkeypatch):
    from lrbench.tuning.database.database import open_database

    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LRBENCH_DB", raising=False)
    assert offered("db", "show", "") == []
    assert not (tmp_path / "home").exists()
    place = tmp_path / "policies.sqlite"
    with open_database(str(place)) as database:
        known = sorted(entry.id[:8] for entry in database.entries())
    assert offered("db", "show", "--db", str(place), "") == known[:MOST]
    monkeypatch.setenv("LRBENCH_DB", str(place))
    assert offered("db", "show", known[0][:7]) == [known[0]]
    monkeypatch.setenv("LRBENCH_DB", "postgresql://nobody@nowhere/none")
    assert offered("db", "show", "") == []


@pytest.fixture
def bash(tmp_path: Path) -> Bash:
    """A bash that has read the script, in an empty folder."""
    assert shutil.which("bash")
    here = tmp_path / "bin"
    here.mkdir()
    (here / "lrbench").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lrbench "$@"\n')
    (here / "lrbench").chmod(0o755)
    (tmp_path / "completion").write_text(script("bash"))
    return Bash(tmp_path)


class Bash:
    """Completes words as bash does when TAB is hit at the end of the last one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str) -> tuple[list[str], str]:
        line = " ".join(map(shlex.quote, words))
        lines = (
            "compopt() { IFS=' '; echo \"compopt $*\" >&2; }",
            "source ./completion",
            f"COMP_WORDS=({line})",
            f"COMP_CWORD={len(words) - 1}",
            "_lrbench_completion lrbench",
            "[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' \"${COMPREPLY[@]}\"",
        )
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["bash", "--norc", "-c", "\n".join(lines)],
            cwd=self.folder,
            text=True,
            check=True,
            capture_output=True,
            env={**os.environ, "PATH": path},
        )
        return ended.stdout.splitlines(), ended.stderr


def test_a_real_bash_completes(bash):
    (bash.folder / "my spec.yaml").touch()
    assert bash("lrbench", "rec") == (["recommend"], "")
    assert bash("lrbench", "report", "x", "--sort", "best") == (["best_accuracy"], "")
    assert bash("lrbench", "report", "x", "--sort", "=", "best") == (["best_accuracy"], "")
    assert bash("lrbench", "run", "m") == (["'my spec.yaml'"], "compopt -o plusdirs -o filenames\n")
    assert bash("lrbench", "run", "x", "--set", "seed") == (["seeds="], "compopt -o nospace\n")


def test_a_policy_reaches_a_real_bash_in_quotes(bash):
    example = next(row.example for row in functions() if row.name == "COSDECAY")
    (value,), _ = bash("lrbench", "policies", "eval", "COSDEC")
    assert shlex.split(value) == [example]
    (inside,), _ = bash("lrbench", "policies", "eval", "'COSDEC")
    assert inside == example


def test_what_cannot_be_completed_is_no_word_on_the_screen(bash):
    assert bash("lrbench", "nonsense", "x") == ([], "")
    assert bash("lrbench", "run", "--nonsense", "x", "") == ([], "compopt -o plusdirs -o filenames\n")
    assert bash("lrbench", "policies", "eval", "NONE(") == ([], "")


@pytest.mark.parametrize("instruction", ["bash_source", "csh_complete", "complete", ""])
def test_another_instruction_is_refused_in_silence(instruction, capfd):
    assert answer(program.lrbench, instruction) == 1
    assert capfd.readouterr() == ("", "")


def test_what_goes_wrong_is_kept_from_the_line(monkeypatch, capfd):
    def fail(_context: click.Context, _typed: str) -> None:
        click.echo("in the way")
        raise RuntimeError("defect")

    monkeypatch.setattr(program.LazyGroup, "shell_complete", fail)
    monkeypatch.setenv("COMP_WORDS", "lrbench\nx")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert answer(program.lrbench, "bash_complete") == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("", set()),
        ("report", set()),
        ("run x --engine", set()),
        ("report x --sort", set()),
        ("range x --solver", set()),
        ("db show", set()),
        ("policies eval", {"numpy"}),
        ("plot . --policies", {"numpy", "orjson", "filelock"}),
        ("run x --set", {"pydantic", "yaml"}),
        ("data prepare", {"numpy", "google", "lmdb", "filelock"}),  # a data set's name stands beside what reads it
    ],
)
def test_only_what_is_needed_is_loaded_for_it(words, needed, tmp_path):
    typed = ["lrbench", *words.split(), ""]
    environment = {
        **os.environ,
        COMPLETE_VARIABLE: "bash_complete",
        "COMP_WORDS": "\n".join(typed),
        "COMP_CWORD": str(len(typed) - 1),
        "LRBENCH_HOME": str(tmp_path),
    }
    command = [sys.executable, "-X", "importtime", "-m", "lrbench"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "click" in loaded
    assert loaded & HEAVY == needed


@pytest.mark.parametrize("shell", list(SHELLS))
def test_the_script_says_how_to_install_it(shell):
    answered = subprocess.run(
        [sys.executable, "-m", "lrbench", "completion", shell], capture_output=True, text=True, check=True
    )
    assert f"lrbench completion {shell}" in answered.stdout
    assert "_LRBENCH_COMPLETE" in answered.stdout
    assert answered.stdout.count("_lrbench_completion") >= 2
    assert answered.stderr == ""
    if shell == "zsh":
        assert answered.stdout.startswith("#compdef lrbench\n")
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=answered.stdout, text=True, check=True)
    if shell == "fish":
        assert 'string split --max 1 ","' in answered.stdout
