"""An engine as another package may bring it: it trains in LRBench's own process, with the global random generators."""

from __future__ import annotations

import time

import numpy as np
import torch

from lrbench.data import load
from lrbench.engines.base import Engine, NetJob, Session, TestOutputs, Timing, TrainResult, Usage

VERSION = "1"


class GlobalSession(Session):
    """A softmax regression on batches that NumPy's global generator draws, with dropout by PyTorch's."""

    def __init__(self, job, train_set):
        np.random.seed(job.seed)
        torch.manual_seed(job.seed)
        self.job = job
        images, self.labels = train_set
        self.images = torch.from_numpy(images).float()
        self.weights = torch.randn(self.images.shape[1], job.data.classes) * 0.01

    def train(self, rates):
        losses = []
        for rate in rates:
            chosen = np.random.randint(0, len(self.labels), self.job.batch_size)
            kept = torch.nn.functional.dropout(self.images[chosen], 0.5)
            shares = torch.softmax(kept @ self.weights, 1)
            rows = torch.arange(len(chosen))
            losses.append(float(-shares[rows, self.labels[chosen]].log().mean()))
            shares[rows, self.labels[chosen]] -= 1
            self.weights -= float(rate) * kept.T @ shares / len(chosen)
        return TrainResult(len(losses), float(np.mean(losses)), 0.1, True)

    def evaluate(self):
        count = self.job.data.test_count
        images, labels = self.images.numpy()[:count], self.labels[:count]
        shares = torch.softmax(torch.from_numpy(images).float() @ self.weights, 1).numpy()
        return TestOutputs(shares, labels, float(-np.log(shares[np.arange(len(labels)), labels]).mean()), 0.1)

    def save(self, folder):
        folder.mkdir(parents=True)
        torch.save({"weights": self.weights, "torch": torch.get_rng_state()}, folder / "state.pt")

    def restore(self, folder, evaluations):
        raise NotImplementedError

    def usage(self):
        return Usage(time.process_time(), 1)

    def abort(self):
        """Nothing to end."""

    def close(self):
        """Nothing to give back."""


class GlobalEngine(Engine[NetJob]):
    """Opens such sessions."""

    def __init__(self, site):
        self.site = site

    def describe(self):
        return {"name": "global", "version": VERSION}

    def check(self, job):
        """Takes anything, and reads the images once for all sessions."""
        self.train_set = _flat(load(job.data, "train"))

    def time(self, job):
        return Timing(0.1, 0.1, 0.1)

    def open(self, job):
        return GlobalSession(job, self.train_set)


def _flat(split):
    return split.images.reshape(len(split.images), -1) / 255, split.labels
