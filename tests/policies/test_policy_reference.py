"""docs/policies.md says what the table of LR functions says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_not_stale(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "generate_policy_reference"
    written = tmp_path / "policies.md"
    subprocess.run([sys.executable, script, written], check=True)
    stale = "docs/policies.md is stale: run scripts/generate_policy_reference"
    assert written.read_text(encoding="utf-8") == (ROOT / "docs" / "policies.md").read_text(encoding="utf-8"), stale
