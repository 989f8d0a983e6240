"""What the documentation shows is so: its code runs, its specs are read, and a run has what is described."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

from lrbench.cli.policies import policies
from lrbench.data import Prepared, Sources
from lrbench.data.registry import DataSet
from lrbench.exporting import export_policy
from lrbench.exporting.dialects import PlainPython
from lrbench.exporting.functions import functions_of
from lrbench.policies import Policy, expand_policies, functions, parse_policy
from lrbench.spec.document import read_document
from lrbench.spec.model import ExperimentSettings, SolverSettings, WorkloadSettings
from lrbench.spec.reading import read_experiment
from lrbench.spec.search_settings import SearchSettings
from lrbench.spec.sections import EngineSettings, RangeSettings
from lrbench.tuning.recommending.rescaling import rescaled
from lrbench.tuning.space import search_space

pytestmark = pytest.mark.xdist_group("examples of the documentation")  # its run is trained once

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def code(page: str, language: str) -> list[str]:
    """The blocks of a language on a page of docs."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return [block for found, block in BLOCK.findall(text) if found == language]


def defined(page: str) -> dict[str, Any]:
    """What the Python of a page defines."""
    names: dict[str, Any] = {}
    for block in code(page, "python"):
        exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture
def harmonic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """A policy of the LR function of the page, which is installed as another package's."""
    page = "how-to/add-an-lr-function.md"
    (toml,) = code(page, "toml")
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/harmonic.py").write_text("\n".join(code(page, "python")))
    metadata = tmp_path / "my_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    point = toml.splitlines()[1].replace('"', "")
    (metadata / "entry_points.txt").write_text(f"[lrbench.functions]\n{point}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("my_package", "my_package.harmonic"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return parse_policy("HARMONIC(k0=0.1, gamma=0.001)")


def test_the_lr_function_of_the_page_is_listed(harmonic):
    answer = CliRunner().invoke(policies, ["list", "--format", "json"])
    (*_, row) = json.loads(answer.stdout)
    assert (row["name"], row["formula"], row["example"]) == ("HARMONIC", "k0 / (1 + gamma t)", harmonic.text)
    assert len(json.loads(answer.stdout)) == len(functions()) + 1


def test_the_lr_function_of_the_page_is_exported(harmonic):
    names: dict[str, Any] = {}
    exec("import math\n" + functions_of(harmonic, PlainPython(), 1000), names)
    rates = [names["learning_rate"](t) for t in range(1000)]
    assert rates == pytest.approx(harmonic.rates(range(1000), 1000).tolist(), rel=1e-12, abs=0)
    for target in ("torch", "keras", "optax"):
        assert "return 0.1 / (1 + 0.001 * t)" in export_policy(harmonic, target, 1000)
    assert export_policy(harmonic, "caffe").splitlines() == [
        f"# {harmonic.text}",
        "base_lr: 0.1",
        'lr_policy: "inv"',
        "gamma: 0.001",
        "power: 1.0",
    ]


def test_the_lr_function_of_the_page_is_rescaled(harmonic):
    carried = rescaled(harmonic, 1000, 4000)
    assert carried is not None
    assert carried.text == "HARMONIC(k0=0.1, gamma=0.00025)"


def test_the_lr_function_of_the_page_is_searched(harmonic, tmp_path):
    (tmp_path / "spec.yaml").write_text("search: {functions: [HARMONIC]}\n")
    (part,) = search_space(
        SearchSettings(functions=["HARMONIC"]), (0.001, 0.1), read_document(tmp_path / "spec.yaml")
    ).parts
    assert [dimension.name for dimension in part.dimensions] == ["rate", "left"]
    policy = part.make({"rate": 0.1, "left": 0.2}, 1000)
    assert policy.rates([0, 1000], 1001).tolist() == pytest.approx([0.1, 0.02])


def test_the_tutorial_ends_in_a_training_with_the_policy(tmp_path):
    schedule, training = code("tutorial.md", "python")
    policy = parse_policy("WARMUP(policy=COSDECAY(k0=0.03), l=30)")
    assert schedule == export_policy(policy, "torch", 300)
    (tmp_path / "schedule.py").write_text(schedule)
    (tmp_path / "train.py").write_text(training)
    trained = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert trained.returncode == 0, trained.stderr
    last = trained.stdout.splitlines()[-1]
    assert last.startswith("iteration 300  rate 0  accuracy 9")


def test_the_example_of_a_data_set_is_one(tmp_path):
    shades = defined("how-to/use-your-own-data-set.md")["SHADES"]
    assert isinstance(shades, DataSet)
    arrays = shades.read(Sources(None, tmp_path))
    arrays.check()
    assert (len(arrays.train.images), arrays.classes) == (100, 2)


SECTIONS: dict[str, type[BaseModel]] = {"search": SearchSettings, "range": RangeSettings}


def test_parts_of_specs_are_read(tmp_path):
    blocks = [
        block
        for page in PAGES
        for language, block in BLOCK.findall(page.read_text(encoding="utf-8"))
        if language == "yaml"
    ]
    assert len(blocks) >= 6
    for block in blocks:
        (tmp_path / "part.yaml").write_text(block)
        part = read_document(tmp_path / "part.yaml").value
        for entry in part.get("policies", []):
            assert expand_policies(entry)
        for section in SECTIONS.keys() & part.keys():
            values = {key: value for key, value in part[section].items() if key != "space"}  # in place of two others
            SECTIONS[section].model_validate(values)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The spec of README."""
    ((_, text),) = [
        found for found in BLOCK.findall((REPOSITORY / "README.md").read_text(encoding="utf-8")) if found[0] == "yaml"
    ]
    path = tmp_path / "readme.yaml"
    path.write_text(text)
    return path


def test_the_spec_of_the_readme_is_read(spec):
    assert len(read_experiment(spec).runs) == 5 * 3


def test_the_example_of_the_reference_has_every_key_of_its_sections():
    text = (REPOSITORY / "docs/reference/spec.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(dict(BLOCK.findall(text))["yaml"])
    kept_for_their_own_page = {"range", "search", "composition"}
    assert shown.keys() == ExperimentSettings.model_fields.keys() - kept_for_their_own_page - {"target"}
    assert "target: {metric: accuracy, value: 0.989}" in text  # what target_accuracy is short for
    for section, model in (("workload", WorkloadSettings), ("solver", SolverSettings), ("engine", EngineSettings)):
        assert shown[section].keys() == model.model_fields.keys()


@pytest.fixture(scope="session")
def own_run(digits: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that the page's own engine trained, installed as a package would be."""
    folder = tmp_path_factory.mktemp("own_engine")
    (block,) = code("how-to/write-an-engine.md", "python")
    (folder / "own_softmax.py").write_text(block)
    metadata = folder / "own_softmax-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-softmax\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[lrbench.engines]\nsoftmax = own_softmax:SoftmaxEngine\n")
    (folder / "spec.yaml").write_text(
        "name: own\nworkload: {net: lenet, dataset: digits, batch_size: 50, iterations: 200, test_interval: 50}\n"
        "solver: {type: SGD}\nengine: {name: softmax}\npolicies: ['FIX(k0=0.1)']\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder), "LRBENCH_HOME": str(digits.folder.parent.parent)}
    ran = subprocess.run(
        [sys.executable, "-m", "lrbench", "run", "spec.yaml"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (run,) = (folder / "results/own").glob("*/")
    return run


def test_the_engine_of_the_page_trains(own_run):
    rows = [yaml.safe_load(line) for line in (own_run / "evaluations.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [50, 100, 150, 200]
    assert rows[-1]["accuracy_top1"] > 0.7


def test_every_file_and_key_of_a_run_is_described(own_run):
    page = (REPOSITORY / "docs/reference/run-directory.md").read_text(encoding="utf-8")
    names = {path.name for path in own_run.iterdir()}
    for name in ("run.json", "status.json"):
        names |= yaml.safe_load((own_run / name).read_text()).keys()
    names |= yaml.safe_load((own_run / "evaluations.jsonl").read_text().splitlines()[0]).keys()
    metrics = (REPOSITORY / "docs/reference/metrics.md").read_text(encoding="utf-8")
    assert not [name for name in names if f"`{name}`" not in page + metrics and f"`{name}/`" not in page]
