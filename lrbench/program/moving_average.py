"""The exponential moving average of a model, its normalisation layers' running statistics included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class MovingAverage:
    """Averages a model: ``average = decay * average + (1 - decay) * value``, from the first update's values on.

    Averaged are the parameters and the running mean and variance of normalisation layers. Other buffers are copied, as
    an average of masks with infinities or of integers would be none.

    Attributes:
        model: a model with the averages, the given one's copy.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self._averaged = AveragedModel(model, multi_avg_fn=average)
        self._decay = decay
        self.model: torch.nn.Module = self._averaged.module
        self._statistics = [
            buffer
            for layer in self.model.modules()
            if hasattr(layer, "track_running_stats")
            for buffer in layer.buffers(recurse=False)
            if buffer.is_floating_point()
        ]

    def update(self, model: torch.nn.Module) -> None:
        """Take the values that the model has now into the average."""
        is_first = int(self._averaged.n_averaged) == 0
        averages = [statistic.clone() for statistic in self._statistics]
        self._averaged.update_parameters(model)  # copies the buffers
        if not is_first:
            for statistic, average in zip(self._statistics, averages):
                statistic.lerp_(average, self._decay)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and the number of updates."""
        return self._averaged.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with saved averages."""
        self._averaged.load_state_dict(state)
