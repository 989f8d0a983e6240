"""An LR function that another installed package brings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lrbench.errors import PolicyError
from lrbench.policies import parse_policy

MODULE = """
import numpy as np
from lrbench.policies import Function, Number

HALF = Function(name="HALF", parameters=(Number(name="k0", meaning="the first rate", above=0),), formula="k0 / (1 + t)",
                summary="halves at once", source="this test", example="HALF(k0=0.1)",
                rates=lambda t, v: v.k0 / (1 + t))
WRONG = 42
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halving.py").write_text(MODULE)
    metadata = tmp_path / "halving-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: halving\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[lrbench.functions]\nHALF = halving:HALF\nWRONG = halving:WRONG\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "halving", raising=False)


def test_it_is_a_policy_like_any_other(installed):
    policy = parse_policy("HALF(k0=0.1)")
    assert policy.rates([0, 1, 3], 4).tolist() == pytest.approx([0.1, 0.05, 0.025], rel=1e-12)
    assert parse_policy(f"SCALE(factor=2, policy={policy.text})").rates([1], 4)[0] == pytest.approx(0.1)
    with pytest.raises(PolicyError, match="HALF: k0"):
        parse_policy("HALF(k0=-1)")


def test_what_is_no_function_is_refused(installed):
    with pytest.raises(PolicyError, match="halving:WRONG is not an"):
        parse_policy("WRONG(k0=0.1)")


def test_without_the_package_it_is_unknown():
    with pytest.raises(PolicyError, match="unknown LR function"):
        parse_policy("HALF(k0=0.1)")
