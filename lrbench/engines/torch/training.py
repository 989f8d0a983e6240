"""One run in training: its net, parameters, solver state and place in the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data import Prepared
from lrbench.engines.torch.data import Batches
from lrbench.engines.torch.model import Model
from lrbench.engines.torch.solvers import Solver
from lrbench.engines.torch.update_rules import make_solver
from lrbench.engines.torch.weights import read_caffemodel, write_caffemodel
from lrbench.nets import read_net
from lrbench.nets.caffe_pb2 import TEST, TRAIN
from lrbench.spec.model import SolverSettings

WEIGHTS, STATE = "net.caffemodel", "state.npz"


@dataclass(frozen=True)
class Source:
    """A bound net on disk.

    Attributes:
        path: its prototxt.
        batch_sizes: samples in a batch of the training and of the test phase.
        loss_blob: the training phase's main loss; None where only the sum of all losses is known.
    """

    path: Path
    batch_sizes: tuple[int, int]
    loss_blob: str | None


@dataclass
class Training:
    """What changes while a run is trained, and how.

    Attributes:
        model: both phases of the net.
        batches, test_batches: the data of each phase.
        parameters: of the training phase; ``test_only`` those that only the test phase has.
        state: the solver's.
        generator: where Dropout draws from.
        loss_blob: the training phase's main loss; None where only the sum of all losses is known.
        iteration: updates done.
    """

    model: Model
    batches: Batches
    test_batches: Batches
    solver: Solver
    iter_size: int
    parameters: list[Tensor]
    test_only: list[Tensor]
    state: list[Tensor]
    generator: torch.Generator
    loss_blob: str | None
    iteration: int = 0

    @classmethod
    def open(cls, source: Source, data: Prepared, settings: SolverSettings, seed: int,
             device: torch.device) -> Training:
        """Read the bound net and its data; the seed decides initial weights, crops, mirroring and dropout.

        Raises:
            NetError, DataError: as the parts do.
        """
        model = Model.of(read_net(source.path), data, source.batch_sizes)
        initial = torch.Generator().manual_seed(seed)
        parameters = model.train.initial(initial, device=device)
        for tensor, spec in zip(parameters, model.train.parameters, strict=True):
            tensor.requires_grad_(spec.learnable)
        solver = make_solver(settings, model.train.parameters)
        return cls(
            model=model,
            batches=Batches.of(data, model.train_data, TRAIN, seed, device),
            test_batches=Batches.of(data, model.test_data, TEST, seed, device),
            solver=solver,
            iter_size=settings.iter_size,
            parameters=parameters,
            test_only=model.test.initial(initial, device=device),
            state=solver.state(parameters),
            generator=torch.Generator(device).manual_seed(seed),
            loss_blob=source.loss_blob,
        )

    def train(self, rates: NDArray[np.float64],
              progress: Callable[[float, float], None]) -> tuple[NDArray[np.float64], bool]:
        """Train one iteration a rate, up to the first whose objective is not finite.

        Returns:
            The main losses of the iterations done, and whether every objective was finite.
        """
        losses = []
        for rate in rates.tolist():
            loss, objective = self._iterate(rate)
            losses.append(loss)
            if not np.isfinite(objective):
                return np.array(losses), False
            progress(loss, rate)
        return np.array(losses), True

    def _iterate(self, rate: float) -> tuple[float, float]:
        learnable = [tensor for tensor in self.parameters if tensor.requires_grad]
        loss, objective, gradients = self._pass(0, learnable)
        for part in range(1, self.iter_size):
            more, more_objective, others = self._pass(part, learnable)
            loss, objective = loss + more, objective + more_objective
            torch._foreach_add_(gradients, others)
        found = iter(gradients)
        aligned = [next(found) if tensor.requires_grad else None for tensor in self.parameters]
        self.solver.step(self.parameters, aligned, self.state, rate, self.iteration)
        self.iteration += 1
        return loss / self.iter_size, objective / self.iter_size

    def _pass(self, part: int, learnable: list[Tensor]) -> tuple[float, float, list[Tensor]]:
        """Main loss, weighted sum of all losses, and gradients of one batch of the iteration."""
        images, labels = self.model.train_data.top
        data, label = self.batches.batch(self.iteration * self.iter_size + part)
        outputs = self.model.train.forward(self.parameters, {images: data, labels: label}, self.generator)
        gradients = torch.autograd.grad(outputs.loss, learnable, allow_unused=True, materialize_grads=True)
        objective = float(outputs.loss.detach())
        loss = float(outputs.blobs[self.loss_blob].detach()) if self.loss_blob else objective
        return loss, objective, list(gradients)

    @torch.no_grad()
    def evaluate(self, count: int, blobs: dict[str, str]) -> tuple[NDArray[np.float32], NDArray[np.int64], float]:
        """Probabilities, labels and mean loss over the first ``count`` test batches; ``blobs`` names theirs."""
        probabilities, labels, losses = [], [], []
        for index in range(count):
            made = self._test(index)
            probabilities.append(made[blobs["probabilities"]].flatten(1))
            labels.append(made[blobs["label"]])
            losses.append(made[blobs["loss"]].double())
        return (torch.cat(probabilities).float().cpu().numpy(), torch.cat(labels).cpu().numpy(),
                float(torch.stack(losses).mean()))

    @torch.no_grad()
    def run_tests(self, count: int) -> None:
        """Run test batches for their time alone."""
        for index in range(count):
            self._test(index)

    def _test(self, index: int) -> dict[str, Tensor]:
        images, labels = self.model.test_data.top
        data, label = self.test_batches.batch(index)
        parameters = self.model.for_test(self.parameters, self.test_only)
        return self.model.test.forward(parameters, {images: data, labels: label}).blobs

    def save(self, folder: Path) -> None:
        """Weights in Caffe's own format, and the rest as plain arrays."""
        write_caffemodel(folder / WEIGHTS, self.model.train, self.parameters)
        arrays: dict[str, Any] = {f"history_{index}": tensor.cpu().numpy() for index, tensor in enumerate(self.state)}
        arrays |= {"iteration": self.iteration, "generator": self.generator.get_state().numpy()}
        with (folder / STATE).open("wb") as file:
            np.savez(file, **arrays)

    @torch.no_grad()
    def restore(self, folder: Path) -> None:
        """Go on from what ``save`` wrote; the data follow from the iteration alone."""
        read_caffemodel(folder / WEIGHTS, self.model.train, self.parameters)
        with np.load(folder / STATE, allow_pickle=False) as stored:
            self.iteration = int(stored["iteration"])
            self.generator.set_state(torch.from_numpy(stored["generator"]))
            for index, tensor in enumerate(self.state):
                tensor.copy_(torch.from_numpy(stored[f"history_{index}"]))
