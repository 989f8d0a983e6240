"""Text from files, made harmless."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrbench.errors import LONGEST, path_text, plain
from lrbench.report.render.csv import cell as csv_cell
from lrbench.report.render.markdown import escaped as markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("FIX(k0=0.01)", "FIX(k0=0.01)"),
        ("a\x1b[31mb\x07", "a[31mb"),
        ("a\nb\t c\r\n", "a b c"),
        ("a\u202eb\u200bc\x85d\ue000", "abc d"),
        ("naïve ± 学习率", "naïve ± 学习率"),
        ("x" * (LONGEST + 1), "x" * LONGEST),
    ],
)
def test_plain(text, shown):
    assert plain(text) == shown


def test_markdown_shows_every_character_as_it_is():
    assert markdown("a|b`c`*d*_e_[f](g)<h>&") == r"a\|b\`c\`\*d\*\_e\_\[f\](g)&lt;h&gt;&amp;"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "  =1", "\t=1", "\x00=1"])
def test_a_spreadsheet_runs_no_cell(text):
    assert csv_cell(text).startswith("'")
    assert csv_cell("a=1") == "a=1"


def test_a_path_of_any_bytes_is_text():
    assert path_text(Path("a\udcffb")) == "a\ufffdb"
