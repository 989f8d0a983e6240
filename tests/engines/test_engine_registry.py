"""Engines by name: LRBench's own, those of other packages, and names that are neither."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from factories.fake_engine import FakeEngine

from lrbench.engines import base, registry
from lrbench.engines.registry import check_engine_name, open_engine
from lrbench.engines.site import Site
from lrbench.errors import SpecError


def make_fake(site: Site) -> FakeEngine:
    """What another package's entry point names."""
    return FakeEngine()


@pytest.fixture
def other_package(monkeypatch):
    entries = EntryPoints([EntryPoint("fake", f"{__name__}:make_fake", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: entries.select(**wanted))


def test_an_unknown_name_is_refused_with_those_near():
    check_engine_name("caffe")
    for refuse in (check_engine_name, lambda name: open_engine(name, Site(Path()))):
        with pytest.raises(SpecError, match=r"^unknown engine 'cafe'; did you mean caffe\?$"):
            refuse("cafe")
        with pytest.raises(SpecError, match=r"^unknown engine 'xyz'; the engines are caffe, torch, program$"):
            refuse("xyz")


@pytest.mark.usefixtures("other_package")
def test_an_engine_of_another_package_is_found_by_its_entry_point():
    check_engine_name("fake")
    assert isinstance(open_engine("fake", Site(Path())), FakeEngine)
    with pytest.raises(SpecError, match="the engines are caffe, torch, program, fake"):
        open_engine("xyz", Site(Path()))


def test_the_earlier_name_of_a_training_result_still_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match="TrainResult"):
        assert base.Stretch is base.TrainResult
