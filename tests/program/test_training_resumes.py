"""A training that goes on from what it saved ends as one that was never interrupted: bit for bit, on a CPU."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'lrbench[torch]'")

import numpy as np  # noqa: E402
from factories.trainings import (  # noqa: E402
    RATES,
    Counter,
    Drawn,
    Noisy,
    OwnRandomness,
    Stream,
    WithState,
    make_training,
    shuffled,
)
from torch.nn import CrossEntropyLoss  # noqa: E402
from torch.utils.data import DataLoader, RandomSampler, WeightedRandomSampler  # noqa: E402

ALL: dict[str, Any] = {"accumulate": 2, "clip_norm": 0.1, "ema": 0.5}


def end(training):
    """All that a training has come to, in numbers."""
    evaluation = {name: torch.as_tensor(value).tolist() for name, value in training.evaluate().items()}
    weights = {name: value.tolist() for name, value in training.model.state_dict().items()}
    return {"iteration": training.iteration, **evaluation, **weights}


def check_resuming(make, folder, *positions, iterations=None):
    """Compare an uninterrupted training with one that is saved at each position and restored in parts made anew."""
    whole = make()
    losses = whole.train(RATES[:iterations])
    expected = end(whole)

    interrupted, done, trained = make(), 0, []
    for at in positions:
        trained += interrupted.train(RATES[done:at])
        interrupted.evaluate()
        place = folder / str(len(list(folder.iterdir())))
        place.mkdir()
        interrupted.save(place)
        interrupted.train(RATES[:2])  # lost
        interrupted, done = make(), at
        interrupted.restore(place)
    trained += interrupted.train(RATES[done:iterations])
    assert trained == losses
    assert end(interrupted) == expected


@pytest.mark.parametrize("at", [0, 1, 4, 5, 6, 10, 13])
@pytest.mark.parametrize("options", [{}, ALL], ids=["plain", "all options"])
def test_at_every_kind_of_position(tmp_path, at, options):
    check_resuming(lambda: make_training(**options), tmp_path, at)


@pytest.mark.parametrize("positions", [(3, 4, 5), (5, 10), (2, 2)])
def test_again_and_again(tmp_path, positions):
    check_resuming(lambda: make_training(**ALL), tmp_path, *positions)


@pytest.mark.usefixtures("warm_programs")
@pytest.mark.engines
@pytest.mark.parametrize(("method", "iterations"), [("fork", 7), ("spawn", 5)])  # of 6 an epoch
def test_with_two_workers(tmp_path, method, iterations):
    loader = partial(shuffled, Noisy(96), num_workers=2, multiprocessing_context=method)
    check_resuming(lambda: make_training(loader, **ALL), tmp_path, 3, iterations=iterations)


def generator():
    return torch.Generator().manual_seed(5)


def sampled(make_sampler):
    return DataLoader(Noisy(), batch_size=8, sampler=make_sampler(Noisy()))


class Shuffled:
    """A sampler of one's own with a numpy generator of its own."""

    def __init__(self, samples):
        self.samples, self.random = samples, np.random.default_rng(4)

    def __iter__(self):
        return iter(self.random.permutation(self.samples).tolist())

    def __len__(self):
        return self.samples


class ByEpoch:
    """Shuffles by the number of the epoch, and fails where it is not told it."""

    order: list[int]

    def set_epoch(self, epoch):
        self.order = np.random.default_rng(epoch).permutation(40).tolist()

    def __iter__(self):
        return iter(self.order)

    def __len__(self):
        return 40


