"""One run in training: its parameters, solver state and place in the data, beside others in one session.

Lanes hold nothing of each other, so that each gives bit for bit what it gives alone: on a CPU with the same number of
threads and the same kind of processor, whatever the others do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.engines.torch.data import Batches
from lrbench.engines.torch.session_inputs import SessionInputs
from lrbench.engines.torch.solvers import Now, Solver, make_solver
from lrbench.engines.torch.weights import read_caffemodel, write_caffemodel
from lrbench.spec.model import SolverSettings
from lrbench.spec.sections import Order
from lrbench.storage import open_regular

WEIGHTS, STATE = "net.caffemodel", "state.npz"

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Tested:
    """Outputs on the test set: probabilities and scores, None if not asked for, of shape (samples, classes)."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    loss: float
    scores: NDArray[np.float32] | None


@dataclass(eq=False)
class Lane:
    """State of a run in training, and the steps that change it.

    Attributes:
        inputs: net and data.
        seed: of initial weights, crops, mirroring and dropout, and of the order of the samples where it gives that.
        batches, test_batches: the data of each phase as this run reads them.
        parameters: of the training phase; ``test_only`` those that only the test phase has.
        state: the solver's.
        generator: where Dropout draws from.
        momenta: of each iteration of the run, where a policy gives them.
        done: updates done, as the device counts them; ``iteration`` as the host does, between stretches alone.
    """

    inputs: SessionInputs
    seed: int
    batches: Batches
    test_batches: Batches
    solver: Solver
    iter_size: int
    parameters: list[Tensor]
    test_only: list[Tensor]
    state: list[Tensor]
    generator: torch.Generator
    momenta: Tensor | None
    done: Tensor
    iteration: int = 0

    @classmethod
    def open(
        cls,
        inputs: SessionInputs,
        settings: SolverSettings,
        seed: int,
        order: Order = "as stored",
        momenta: NDArray[np.float32] | None = None,
    ) -> Lane:
        """A lane with initial weights."""
        train, device = inputs.model.train, inputs.device
        initial = torch.Generator().manual_seed(seed)
        parameters = train.initial(initial, device=device)
        for tensor, spec in zip(parameters, train.parameters, strict=True):
            tensor.requires_grad_(spec.learnable)
        solver = make_solver(settings, train.parameters)
        return cls(
            inputs=inputs,
            seed=seed,
            batches=inputs.batches.with_seed(seed, order),
            test_batches=inputs.test_batches.with_seed(seed),
            solver=solver,
            iter_size=settings.iter_size,
            parameters=parameters,
            test_only=inputs.model.test.initial(initial, device=device),
            state=solver.state(parameters),
            generator=torch.Generator(device).manual_seed(seed),
            momenta=None if momenta is None else torch.from_numpy(momenta).to(device),
            done=torch.zeros((), dtype=torch.int64, device=device),
        )

    def iterate(self, batches: Sequence[Batch], rate: Tensor) -> Tensor:
        """One iteration, put on the device and not waited for.

        Args:
            batches: ``iter_size`` of them.
            rate: as the solver wants it.

        Returns:
            The main loss and the sum of all losses with their weights, the objective; float64 of shape (2,).
        """
        learnable = [tensor for tensor in self.parameters if tensor.requires_grad]
        losses, gradients = self._pass(batches[0], learnable)
        for batch in batches[1:]:
            more, others = self._pass(batch, learnable)
            losses = losses + more
            torch._foreach_add_(gradients, others)
        found = iter(gradients)
        aligned = [next(found) if tensor.requires_grad else None for tensor in self.parameters]
        momentum = None if self.momenta is None else self.momenta.index_select(0, self.done.view(1))[0]
        self.solver.step(self.parameters, aligned, self.state, Now(rate, self.done, momentum))
        self.done.add_(1)
        return losses / self.iter_size

    def _pass(self, batch: Batch, learnable: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Both losses and the gradients of one batch of the iteration."""
        images, labels = self.inputs.model.train_data.top
        inputs = dict(zip((images, labels), batch, strict=True))
        outputs = self.inputs.model.train.forward(self.parameters, inputs, self.generator)
        gradients = torch.autograd.grad(outputs.loss, learnable, allow_unused=True, materialize_grads=True)
        objective = outputs.loss.detach()
        loss = outputs.blobs[self.inputs.loss_blob].detach() if self.inputs.loss_blob else objective
        return torch.stack((loss, objective)).double(), list(gradients)

    @torch.no_grad()
    def evaluate(self, count: int, blobs: dict[str, str]) -> Tested:
        """The outputs over the first ``count`` test batches; ``blobs`` names theirs, the scores if they are wanted."""
        found: dict[str, list[Tensor]] = {name: [] for name in blobs}
        for index in range(count):
            made = self._test(index)
            for name, blob in blobs.items():
                value = made[blob]
                found[name].append(value.flatten(1) if name in ("probabilities", "scores") else value)
        tables = {
            name: torch.cat(found[name]).float().cpu().numpy() for name in ("probabilities", "scores") if name in blobs
        }
        return Tested(
            tables["probabilities"],
            torch.cat(found["label"]).cpu().numpy(),
            float(torch.stack([loss.double() for loss in found["loss"]]).mean()),
            tables.get("scores"),
        )

    @torch.no_grad()
    def run_tests(self, count: int) -> None:
        """Run test batches for their time alone."""
        for index in range(count):
            self._test(index)
        if self.done.is_cuda:
            torch.cuda.synchronize(self.done.device)

    def _test(self, index: int) -> dict[str, Tensor]:
        model = self.inputs.model
        images, labels = model.test_data.top
        data, label = self.test_batches.batch(index)
        parameters = model.for_test(self.parameters, self.test_only)
        return model.test.forward(parameters, {images: data, labels: label}).blobs

    def save(self, folder: Path) -> None:
        """Weights in Caffe's own format, and the rest as plain arrays."""
        write_caffemodel(folder / WEIGHTS, self.inputs.model.train, self.parameters)
        arrays: dict[str, Any] = {f"history_{index}": tensor.cpu().numpy() for index, tensor in enumerate(self.state)}
        arrays |= {"iteration": self.iteration, "generator": self.generator.get_state().numpy()}
        with (folder / STATE).open("wb") as file:
            np.savez(file, **arrays)

    @torch.no_grad()
    def restore(self, folder: Path) -> None:
        """Go on from what ``save`` wrote; the data follow from the iteration alone."""
        read_caffemodel(folder / WEIGHTS, self.inputs.model.train, self.parameters)
        with open_regular(folder / STATE) as file, np.load(file, allow_pickle=False) as stored:
            self.iteration = int(stored["iteration"])
            self.done.fill_(self.iteration)
            self.generator.set_state(torch.from_numpy(stored["generator"]))
            for index, tensor in enumerate(self.state):
                tensor.copy_(torch.from_numpy(stored[f"history_{index}"]))
