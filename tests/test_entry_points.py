"""Entry points are found again when packages have changed, and only then."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from lrbench.data.registry import find_data_set
from lrbench.engines.registry import open_engine
from lrbench.engines.site import Site
from lrbench.entry_points import entry_points
from lrbench.errors import LRBenchError
from lrbench.executors.registry import open_executor
from lrbench.metrics.registry import METRICS
from lrbench.policies.table import find_function

GROUP = "lrbench.metrics"


def install(folder, name, group=GROUP):
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}:metric\n")


def test_a_package_that_is_installed_or_removed_later_is_seen(tmp_path, monkeypatch):
    before = entry_points(group=GROUP).names
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "early")
    assert entry_points(group=GROUP).names == before | {"early"}
    install(tmp_path, "late")
    assert entry_points(group=GROUP).names == before | {"early", "late"}
    assert [point.value for point in entry_points(group=GROUP, name="late")] == ["late:metric"]
    monkeypatch.undo()
    assert entry_points(group=GROUP).names == before


def test_the_metadata_is_read_once(monkeypatch):
    found = entry_points(group="console_scripts")
    monkeypatch.delattr(importlib.metadata, "distributions")
    assert entry_points(group="console_scripts") == found
    assert entry_points(group="console_scripts", name="lrbench").names == {"lrbench"}


@pytest.mark.parametrize(
    ("group", "look_up"),
    [
        ("lrbench.data_sets", find_data_set),
        ("lrbench.engines", lambda name: open_engine(name, Site(Path()))),
        ("lrbench.executors", lambda name: open_executor(name, lambda consent: Site(Path()))),
        ("lrbench.functions", find_function),
        ("lrbench.metrics", lambda name: type(METRICS)()[name]),
    ],
)
def test_a_package_that_cannot_be_imported_is_named(group, look_up, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "broken", group)
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(LRBenchError) as caught:
        look_up("broken")
    assert str(caught.value) == (
        f"{group}: broken:metric cannot be loaded: ZeroDivisionError: division by zero; "
        "repair or remove the package that brings it"
    )
    assert caught.value.exit_code == 2
