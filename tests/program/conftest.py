from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of PyTorch that wait for each other take seconds where other processes have the cores."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'lrbench[torch]'")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
