"""Real Caffe beside the engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from engines.torch.torch_parity import InCaffe


@pytest.fixture(scope="session")
def in_caffe(caffe_python: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> InCaffe:
    """Runs nets in Caffe."""
    return InCaffe(caffe_python, tmp_path_factory.mktemp("in_caffe"))