LOADERS = {
    "own generator": lambda: shuffled(generator=generator()),
    "with replacement": lambda: sampled(lambda data: RandomSampler(data, replacement=True, generator=generator())),
    "sampler's generator": lambda: sampled(lambda data: RandomSampler(data, generator=generator())),
    "weighted sampler": lambda: sampled(lambda data: WeightedRandomSampler([1.0, 2.0] * 20, 40)),
    "sampler of one's own": lambda: sampled(lambda data: Shuffled(40)),
    "sampler with set_epoch": lambda: sampled(lambda data: ByEpoch()),
    "generators of the data set": lambda: shuffled(OwnRandomness()),
    "batches drawn by the global generator": Drawn,
    "a list": lambda: [(torch.sin(torch.arange(48.0) * n).reshape(8, 6), torch.arange(8) % 3) for n in range(5)],
    "own state": WithState,
}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS.keys())
def test_with_every_kind_of_loader(tmp_path, loader):
    check_resuming(partial(make_training, loader), tmp_path, 2, 5, 8)


def mixed_up(random, counter):
    def step(model, batch):
        counter.count += 1
        inputs, targets = batch
        return torch.nn.functional.cross_entropy(model(inputs * float(random.beta(1, 1))), targets) * counter.count

    return step


def test_further_state_and_generators_that_only_step_uses(tmp_path):
    def make():
        counter = Counter()
        step = mixed_up(np.random.default_rng(1), counter)
        return make_training(step=step, state={"counter": counter})

    check_resuming(make, tmp_path, 3, 7)


def test_a_generator_given_as_state(tmp_path):
    def make():
        own = [np.random.default_rng(1)]

        def step(model, batch):
            return torch.nn.functional.cross_entropy(model(batch[0]), batch[1]) * float(own[0].random())

        return make_training(step=step, state={"own": own[0]})

    check_resuming(make, tmp_path, 3)


def test_a_loss_with_parameters_and_a_gradient_scaler(tmp_path):
    class Learned(CrossEntropyLoss):
        def __init__(self):
            super().__init__()
            self.calls = torch.nn.Buffer(torch.tensor(1.0))

        def forward(self, outputs, targets):
            if outputs.requires_grad:
                self.calls += 1
            return super().forward(outputs, targets) * self.calls

    def make():
        scaler = torch.amp.GradScaler("cpu", init_scale=3.0, growth_factor=1.7, growth_interval=2)
        return make_training(loss=Learned(), clip_norm=0.1, state={"scaler": scaler})

    check_resuming(make, tmp_path, 3, 6)


def test_a_rate_in_a_tensor_stays_that_tensor(tmp_path):
    def make():
        training = make_training()
        training.optimizer.param_groups[0]["lr"] = torch.tensor(0.01)
        return training

    check_resuming(make, tmp_path, 3)
    resumed = make()
    rate = resumed.optimizer.param_groups[0]["lr"]
    resumed.restore(tmp_path / "0")
    assert resumed.optimizer.param_groups[0]["lr"] is rate
    assert rate == torch.tensor(RATES[2])


def test_the_file_is_read_without_unpickling(tmp_path):
    training = make_training(**ALL, state={"random": np.random.Generator(np.random.Philox(1))})
    training.train(RATES[:3])
    training.save(tmp_path)
    saved = torch.load(tmp_path / "training.pt", weights_only=True)
    assert saved["iteration"] == 3


def test_restoring_replaces_what_was_trained_since(tmp_path):
    training = make_training(**ALL)
    training.train(RATES[:4])
    training.save(tmp_path)
    losses = training.train(RATES[4:])
    expected = end(training)
    training.restore(tmp_path)
    assert training.train(RATES[4:]) == losses
    assert end(training) == expected


RESUMABLE = {
    "a data loader": (shuffled, None),
    "own state": (WithState, None),
    "an iterable data set": (lambda: DataLoader(Stream(), batch_size=8), "the loader's dataset is an IterableDataset"),
    "persistent workers": (lambda: shuffled(num_workers=1, persistent_workers=True), "persistent_workers keeps"),
    "order of finishing": (lambda: shuffled(num_workers=1, in_order=False), "in_order=False gives"),
}


