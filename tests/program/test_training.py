"""``lrbench.torch.Training``: trains with the rates it is given, and goes on after a restart bit for bit."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'lrbench[torch]'")

import numpy as np  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from lrbench.torch import Training  # noqa: E402


class Noisy(Dataset):
    """40 samples, each read with noise from all three global generators."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        noise = torch.rand(6) + random.random() + float(np.random.rand())
        return torch.randn(6, generator=generator) + 0.1 * noise, index % 3


def training(seed=0, *, dataset=None, loader=None, lr=0.01, **options):
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    batches = DataLoader(dataset or Noisy(), batch_size=8, shuffle=True) if loader is None else loader()
    test = DataLoader(Noisy(), batch_size=16, shuffle=True)
    settings = {"batches": batches, "loss": torch.nn.CrossEntropyLoss(), "evaluate_on": test, **options}
    return Training(model, optimizer, **settings)


RATES = [0.01 / (1 + t) for t in range(17)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("at", [1, 5, 7, 10, 13])
def test_resuming_gives_the_uninterrupted_training_bit_for_bit(tmp_path, workers, at):
    def make():
        return training(
            loader=lambda: DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=workers),
            accumulate=2,
            clip_norm=0.1,
            ema=0.5,
        )

    whole = make()
    losses = whole.train(RATES[:at])
    whole.save(tmp_path)
    expected = losses + whole.train(RATES[at:]), whole.evaluate()["test_loss"]

    resumed = make()
    resumed.restore(tmp_path)
    assert (losses + resumed.train(RATES[at:]), resumed.evaluate()["test_loss"]) == expected
