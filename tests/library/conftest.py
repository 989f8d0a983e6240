"""Results and specs that the examples of the documentation and the tests of the library read."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories.fake_runs import write_run

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with results of an experiment called quickstart and the quickstart's spec."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_DB", str(tmp_path / "policies.sqlite"))
    results = tmp_path / "results"
    step, fix = "STEP(k0=0.02, gamma=0.5, l=100)", "FIX(k0=0.1)"
    write_run(results, step, (0.1, 0.8, 0.95), experiment="quickstart")
    write_run(results, step, (0.1, 0.9, 0.97), experiment="quickstart", seed=1)
    write_run(results, fix, (0.1, 0.5, None), experiment="quickstart", status="diverged", reason="the loss is NaN")
    spec = (REPOSITORY / "configs/quickstart.yaml").read_text()
    (tmp_path / "quickstart.yaml").write_text(spec)
    return tmp_path
