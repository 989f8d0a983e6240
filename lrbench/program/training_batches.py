"""The batches of a training: epoch after epoch, with a position that can be saved and restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from lrbench.program.random_states import RandomStates, plain

_END = object()


class Batches:
    """Gives the batches of a loader, which is iterated anew each epoch.

    The position in an epoch is restored by the loader's own ``state_dict`` where it has one, else by a replay: with the
    random states of the epoch's beginning the loader is iterated anew, and the batches used already are passed over.

    Attributes:
        epoch: the number of the current epoch, from 0.
        position: how many batches of it have been used.
    """

    def __init__(self, loader: Any, random_states: RandomStates) -> None:
        self.epoch = 0
        self.position = 0
        self._loader = loader
        self._random_states = random_states
        self._own_state = has_state(loader)
        self._iterator: Iterator[Any] | None = None
        self._beginning: dict[str, Any] | None = None

    def next(self) -> Any:
        """Return the next batch, the first of the next epoch after the last one.

        Raises:
            ValueError: an epoch has no batch.
        """
        while True:
            if self._iterator is None:
                self._begin()
            batch = next(self._iterator, _END)  # type: ignore[arg-type]  # _begin has made it
            if batch is not _END:
                self.position += 1
                return batch
            if self.position == 0:
                raise ValueError(
                    f"Training: batches gives no batch in epoch {self.epoch}: give a loader that is not empty"
                )
            self._iterator, self.epoch, self.position = None, self.epoch + 1, 0

    def state(self) -> dict[str, Any]:
        """Return the position as tensors, numbers, texts and containers alone."""
        begun = self._iterator is not None
        return {
            "epoch": self.epoch,
            "position": self.position,
            "beginning": plain(self._beginning) if begun else None,
            "loader": self._loader.state_dict() if begun and self._own_state else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a saved position; the random states are those of the loader then, no longer those of the training.

        Raises:
            ValueError: the loader has no state, or has fewer batches than were used.
        """
        self._iterator, self._beginning = None, None  # ends the workers of the epoch that is left
        self.epoch, self.position = state["epoch"], state["position"]
        if self._own_state and state["loader"] is not None:
            self._loader.load_state_dict(state["loader"])
            self._begin()
        elif state["beginning"] is not None:
            self._random_states.restore(state["beginning"])
            self._begin()
            self._pass_over(state["position"])

    def _begin(self) -> None:
        """Iterate the loader anew; samplers that shuffle by the epoch's number, as DistributedSampler, are told it."""
        if not self._own_state:
            self._beginning = self._random_states.capture()
        loader: Any = self._loader
        for part in (loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)):
            if callable(set_epoch := getattr(part, "set_epoch", None)):
                set_epoch(self.epoch)
        self._iterator = iter(self._loader)

    def _pass_over(self, count: int) -> None:
        assert self._iterator is not None
        for used in range(count):
            if next(self._iterator, _END) is _END:
                raise ValueError(
                    f"Training: batches gives {used} batches in epoch {self.epoch}, but {count} had been used when "
                    "the training was saved: restore it with the same loader"
                )


def has_state(loader: object) -> bool:
    """Whether the loader saves and restores its position itself, as torchdata's StatefulDataLoader does."""
    return callable(getattr(loader, "state_dict", None)) and callable(getattr(loader, "load_state_dict", None))


def why_not_resumable(loader: Any) -> str | None:
    """Return why the position in the loader cannot be restored exactly, or None if it can.

    A loader with ``state_dict`` and ``load_state_dict`` restores it itself. Any other is replayed, which gives the same
    batches unless they come from an IterableDataset, from workers that outlive an epoch or in the order in which the
    workers finish.
    """
    from torch.utils.data import IterableDataset

    if has_state(loader):
        return None
    if isinstance(getattr(loader, "dataset", None), IterableDataset):
        return "the loader's dataset is an IterableDataset, and the loader has no state_dict to save its position by"
    if getattr(loader, "num_workers", 0) and getattr(loader, "persistent_workers", False):
        return "persistent_workers keeps the loader's workers from epoch to epoch, and their state cannot be saved"
    if getattr(loader, "num_workers", 0) and not getattr(loader, "in_order", True):
        return "in_order=False gives batches in the order in which the loader's workers finish"
    return None


def check_loader(loader: Any, name: str) -> None:
    """Raise TypeError or ValueError unless the loader can be iterated again and again."""
    if hasattr(loader, "__next__"):
        raise ValueError(
            f"Training: {name} is an iterator ({type(loader).__name__}), which ends after one epoch: give what can be "
            "iterated anew, as a DataLoader or a list of batches"
        )
    if not hasattr(loader, "__iter__") and not hasattr(loader, "__getitem__"):
        raise TypeError(f"Training: {name} is {type(loader).__name__}, but must be an iterable of batches")
    with suppress(TypeError):  # no length, or none that is known
        if len(loader) == 0:
            raise ValueError(f"Training: {name} has no batch: give a loader that is not empty")
