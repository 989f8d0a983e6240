from __future__ import annotations

import pytest


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are laid out with all their texts, as they are before they are saved, but no pixel is filled."""
    monkeypatch.setattr("lrbench.drawing.save.save_figure", lambda figure, *_: figure.draw_without_rendering())