@pytest.mark.parametrize(("loader", "reason"), RESUMABLE.values(), ids=RESUMABLE.keys())
def test_says_before_training_whether_it_can_be_resumed(tmp_path, loader, reason):
    training = make_training(loader)
    if reason is None:
        assert training.resumable is None
        return
    assert str(training.resumable).startswith(reason)
    with pytest.raises(ValueError, match=f"^Training: it cannot be saved: {reason}"):
        training.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_iterable_data_set_can_be_trained_on():
    training = make_training(lambda: DataLoader(Stream(), batch_size=8))
    assert len(training.train(RATES[:7])) == 7


class Unreadable(Counter):
    def state_dict(self):
        return {"count": [np.zeros(2)]}


def test_a_state_that_cannot_be_read_again_is_refused(tmp_path):
    training = make_training(state={"unreadable": Unreadable()})
    reason = r"^Training: states\[\"state\['unreadable'\]\"\]\['count'\] holds a numpy.ndarray, which cannot be saved"
    with pytest.raises(TypeError, match=reason):
        training.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_parts_are_refused(tmp_path):
    training = make_training()
    training.train(RATES[:5])
    training.save(tmp_path)
    with pytest.raises(ValueError, match=r"^Training: saved with the states of loss, model, optimizer, but has ema, "):
        make_training(ema=0.5).restore(tmp_path)
    with pytest.raises(ValueError, match=r"^Training: batches gives 2 batches in epoch 0, but 5 had been used when"):
        make_training(lambda: shuffled(Noisy(16))).restore(tmp_path)
    other = make_training()
    other.model.add_module("more", torch.nn.Linear(3, 3))
    with pytest.raises(ValueError, match=r"^Training: the saved model does not fit this model: .*more\.weight"):
        other.restore(tmp_path)


class FakeDevices:
    """Random generators of two devices, in place of those of ``torch.cuda`` or ``torch.mps``."""

    def __init__(self) -> None:
        self.states = [torch.tensor([1], dtype=torch.uint8), torch.tensor([2], dtype=torch.uint8)]

    def draw(self) -> list[int]:
        """The next number of each device."""
        self.states = [state * 5 + 3 for state in self.states]
        return [int(state) for state in self.states]

    def set_state(self, state: Any, device: int = 0) -> None:
        self.states[device] = state.clone()


@pytest.fixture(params=["cuda", "mps"])
def devices(request, monkeypatch):
    fake = FakeDevices()
    if request.param == "cuda":
        if torch.backends.cuda.is_built():
            pytest.skip("PyTorch is built with CUDA, and takes GPUs that are made up for real ones")
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: [state.clone() for state in fake.states])
        monkeypatch.setattr(torch.cuda, "set_rng_state", fake.set_state)
    else:
        fake.states = fake.states[:1]
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        monkeypatch.setattr(torch.mps, "get_rng_state", lambda: fake.states[0].clone())
        monkeypatch.setattr(torch.mps, "set_rng_state", fake.set_state)
    return fake


def test_random_states_of_devices_are_saved_and_kept_in_evaluations(tmp_path, devices):
    training = make_training()
    training.train(RATES[:2])
    training.save(tmp_path)
    expected = [devices.draw(), devices.draw()]
    again = make_training(evaluate=lambda model: {"test_loss": float(devices.draw()[0])})
    again.restore(tmp_path)
    drawn = [devices.draw()]
    again.evaluate()
    assert [*drawn, devices.draw()] == expected


def test_states_of_devices_that_are_not_there_are_passed_over(tmp_path, devices, monkeypatch):
    training = make_training()
    training.train(RATES[:2])
    training.save(tmp_path)
    with monkeypatch.context() as without:
        without.setattr(torch.cuda, "is_available", lambda: False)
        without.setattr(torch.backends.mps, "is_available", lambda: False)
        without.setattr(torch.cuda, "is_initialized", lambda: False)
        before = devices.draw()
        make_training().restore(tmp_path)
    assert [int(state) for state in devices.states] == before
