"""Loss curves that a known law makes, written as plain sums over iterations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lrbench.predicting.curves import Curve, Floats, Schedule

LENGTH, PEAK = 2000, 0.1


def constant(length: int = LENGTH) -> Floats:
    """A rate that stays."""
    return np.full(length, PEAK)


def cosine(length: int = LENGTH) -> Floats:
    """Half a cosine to 0."""
    return PEAK * (1 + np.cos(np.pi * np.arange(length) / length)) / 2


def wsd(share: float, length: int = LENGTH) -> Floats:
    """A rate that stays, and goes in a straight line to 0 over the last share of the run."""
    return PEAK * np.minimum(1, (length - np.arange(length)) / (share * length))


def true_loss(rates: Floats, iterations: int, offset: float = 0.0) -> float:
    """2 + 3 P^-0.5 + 0.4 n with P the sum of (eta / PEAK)^0.7, n by exponential settling over 50 units of P."""
    relative = rates / PEAK
    sums = np.concatenate([[0.0], np.cumsum(relative**0.7)])
    changes = np.diff(relative[:iterations] ** 0.8)
    gained = sums[iterations] - sums[1:iterations]
    noise = relative[0] ** 0.8 + float(changes @ (1 - np.exp(-gained / 50)))
    return float(2 + 3 * sums[iterations] ** -0.5 + 0.4 * noise) + offset


def curve(
    name: str, rates: Floats, loss: Callable[[Floats, int], float] = true_loss, final: float | None = None
) -> Curve:
    """The curve of a run that was measured at every twentieth of it."""
    iterations = np.arange(1, 21) * (len(rates) // 20)
    losses = np.array([loss(rates, int(iteration)) for iteration in iterations])
    return Curve(Schedule(name, rates), iterations, losses, final)


def three() -> list[Curve]:
    """A constant run, a cosine and a short WSD run: what the law's shape follows from."""
    return [curve("constant", constant()), curve("cosine", cosine()), curve("WSD 0.1", wsd(0.1))]
