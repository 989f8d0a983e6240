"""``Training``: the parts of a PyTorch training, trained by LRBench and resumed exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrbench.program import training_evaluation as evaluation
from lrbench.program import training_file
from lrbench.program.losses import read
from lrbench.program.moving_average import MovingAverage
from lrbench.program.random_states import RandomStates, find_generators, is_generator, plain
from lrbench.program.training_arguments import check_parts, check_settings, rate_ratios, scaler_in
from lrbench.program.training_batches import Batches, why_not_resumable

if TYPE_CHECKING:
    import torch


class Training:
    """The parts of a training: LRBench gives its learning rates, evaluates, saves and resumes it.

    Example::

        def training(seed, split):
            torch.manual_seed(seed)
            model = make_model()
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
            return lrbench.torch.Training(
                model, optimizer, batches=train_loader, loss=nn.CrossEntropyLoss(), evaluate_on=test_loader
            )

    One iteration is one update of the optimizer: the gradient is that of the mean loss over ``accumulate`` batches, its
    norm is at most ``clip_norm``, and the learning rate of each parameter group is ``rate * ratio``, where the group's
    ratio is its initial ``lr`` divided by that of the first group. Tensors of a batch are moved to the device of the
    model's first parameter. A model that is in evaluation mode is set to training mode; else each of its modules trains
    in the mode that it has.

    Resuming is exact, on the CPU bit for bit. The random generators are Python's, numpy's and PyTorch's global ones and
    those that the arguments hold when ``Training`` is made: in attributes, such as a loader's ``generator``, in objects
    there, or in variables that their functions use. A loader with ``state_dict`` and ``load_state_dict`` restores its
    position itself. Any other is replayed: its epoch is begun anew, and the batches used already are passed over, which
    takes as long as loading them. That gives the same batches unless the loader keeps a state from epoch to epoch, or
    has global generators that the training uses, too, choose in mid-epoch what later batches hold.

    Args:
        model: the module to train.
        optimizer: its optimizer, whose ``step()`` needs no closure.
        batches: an iterable of batches that is iterated anew each epoch: a DataLoader, a list of batches or any other
            that is no iterator itself. Samplers with ``set_epoch`` are told the number of the epoch, from 0.
        loss: ``loss(outputs, targets)`` for batches that are pairs (inputs, targets); returns a tensor of one number.
        evaluate_on: the batches of an evaluation. It gives ``test_loss``, the mean over samples: the sum of loss times
            batch size, divided by the number of samples. For outputs (N, C) and N integer targets it also gives
            ``probabilities``, the softmax of the outputs unless these are probabilities, and ``labels``.
        accumulate: batches of an iteration.
        clip_norm: maximum of the gradient's 2-norm over all the optimizer's parameters; None does not clip.
        ema: decay of an exponential moving average of the parameters, in [0, 1): after each iteration
            ``average = decay * average + (1 - decay) * parameter``; the first iteration copies the parameters. Running
            statistics of normalisation layers are averaged likewise, other buffers copied. The average is evaluated.
        step: ``step(model, batch)``, which returns the loss of a batch of any form; replaces the model's call and
            ``loss``. Without ``loss`` and ``evaluate`` it gives the losses of ``evaluate_on``, too.
        evaluate: ``evaluate(model)``, which returns a dict of metrics, numbers by name; replaces the default
            evaluation. It is called in evaluation mode without gradients.
        state: further objects to save, by name, each with ``state_dict`` and ``load_state_dict``, or random generators.
            A ``torch.amp.GradScaler`` among them scales the losses.

    Raises:
        TypeError, ValueError: an argument is impossible; the text names it.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        batches: Iterable[Any],
        loss: Callable[[Any, Any], torch.Tensor] | None = None,
        evaluate_on: Iterable[Any] | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        ema: float | None = None,
        step: Callable[[Any, Any], torch.Tensor] | None = None,
        evaluate: Callable[[Any], Mapping[str, Any]] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.iteration = 0
        self._loader, self._evaluate_on = batches, evaluate_on
        self._loss, self._step, self._evaluate_by = loss, step, evaluate
        self._accumulate, self._clip_norm = accumulate, clip_norm
        self._state = dict(state or {})
        check_parts(model, optimizer, batches, evaluate_on)
        check_settings(accumulate, clip_norm, ema, self._state)
        if step is None and loss is None:
            raise TypeError("Training: loss is missing: give loss=, or step= for batches that are no pairs")
        if evaluate_on is None and evaluate is None:
            raise TypeError("Training: evaluate_on is missing: give evaluate_on= or evaluate=")
        self.own_rate = float(optimizer.param_groups[0].get("initial_lr", optimizer.param_groups[0]["lr"]))
        self._ratios = rate_ratios(optimizer)
        self._scaler = scaler_in(self._state)
        self._average = None if ema is None else MovingAverage(model, ema)
        held: dict[str, object] = {"batches": batches, "evaluate_on": evaluate_on, "model": model, "state": self._state}
        held = {**held, "loss": loss, "step": step, "evaluate": evaluate}
        self._random_states = RandomStates(find_generators(held))
        self._batches = Batches(batches, self._random_states)
        if not model.training:
            model.train()

    @property
    def resumable(self) -> str | None:
        """Why the training cannot be saved and resumed exactly, in words, or None if it can."""
        return why_not_resumable(self._loader)

    @property
    def epoch_iterations(self) -> int | None:
        """Number of iterations in an epoch, at least 1; None where the loader does not tell its batches."""
        try:
            return max(1, len(self._loader) // self._accumulate)  # type: ignore[arg-type]
        except TypeError:
            return None

    def train(self, rates: Sequence[float]) -> list[float]:
        """Train one iteration for each rate, and return the training loss of each.

        A loss that is not finite does not end the training. The losses are read once, after the last iteration.

        Args:
            rates: the learning rates of the first parameter group, which has exactly these.

        Raises:
            TypeError: a batch is not a pair and ``step`` is missing, or the loss is not a tensor with one element.
            ValueError: an epoch has no batch.
        """
        device = evaluation.device_of(self.model)
        losses = []
        for rate in rates:
            self._set_rate(rate)
            losses.append(self._train_iteration(device))
            self.iteration += 1
        return read(losses)

    def evaluate(self) -> dict[str, Any]:
        """Evaluate the model, or its moving average, and return the metrics by name.

        The training goes on as if there had been no evaluation: random states and modes of modules are restored.

        Raises:
            TypeError: ``evaluate`` returned no dict of numbers, or a batch does not fit.
            ValueError: there is no batch to evaluate on.
        """
        model = self.model if self._average is None else self._average.model
        with self._random_states.kept(), evaluation.evaluating(model):
            if self._evaluate_by is not None:
                return evaluation.numbers(self._evaluate_by(model))
            assert self._evaluate_on is not None
            if self._loss is not None:
                return evaluation.evaluate_by_loss(model, self._evaluate_on, self._loss)
            assert self._step is not None
            return evaluation.evaluate_by_step(model, self._evaluate_on, self._step)

    def save(self, folder: str | Path) -> None:
        """Save the complete state of the training as ``training.pt`` in an existing folder.

        These are the states of the model, the optimizer, the moving average, a loss with a ``state_dict`` and the
        objects of ``state``; the iteration, the epoch and the position in it; and all random states. The file holds
        tensors, numbers, texts and containers alone: ``torch.load(weights_only=True)`` reads it.

        Raises:
            ValueError: the training is not ``resumable``.
            TypeError: a state holds something else; the text names it.
        """
        if self.resumable is not None:
            raise ValueError(f"Training: it cannot be saved: {self.resumable}")
        with self._random_states.kept():  # a loader's or another object's state_dict may draw
            states = {name: part.state_dict() for name, part in self._parts().items()}
            position = self._batches.state()
        training_file.write(
            folder,
            {
                "states": states,
                "iteration": self.iteration,
                "batches": position,
                "random": plain(self._random_states.capture()),
            },
        )

    def restore(self, folder: str | Path) -> None:
        """Go on from what ``save`` has written, in a training that is made of the same parts.

        Raises:
            ValueError: the parts are others, or the loader has fewer batches.
        """
        saved = training_file.read(folder)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self._batches.restore(saved["batches"])
        training_file.load_states(self._parts(), saved["states"])
        for group, rate in zip(self.optimizer.param_groups, rates):
            if hasattr(rate, "fill_"):  # a compiled or captured step reads this very tensor
                group["lr"] = rate.fill_(group["lr"])
        self.iteration = saved["iteration"]
        self._random_states.restore(saved["random"])

    def describe(self) -> dict[str, str]:
        """Return labels of the training: its optimizer, model, parameters, dataset and samples, as far as known."""
        labels = {
            "optimizer": type(self.optimizer).__name__,
            "model": type(getattr(self.model, "_orig_mod", self.model)).__name__,
            "parameters": str(sum(parameter.numel() for parameter in self.model.parameters())),
        }
        dataset: Any = getattr(self._loader, "dataset", None)
        if hasattr(dataset, "__len__"):
            labels["samples"] = str(len(dataset))
        while type(dataset).__name__ == "Subset":
            dataset = dataset.dataset
        return labels if dataset is None else {**labels, "dataset": type(dataset).__name__}

    def _set_rate(self, rate: float) -> None:
        for group, ratio in zip(self.optimizer.param_groups, self._ratios):
            value = rate * ratio
            if hasattr(group["lr"], "fill_"):
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def _train_iteration(self, device: torch.device | None) -> torch.Tensor:
        """Update the optimizer once, and return the mean loss of the batches."""
        self.optimizer.zero_grad()
        losses = [self._add_gradient(device) for _ in range(self._accumulate)]
        if self._clip_norm is not None:
            self._clip(self._clip_norm)
        if self._scaler is None:
            self.optimizer.step()
        else:
            self._scaler.step(self.optimizer)
            self._scaler.update()
        if self._average is not None:
            self._average.update(self.model)
        return losses[0] if len(losses) == 1 else sum(losses[1:], losses[0]) / len(losses)

    def _add_gradient(self, device: torch.device | None) -> torch.Tensor:
        """Add the gradient of the next batch's share in the mean loss; returns the loss, without its graph."""
        batch = evaluation.on_device(self._batches.next(), device)
        if self._step is not None:
            loss = evaluation.scalar(self._step(self.model, batch), "step")
        else:
            assert self._loss is not None
            inputs, targets = evaluation.pair(batch, "batches")
            loss = evaluation.scalar(self._loss(self.model(inputs), targets), "loss")
        share = loss if self._accumulate == 1 else loss / self._accumulate
        (share if self._scaler is None else self._scaler.scale(share)).backward()
        return loss.detach().clone()  # a compiled model may write its next loss into the same memory

    def _clip(self, norm: float) -> None:
        import torch

        if self._scaler is not None:
            self._scaler.unscale_(self.optimizer)
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, norm)

    def _parts(self) -> dict[str, Any]:
        """The objects whose states are saved, by name."""
        parts = {"model": self.model, "optimizer": self.optimizer}
        if self._average is not None:
            parts["ema"] = self._average
        if hasattr(self._loss, "state_dict"):
            parts["loss"] = self._loss
        further = {f"state[{name!r}]": part for name, part in self._state.items() if not is_generator(part)}
        return {**parts, **further}
