"""What the code knows better than a person is written from it, and not stale; nothing of it is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydantic import BaseModel

from lrbench.cli.main import commands as all_commands
from lrbench.metrics.registry import METRICS
from lrbench.policies import functions
from lrbench.spec.model import ExperimentSettings

pytestmark = pytest.mark.xdist_group("generated pages")  # written once, not by each worker

PAGES = ("commands.md", "metrics.md", "python.md", "spec.md")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.fixture(scope="session")
def written(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every generated page, as the code would have it now."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "reference").mkdir()
    subprocess.run([sys.executable, repository / "scripts/generate_reference", folder / "reference"], check=True)
    subprocess.run([sys.executable, repository / "scripts/generate_policy_gallery", folder], check=True)
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_not_stale(written, repository, name):
    found = (repository / "docs/reference" / name).read_text(encoding="utf-8")
    assert found == (written / "reference" / name).read_text(encoding="utf-8"), "stale: run scripts/generate_reference"


def test_the_gallery_is_not_stale(written, repository):
    found = (repository / "docs/gallery.md").read_text(encoding="utf-8")
    assert found == (written / "gallery.md").read_text(encoding="utf-8"), "stale: run scripts/generate_policy_gallery"


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.name)
def test_each_picture_shows_the_rates_of_today(written, repository, function):
    """To half a point of the picture: another release of matplotlib may write the same curve in other digits."""
    name = f"gallery/{function.name.lower()}.svg"
    drawn, expected = curve(repository / "docs" / name), curve(written / name)
    assert len(expected) >= 4
    assert drawn == pytest.approx(expected, abs=0.5), "stale: run scripts/generate_policy_gallery"


def curve(picture: Path) -> list[float]:
    """The coordinates of the curve in a picture."""
    (found,) = (group for group in ElementTree.parse(picture).iter() if group.get("id") == "rates")
    (path,) = (child for child in found.iter() if child.get("d"))
    return [float(number) for number in NUMBER.findall(path.get("d") or "")]


def test_there_is_no_picture_without_its_function(repository):
    pictures = {path.stem for path in (repository / "docs/gallery").iterdir()}
    assert pictures == {function.name.lower() for function in functions()}


def test_every_command_metric_and_function_has_its_entry(repository):
    docs = repository / "docs"
    names = ("reference/commands.md", "reference/metrics.md", "policies.md")
    commands, metrics, policies = ((docs / name).read_text(encoding="utf-8") for name in names)
    assert not [name for name in all_commands() if f"\n## lrbench {name}\n" not in commands]
    assert not [name for name in METRICS if f"\n| `{name}` " not in metrics]
    assert not [row.name for row in functions() if f"\n## {row.name}\n" not in policies]


def keys() -> Iterator[tuple[str, str]]:
    """Every key that a spec may hold, with the first section in which a mapping of its kind stands."""
    waiting: list[tuple[str, type[BaseModel]]] = [("", ExperimentSettings)]
    seen = set()
    for place, model in waiting:
        if model not in seen:
            seen.add(model)
            for name, field in model.model_fields.items():
                yield place, name
                waiting += [(f"{place}.{name}".strip("."), kind) for kind in nested(field.annotation)]


def nested(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from nested(part)


def test_every_key_of_a_spec_has_its_entry(repository):
    text = (repository / "docs/reference/spec.md").read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:])
    found = list(keys())
    assert len(found) > 60
    assert not [
        (place, name)
        for place, name in found
        if f"\n| `{name}` " not in sections[f"`{place}`" if place else "The file"]
    ]
