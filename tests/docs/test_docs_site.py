"""The documentation builds as a site with every link checked, and can be read without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("site")  # built once, not by each worker

LOADED = re.compile(r"""(?:src|srcset)=["']([^"']+)|<link[^>]+href=["']([^"']+)|url\(["']?([^"')]+)""")
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"""["'](LRBENCH_[A-Z]+)["']""")


@pytest.fixture(scope="session")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, such as of a link that leads nowhere, is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--quiet",
        "--fail-on-warning",
        "--keep-going",
        "--nitpicky",
        "--builder",
        "html",
        str(repository / "docs"),
        str(folder),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


def test_every_page_is_built_and_in_the_navigation(site, repository):
    pages = [path.relative_to(repository / "docs").with_suffix("") for path in (repository / "docs").rglob("*.md")]
    navigation = (site / "search.html").read_text(encoding="utf-8")
    assert not [str(page) for page in pages if not (site / f"{page}.html").is_file()]
    assert not [str(page) for page in pages if str(page) != "index" and f'href="{page}.html"' not in navigation]


def test_nothing_is_loaded_from_a_network(site):
    files = [path for path in site.rglob("*") if path.suffix in {".html", ".css"}]
    loaded = [
        (path.name, next(filter(None, found)))
        for path in files
        for found in LOADED.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(loaded) > 100
    assert not [where for where in loaded if where[1].startswith(("http:", "https:", "//"))]


def test_the_links_of_the_readme_lead_somewhere(repository):
    links = LINK.findall((repository / "README.md").read_text(encoding="utf-8"))
    inside = [link.partition("#")[0] for link in links if not link.startswith(("http", "#"))]
    assert len(inside) > 15
    assert not [link for link in inside if not (repository / link).exists()]


def test_every_environment_variable_is_described(repository):
    page = (repository / "docs/reference/settings.md").read_text(encoding="utf-8")
    source = "\n".join(path.read_text(encoding="utf-8") for path in (repository / "lrbench").rglob("*.py"))
    named = set(VARIABLE.findall(source))
    assert {"LRBENCH_HOME", "LRBENCH_DATA", "LRBENCH_CAFFE"} <= named
    assert not [name for name in named if f"| `{name}` |" not in page]


def test_the_script_builds_what_the_test_builds(repository):
    script = (repository / "scripts/docs").read_text(encoding="utf-8")
    assert "-m sphinx --quiet --fail-on-warning --keep-going --nitpicky --builder html docs" in script
