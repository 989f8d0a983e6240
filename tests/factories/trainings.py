"""Parts of small trainings: data that draws from every generator, loaders of several kinds, a model, an optimizer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lrbench.torch import Training


class Noisy(Dataset[Any]):
    """Samples of three classes, each read with noise from the global generators of PyTorch, Python and numpy."""

    def __init__(self, samples: int = 40) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if not 0 <= index < self.samples:
            raise IndexError(index)
        noise = torch.rand(6) + random.random() + float(np.random.rand())
        return torch.sin(torch.arange(6) * (index + 1.0)) + 0.3 * noise, index % 3


class OwnRandomness(Dataset[Any]):
    """Samples with noise from generators that the data set holds itself."""

    def __init__(self) -> None:
        self.transforms = (random.Random(1), np.random.default_rng(2), np.random.RandomState(3))

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        python, new, old = self.transforms
        noise = python.random() + float(new.random()) + float(old.rand())
        return torch.sin(torch.arange(6) * (index + 1.0)) + noise, index % 3


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from (Noisy()[index] for index in range(40))


class Drawn:
    """Batches drawn anew each time, by the global generator, as in many language-model trainings."""

    def __iter__(self) -> Iterator[Any]:
        for _ in range(5):
            yield torch.randn(8, 6), torch.randint(3, (8,))


class WithState:
    """Shuffled batches whose position is known to the loader itself; a replay would give others, by its counter."""

    def __init__(self) -> None:
        self.made = 0
        self.order: list[int] = []

    def __iter__(self) -> Iterator[Any]:
        if not self.order:
            self.made += 1
            self.order = torch.randperm(5).tolist()
        while self.order:
            index = self.order.pop()
            generator = torch.Generator().manual_seed(10 * self.made + index)
            yield torch.randn(8, 6, generator=generator), torch.arange(8) % 3

    def state_dict(self) -> dict[str, Any]:
        return {"made": self.made, "order": list(self.order)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.made, self.order = state["made"], list(state["order"])


class Counter:
    """An object with a state of its own, on which the losses depend."""

    count = 0

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count = state["count"]


def shuffled(dataset: Any = None, **options: Any) -> DataLoader[Any]:
    return DataLoader(Noisy() if dataset is None else dataset, batch_size=8, shuffle=True, **options)


def network() -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)
    )


def make_training(batches: Callable[[], Any] = shuffled, seed: int = 0, **options: Any) -> Training:
    """The training of a seed, as a user's function makes it."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    settings = {
        "batches": batches(),
        "loss": torch.nn.CrossEntropyLoss(),
        "evaluate_on": DataLoader(Noisy(), batch_size=16, shuffle=True),
        **options,
    }
    return Training(model, optimizer, **settings)


RATES = [0.02 / (1 + t) for t in range(14)]
"""With 5 batches an epoch: nearly three epochs, and more than five where two batches are accumulated."""
