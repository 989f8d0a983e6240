"""The recipes of CONTRIBUTING.md and of the how-tos can be followed, and the project's files say what is so."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lrbench as package
from lrbench.cli import main
from lrbench.metrics.registry import Evaluated, Metric
from lrbench.report.document import Cell, Column, Document, Heading, Paragraph, Table
from lrbench.report.render import render
from lrbench.testing import DataSetConformance, EngineConformance, FunctionConformance

REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def module(page: str, index: int, name: str) -> types.ModuleType:
    """The module that a Python block of a page makes."""
    made = types.ModuleType(name)
    block = BLOCK.findall((REPOSITORY / page).read_text(encoding="utf-8"))[index]
    exec(compile(block, page, "exec"), vars(made))
    return made


@pytest.mark.parametrize(
    ("page", "name"), [("CONTRIBUTING.md", "HALVES"), ("docs/how-to/add-an-lr-function.md", "HARMONIC")]
)
class TestFunctionOfAPage(FunctionConformance):
    """Installed as a package would be."""

    @pytest.fixture
    def function(self, page: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        metadata = tmp_path / "of_a_page-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: of-a-page\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[lrbench.functions]\n{name} = of_a_page:{name}\n")
        monkeypatch.syspath_prepend(tmp_path)
        made = module(page, 0, "of_a_page")
        monkeypatch.setitem(sys.modules, "of_a_page", made)
        return getattr(made, name)


class TestEngineOfThePage(EngineConformance):
    @pytest.fixture
    def engine(self) -> Any:
        return module("docs/how-to/write-an-engine.md", 0, "own_softmax").SoftmaxEngine(None)


class TestDataSetOfThePage(DataSetConformance):
    @pytest.fixture
    def data_set(self) -> Any:
        return module("docs/how-to/use-your-own-data-set.md", 0, "shades").SHADES


def test_the_metric_of_the_page_is_computed():
    metric = module("CONTRIBUTING.md", 1, "metric").LEAST_CONFIDENCE
    assert isinstance(metric, Metric)
    outputs = Evaluated(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1]), 0.3, 0.3)
    assert metric.of_evaluation is not None
    assert metric.of_evaluation(outputs) == 0.6


def test_the_format_of_the_page_renders(monkeypatch):
    monkeypatch.setitem(sys.modules, "lrbench.report.render.tabs", module("CONTRIBUTING.md", 2, "tabs"))
    table = Table([Column("policy", "policy"), Column("best")], [["FIX", Cell("0.9", "best")]], (), "toy")
    document = Document([Heading("first"), Paragraph("more"), table], dict, list)
    assert render(document, "tabs", 4) == b"firs\npolicy\tbest\nFIX\t0.9\n"


def test_the_command_of_the_page_is_one(monkeypatch, capsys):
    command = module("CONTRIBUTING.md", 3, "lrbench.cli.peak")
    monkeypatch.setitem(sys.modules, "lrbench.cli.peak", command)
    monkeypatch.setattr(main, "commands", lambda: {"peak": "Print the highest rate of a policy."})
    monkeypatch.setattr(sys, "argv", ["lrbench", "peak", "COS(k0=0.01, k1=0.06, l=100)"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert (ended.value.code, capsys.readouterr().out) == (0, "0.06\n")


def test_every_path_that_it_names_is_there():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:lrbench|tests|scripts)/[\w./]+)`", text) + re.findall(r"\]\(([\w./-]+)", text)
    paths = [path for path in paths if "NAME" not in path]
    assert len(paths) > 15
    assert not [path for path in paths if not (REPOSITORY / path).exists()]


def test_every_script_that_it_names_can_be_run():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    scripts = set(re.findall(r"\bscripts/\w+", text))
    assert {"scripts/setup", "scripts/test", "scripts/test_lowest"} <= scripts
    assert all(os.access(REPOSITORY / script, os.X_OK) for script in scripts)


def test_every_page_that_comes_from_the_code_is_written_by_one_script():
    written = re.search(r"for name in (.*);", (REPOSITORY / "scripts/generate").read_text())
    assert written is not None
    of_files = {
        "resnet_prototxt",
        "schema",
        "search_table",
        "shipped_results",
    }  # parts of the package, not of the documentation
    found = {path.name.removeprefix("generate_") for path in (REPOSITORY / "scripts").glob("generate_*")}
    assert set(written[1].split()) == found - of_files


def test_the_lowest_versions_are_those_of_the_project(tmp_path):
    """The script's own reading of pyproject.toml, without its installation."""
    if sys.version_info < (3, 11):
        pytest.skip("the script needs Python 3.11")
    text = (REPOSITORY / "scripts/test_lowest").read_text(encoding="utf-8")
    reader = text.partition("<<'EOF'\n")[2].partition("\nEOF\n")[0]
    command = [sys.executable, "-c", reader]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = re.search(r"\ndependencies = \[(.*?)\n\]", project, re.DOTALL)
    assert dependencies is not None
    wanted = [f"{name}=={version}" for name, version in re.findall(r'"([\w-]+)>=([\d.]+)', dependencies[1])]
    assert printed.splitlines()[: len(wanted)] == wanted
    assert len(wanted) > 15


def test_the_workflow_runs_the_suite_on_three_systems():
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands["debian"][-1] == commands["ubuntu"][-1] == "scripts/test"
    assert commands["lowest"] == ["scripts/test_lowest"]
    assert jobs["debian"]["container"] == "debian:${{ matrix.release }}"
    assert jobs["debian"]["strategy"]["matrix"]["release"] == ["12", "13"]
    assert jobs["ubuntu"]["runs-on"] == "ubuntu-24.04"


def test_the_hooks_of_a_commit_call_ruff():
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert [hook["entry"].split()[:2] for hook in hooks] == [
        [".venv/bin/ruff", "format"],
        [".venv/bin/ruff", "check"],
    ]


def test_the_citation_has_this_version_and_both_papers():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == package.__version__
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    papers = [reference["identifiers"][0]["value"] for reference in citation["references"]]
    assert papers == ["arXiv:1908.06477", "arXiv:2210.12936"]


def test_the_changelog_knows_this_version():
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert package.__version__ in text


def test_the_architecture_is_not_stale(tmp_path):
    shutil.copy(REPOSITORY / "docs/architecture.md", tmp_path)
    subprocess.run([sys.executable, REPOSITORY / "scripts/generate_architecture", tmp_path], check=True)
    for name in ("architecture.md", "architecture.svg"):
        written = (tmp_path / name).read_text(encoding="utf-8")
        assert (REPOSITORY / "docs" / name).read_text(encoding="utf-8") == written, "run scripts/generate_architecture"
    for part in (path.parent.name for path in (REPOSITORY / "lrbench").glob("*/__init__.py")):
        assert f"| `{part}` |" in written or f">{part}</text>" in written


def test_each_term_is_defined_once_and_in_order():
    text = (REPOSITORY / "docs/glossary.md").read_text(encoding="utf-8")
    terms = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert terms == sorted(set(terms), key=str.lower)
    assert {"policy", "run", "seed", "evaluation", "target", "lane", "workload", "engine"} <= set(terms)


def test_the_testing_package_is_imported_by_no_other():
    importlib.import_module("lrbench.cli.run")
    for path in (REPOSITORY / "lrbench").rglob("*.py"):
        if path.parent.name != "testing":
            assert "lrbench.testing" not in path.read_text(encoding="utf-8"), path
