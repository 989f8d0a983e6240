"""Documents know of no format and formats of no subject, so that either is added in one file."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path

import pytest

import lrbench
from lrbench.report import render as rendering
from lrbench.report.document import Block, Cell, Code, Column, Command, Document, Heading, Items, Paragraph, Table
from lrbench.report.render import formats, render

PACKAGE = Path(lrbench.__file__).parent
TOY_FORMAT = """
def render(document, width):
    return " | ".join(type(block).__name__ for block in document.blocks)
"""


def toy() -> Document:
    """A document with every kind of block."""
    table = Table(
        [Column("policy", "policy"), Column("accuracy %")],
        [[Cell("FIX(k0=1)", details=("SGD",)), Cell("90.00", "best")], ["FIX(k0=2)", Cell("89.00", "equal")]],
        ("A table",),
        "toy",
        "what follows:",
        ("a note",),
    )
    blocks: list[Block] = [
        Heading("A <toy>"),
        Paragraph("one *sentence*"),
        Paragraph("beside", aside=True),
        Items(["a", "b"], "two:", bullets=True),
        Code("search:\n  rates: [1, 2]"),
        table,
        Command("lrbench report results", "shows more"),
    ]
    return Document(blocks, lambda: {"value": float("nan")}, lambda: [{"policy": "=FIX", "accuracy": 0.9}])


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at any level, and every module of which it imports a name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def files(folder: str) -> list[Path]:
    return sorted((PACKAGE / folder).rglob("*.py"))


def test_no_module_outside_render_names_a_format():
    named = {f"lrbench.report.render.{form}" for form in formats()}
    for path in files("."):
        if PACKAGE / "report/render" not in path.parents:
            assert not imports(path) & named, path


def test_a_format_knows_no_subject_and_a_subject_no_format():
    for path in files("report/render"):
        known = {name for name in imports(path) if name.startswith("lrbench.")}
        allowed = (
            "lrbench.report.document",
            "lrbench.report.tables",
            "lrbench.report.formats",
            "lrbench.report.render",
        )
        assert all(name.startswith((*allowed, "lrbench.errors")) for name in known), path
    for path in files("report/views"):
        assert not any(name.startswith("lrbench.report.render") for name in imports(path)), path


@pytest.mark.parametrize("form", formats())
def test_a_toy_subject_is_shown_in_every_format(form):
    text = render(toy(), form).decode()
    assert text.endswith("\n")
    assert ("90.00" in text) != rendering.for_programs(form)
    assert "<toy>" not in text or form not in ("csv", "html", "json", "latex", "markdown")


def test_data_and_records_are_for_programs():
    assert json.loads(render(toy(), "json")) == {"value": None}
    assert render(toy(), "csv") == b"policy,accuracy\n'=FIX,0.9\n"
    own = ("csv", "html", "json", "latex", "markdown", "text")
    assert [form for form in own if rendering.for_programs(form)] == ["csv", "json"]


def test_a_format_is_a_module_in_one_file(tmp_path, monkeypatch, request):
    (tmp_path / "outline.py").write_text(TOY_FORMAT)
    monkeypatch.setattr(rendering, "__path__", [*rendering.__path__, str(tmp_path)])
    request.addfinalizer(formats.cache_clear)
    request.addfinalizer(lambda: sys.modules.pop("lrbench.report.render.outline", None))
    formats.cache_clear()
    importlib.invalidate_caches()
    assert "outline" in formats()
    assert render(toy(), "outline") == b"Heading | Paragraph | Paragraph | Items | Code | Table | Command"
