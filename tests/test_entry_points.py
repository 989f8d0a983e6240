"""Entry points are found again when packages have changed, and only then."""

from __future__ import annotations

import importlib.metadata

from lrbench.entry_points import entry_points

GROUP = "lrbench.metrics"


def install(folder, name):
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {name}:metric\n")


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
