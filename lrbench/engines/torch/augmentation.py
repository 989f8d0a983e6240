"""Where each sample is cropped and whether it is mirrored: random numbers that depend on their own place alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORDS = 4
"""64-bit words of one block of Philox; each sample has a block of its own: row, column, mirror, and one to spare."""


@dataclass(frozen=True)
class Augmentation:
    """What may vary from sample to sample.

    The numbers of sample s are block s of numpy's Philox4x64-10 under the key (seed, phase): a function of those
    three, whatever was drawn before. They are not the numbers that Caffe draws under the same seed.

    Attributes:
        seed: of the run.
        phase: Caffe's number of the phase, so that training and testing do not share numbers.
        rows: how many places a window has vertically, and ``columns`` horizontally; 1 where it does not vary.
        mirror: whether half of the samples are flipped.
    """

    seed: int
    phase: int
    rows: int = 1
    columns: int = 1
    mirror: bool = False

    @property
    def random(self) -> bool:
        """Whether anything varies."""
        return self.mirror or self.rows > 1 or self.columns > 1

    def draw(self, first: int, count: int) -> NDArray[np.int64]:
        """Row, column and mirroring (0 or 1) of ``count`` samples from sample ``first`` on, shape (count, 3)."""
        if not self.random:
            return np.zeros((count, 3), np.int64)
        key = np.array([self.seed, self.phase], np.uint64)
        words = np.random.Philox(key=key, counter=first).random_raw(WORDS * count).reshape(count, WORDS)
        choices = np.array([self.rows, self.columns, 2 if self.mirror else 1], np.uint64)
        drawn: NDArray[np.int64] = (words[:, :3] % choices).astype(np.int64)  # the bias is below 2^-50
        return drawn
