"""One Ray cluster for all tests on it, which has an engine that trains nothing beside LRBench's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from factories.ray_cluster import RayCluster
from postgresql_server import free_port

ENGINE = """
from factories.fake_engine import FakeEngine

class MadeUpEngine(FakeEngine):
    def __init__(self, site):
        super().__init__(diverges_above=1.0)

    def describe(self):
        return {"name": "made-up", "version": "1"}
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with that engine, installed here and on the nodes."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "made_up.py").write_text(ENGINE)
    facts = folder / "made_up-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[lrbench.engines]\nmade-up = made_up:MadeUpEngine\n")
    return folder


@pytest.fixture(scope="session")
def cluster(package: Path) -> Iterator[RayCluster]:
    """A cluster of two nodes with one processor each, and a client server."""
    made = RayCluster(2, path=[package], client_port=free_port())
    yield made
    made.close()
