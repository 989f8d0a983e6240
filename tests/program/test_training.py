"""``lrbench.torch.Training``: the rates and updates of a training, its evaluations, its labels and what it refuses."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from copy import deepcopy

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'lrbench[torch]'")

import numpy as np  # noqa: E402
from factories.trainings import RATES, Noisy, WithState, make_training, network, shuffled  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, Subset, TensorDataset  # noqa: E402

from lrbench.torch import Training  # noqa: E402

INPUTS = torch.sin(torch.arange(96.0)).reshape(16, 6)
LABELS = torch.arange(16) % 3


def batches_of(size):
    return list(zip(INPUTS.split(size), LABELS.split(size), strict=True))


def deterministic():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def simple(model=None, optimizer=None, **options):
    """A training without anything random, by plain gradient descent."""
    model = deterministic() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5) if optimizer is None else optimizer
    settings = {"batches": batches_of(4), "loss": nn.CrossEntropyLoss(), "evaluate_on": batches_of(16), **options}
    return Training(model, optimizer, **settings)


def parameters(training):
    return torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()])


def recorded(optimizer):
    """A list to which each step of the optimizer appends the rates of its groups."""
    rows = []
    optimizer.register_step_pre_hook(lambda own, *_: rows.append([group["lr"] for group in own.param_groups]))
    return rows


# rates and updates


def test_the_optimizer_uses_exactly_the_rates_that_are_given():
    training = make_training()
    rows = recorded(training.optimizer)
    rates = [random.Random(1).uniform(1e-6, 1) for _ in range(9)]
    training.train(rates[:4])
    training.train([])
    training.train(rates[4:])
    assert [row[0] for row in rows] == rates
    assert training.iteration == 9


def test_each_group_keeps_its_ratio_to_the_first():
    model = deterministic()
    groups = [
        {"params": model[0].weight, "lr": 0.3},
        {"params": model[0].bias, "lr": 0.03},
        {"params": model[2].weight},
        {"params": model[2].bias, "lr": 0.0},
    ]
    training = simple(model, torch.optim.SGD(groups, lr=0.3))
    rows = recorded(training.optimizer)
    training.train([0.1, 0.7])
    assert rows == [[0.1, 0.1 * (0.03 / 0.3), 0.1, 0.0], [0.7, 0.7 * (0.03 / 0.3), 0.7, 0.0]]


def test_a_rate_in_a_tensor_is_filled_in():
    model = deterministic()
    rate = torch.tensor(0.01)
    training = simple(model, torch.optim.Adam(model.parameters(), lr=rate))
    held = training.optimizer.param_groups[0]["lr"]
    training.train([0.25])
    assert training.optimizer.param_groups[0]["lr"] is held
    assert held == 0.25


def test_trains_as_a_loop_of_pytorchs_does():
    training = make_training()
    losses = training.train(RATES)

    own = make_training()
    model, optimizer, loader, loss_function = own.model, own.optimizer, shuffled(), nn.CrossEntropyLoss()
    expected, t = [], 0
    while t < len(RATES):
        for inputs, targets in loader:
            if t == len(RATES):
                break
            optimizer.param_groups[0]["lr"] = RATES[t]
            optimizer.zero_grad()
            loss = loss_function(model(inputs), targets)
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
            t += 1
    assert losses == expected
    assert torch.equal(parameters(training), parameters(own))


def test_accumulated_batches_are_as_one_large_batch():
    small, large = simple(accumulate=4), simple(batches=batches_of(16))
    assert small.train([0.5] * 6) == pytest.approx(large.train([0.5] * 6), rel=1e-5)
    torch.testing.assert_close(parameters(small), parameters(large), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
def test_the_gradient_is_clipped(scaled):
    state = {"scaler": torch.amp.GradScaler("cpu", init_scale=1024.0)} if scaled else {}
    training = simple(clip_norm=0.01, state=state)
    before = parameters(training)
    training.train([1.0])
    assert float((parameters(training) - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_a_gradient_scaler_passes_over_an_update_with_infinities():
    training = simple(batches=[(INPUTS * math.inf, LABELS)], state={"scaler": torch.amp.GradScaler("cpu")})
    before = parameters(training)
    (loss,) = training.train([1.0])
    assert math.isnan(loss)
    assert torch.equal(parameters(training), before)


def test_losses_that_are_not_finite_do_not_end_the_training():
    losses = simple(loss=lambda outputs, targets: outputs.sum() * math.inf).train([0.1] * 3)
    assert len(losses) == 3
    assert not any(math.isfinite(loss) for loss in losses)


def test_step_gets_whole_batches_of_any_form():
    def step(model, batch):
        return nn.functional.cross_entropy(model(batch["inputs"]), batch["targets"])

    named = [{"inputs": inputs, "targets": targets} for inputs, targets in batches_of(4)]
    by_step = simple(batches=named, step=step, loss=None, evaluate_on=named)
    pairs = simple(evaluate_on=batches_of(4))
    assert by_step.train([0.5] * 5) == pairs.train([0.5] * 5)
    assert by_step.evaluate() == {"test_loss": pairs.evaluate()["test_loss"]}


def test_a_model_in_evaluation_mode_is_trained_in_training_mode():
    model = network().eval()
    simple(model)
    assert all(module.training for module in model.modules())


def test_a_frozen_layer_stays_in_evaluation_mode():
    model = network()
    model[1].eval()
    training = simple(model)
    training.train([0.1])
    training.evaluate()
    assert [module.training for module in model] == [True, False, True, True, True]


# the moving average


class WithMask(nn.Module):
    """A model whose buffers have infinities and integers, as a transformer's have."""

    def __init__(self):
        super().__init__()
        self.body: nn.Module = network()
        self.mask = nn.Buffer(torch.tensor([0.0, -math.inf]))
        self.positions = nn.Buffer(torch.arange(5))

    def forward(self, inputs):
        return self.body(inputs) + self.mask.exp()[1] + self.positions[0]


def test_the_moving_average_is_evaluated():
    torch.manual_seed(0)
    training = simple(WithMask(), ema=0.75, evaluate=lambda model: {"first": model.body[0].weight[0, 0]})
    weights = training.model.get_parameter("body.0.weight")
    expected = weights[0, 0].item()
    assert training.evaluate() == {"first": expected}
    for t in range(4):
        training.train([0.5])
        weight = weights[0, 0].item()
        expected = weight if t == 0 else 0.75 * expected + 0.25 * weight
        assert training.evaluate()["first"] == pytest.approx(expected, rel=1e-5)


def test_running_statistics_are_averaged_and_other_buffers_copied():
    seen = []

    def evaluate(model):
        seen.append(deepcopy(model.state_dict()))
        return {}

    training = simple(WithMask(), ema=0.75, evaluate=evaluate)
    means = []
    for _ in range(3):
        training.train([0.5])
        means.append(training.model.get_buffer("body.1.running_mean").clone())
    training.evaluate()
    expected = 0.75 * (0.75 * means[0] + 0.25 * means[1]) + 0.25 * means[2]
    torch.testing.assert_close(seen[0]["body.1.running_mean"], expected)
    assert seen[0]["mask"].tolist() == [0.0, -math.inf]
    assert seen[0]["positions"].tolist() == [0, 1, 2, 3, 4]
    assert seen[0]["body.1.num_batches_tracked"] == 3


# evaluations


def test_an_evaluation_does_not_change_the_training():
    def evaluate(model):
        model(INPUTS)
        random.random(), np.random.rand(), torch.rand(3), own.random()
        model.train()
        return {"mae": 1}

    own = np.random.default_rng(1)

    def step(model, batch):
        return nn.functional.cross_entropy(model(batch[0]), batch[1]) * float(own.random())

    for options in ({}, {"ema": 0.5}, {"evaluate": evaluate, "step": step}):
        own.bit_generator.state = np.random.default_rng(1).bit_generator.state
        expected = make_training(**options).train(RATES)
        own.bit_generator.state = np.random.default_rng(1).bit_generator.state
        training = make_training(**options)
        training.evaluate()
        losses = []
        for rate in RATES:
            losses += training.train([rate])
            training.evaluate()
            training.evaluate()
        assert losses == expected


def test_a_shared_generator_is_not_moved_by_an_evaluation():
    def make():
        generator = torch.Generator().manual_seed(3)
        return make_training(
            lambda: shuffled(generator=generator), evaluate_on=DataLoader(Noisy(), shuffle=True, generator=generator)
        )

    expected = make().train(RATES)
    training = make()
    training.evaluate()
    assert [loss for rate in RATES for loss in training.train([rate]) if training.evaluate()] == expected


def test_the_test_loss_is_the_mean_over_samples():
    training = simple(evaluate_on=batches_of(5))  # 5, 5, 5 and 1
    result = training.evaluate()
    with torch.no_grad():
        outputs = training.model(INPUTS)
        expected = nn.functional.cross_entropy(outputs, LABELS)
    assert result["test_loss"] == pytest.approx(float(expected), rel=1e-6)
    torch.testing.assert_close(result["probabilities"], outputs.softmax(1))
    assert torch.equal(result["labels"], LABELS)


def test_outputs_that_are_probabilities_stay_what_they_are():
    model = nn.Sequential(deterministic(), nn.Softmax(1))
    training = simple(model, loss=lambda outputs, targets: nn.functional.nll_loss(outputs.log(), targets))
    with torch.no_grad():
        expected = model(INPUTS)
    assert torch.equal(training.evaluate()["probabilities"], expected)


@pytest.mark.parametrize(
    ("model", "targets", "loss"),
    [
        (nn.Linear(6, 1), torch.rand(16, 1), nn.MSELoss()),
        (nn.Linear(6, 3), torch.rand(16, 3), nn.MSELoss()),
        (nn.Linear(6, 3), torch.arange(16) % 4 - 1, nn.CrossEntropyLoss(ignore_index=-1)),
        (
            nn.Sequential(nn.Linear(6, 6), nn.Unflatten(1, (3, 2))),
            torch.arange(32).reshape(16, 2) % 3,
            nn.CrossEntropyLoss(),
        ),
    ],
    ids=["regression", "several values", "labels left out", "sequences"],
)
def test_other_outputs_have_a_test_loss_alone(model, targets, loss):
    training = simple(model, loss=loss, evaluate_on=[(INPUTS, targets)])
    with torch.no_grad():
        expected = float(loss(model(INPUTS), targets))
    assert training.evaluate() == {"test_loss": expected}


def test_metrics_of_evaluate_are_numbers():
    metrics = {"mae": torch.tensor([0.5]), "mse": np.float32(0.25), "hits": 3, "labels": LABELS}
    result = simple(evaluate=lambda model: metrics).evaluate()
    assert result == {"mae": 0.5, "mse": 0.25, "hits": 3.0, "labels": LABELS}
    assert [type(result[name]) for name in ("mae", "mse", "hits")] == [float] * 3


def test_evaluate_is_called_in_evaluation_mode_without_gradients():
    modes = []

    def evaluate(model):
        modes.append((model.training, torch.is_grad_enabled()))
        return {}

    training = make_training(evaluate=evaluate)
    training.evaluate()
    assert modes == [(False, False)]
    assert training.model.training
    assert torch.is_grad_enabled()


# labels


def test_labels_name_the_parts():
    data = TensorDataset(INPUTS, LABELS)
    training = simple(batches=DataLoader(Subset(data, range(12)), batch_size=4))
    assert training.describe() == {
        "optimizer": "SGD",
        "model": "Sequential",
        "parameters": "83",
        "dataset": "TensorDataset",
        "samples": "12",
    }
    assert set(simple().describe()) == {"optimizer", "model", "parameters"}


# what is refused


def optimizer_of(kind, **options):
    """Makes the optimizer in the test: for the first one PyTorch loads its compiler, which takes seconds."""

    def make():
        model = deterministic()
        return {"model": model, "optimizer": kind(model.parameters(), **options)}

    return make


REFUSED = {
    "model": ({"model": "net", "optimizer": "adam"}, "model is str, but must be a torch.nn.Module"),
    "optimizer": ({"optimizer": "adam"}, "optimizer is str, but must be of torch.optim"),
    "closure": (optimizer_of(torch.optim.LBFGS), "optimizer is LBFGS, whose step() needs a closure"),
    "rate of 0": (
        optimizer_of(torch.optim.SGD, lr=0.0),
        "optimizer has an initial lr of 0 in its first parameter group",
    ),
    "iterator": (
        {"batches": iter(batches_of(4))},
        "batches is an iterator (list_iterator), which ends after one epoch",
    ),
    "generator": ({"evaluate_on": (batch for batch in batches_of(4))}, "evaluate_on is an iterator (generator), which"),
    "no iterable": ({"batches": 5}, "batches is int, but must be an iterable of batches"),
    "function": ({"batches": batches_of}, "batches is function, but must be an iterable of batches"),
    "no loss": ({"loss": None}, "loss is missing: give loss=, or step="),
    "no evaluation": ({"evaluate_on": None}, "evaluate_on is missing: give evaluate_on= or evaluate="),
    "accumulate": ({"accumulate": 0}, "accumulate is 0, but must be an integer of at least 1"),
    "half a batch": ({"accumulate": 0.5}, "accumulate is 0.5, but must be an integer of at least 1"),
    "clip_norm": ({"clip_norm": 0.0}, "clip_norm is 0.0, but must be above 0"),
    "ema": ({"ema": 1.0}, "ema is 1.0, but must be at least 0 and below 1"),
    "state": ({"state": {"seen": [1]}}, "state['seen'] is list, which has no state_dict and load_state_dict"),
    "two scalers": (
        {"state": {"a": torch.amp.GradScaler("cpu"), "b": torch.amp.GradScaler("cpu")}},
        "state has 2 GradScalers, a and b: give one",
    ),
    "empty": ({"batches": []}, "batches has no batch: give a loader that is not empty"),
    "empty loader": (
        {"batches": DataLoader(Noisy(4), batch_size=8, drop_last=True)},
        "batches has no batch: give a loader that is not empty",
    ),
    "nothing to evaluate on": ({"evaluate_on": []}, "evaluate_on has no batch: give a loader that is not empty"),
}


@pytest.mark.parametrize(("options", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_impossible_is_refused_in_one_line(options, reason):
    with pytest.raises((TypeError, ValueError)) as caught:
        simple(**(options() if callable(options) else options))
    assert str(caught.value).startswith(f"Training: {reason}")
    assert "\n" not in str(caught.value)


def test_a_loader_whose_position_an_evaluation_would_move_is_refused():
    loader = WithState()
    with pytest.raises(ValueError, match=r"^Training: evaluate_on is the loader of batches, whose position"):
        simple(batches=loader, evaluate_on=loader)


class Nothing:
    def __iter__(self):
        return iter(())


FAILING = {
    "empty": ({"batches": Nothing()}, "batches gives no batch in epoch 0: give a loader that is not empty"),
    "no pair": (
        {"batches": [{"inputs": INPUTS}]},
        "batches gives a batch that is no pair (inputs, targets), but a dict: ",
    ),
    "three": (
        {"batches": [(INPUTS, LABELS, LABELS)]},
        "batches gives a batch that is no pair (inputs, targets), but a tuple of 3",
    ),
    "number": ({"loss": lambda *_: 1.0}, "loss returned float, but must return a tensor of one number"),
    "vector": (
        {"loss": nn.CrossEntropyLoss(reduction="none")},
        "loss returned a tensor of shape (4,), but must return one",
    ),
    "step": ({"step": lambda *_: None}, "step returned NoneType, but must return a tensor of one number"),
}


@pytest.mark.parametrize(("options", "reason"), FAILING.values(), ids=FAILING.keys())
def test_what_shows_in_training_fails_with_its_reason(options, reason):
    with pytest.raises((TypeError, ValueError)) as caught:
        simple(**options).train([0.1])
    assert str(caught.value).startswith(f"Training: {reason}")


EVALUATIONS = {
    "empty": ({"evaluate_on": Nothing()}, "evaluate_on gives no batch: give a loader that is not empty"),
    "no pair": (
        {"evaluate_on": [INPUTS]},
        "evaluate_on gives a batch that is no pair (inputs, targets), but a Tensor: give",
    ),
    "no mapping": ({"evaluate": lambda model: 0.3}, "evaluate returned float, but must return a dict of metrics"),
    "no number": (
        {"evaluate": lambda model: {"mae": "low"}},
        "evaluate returned str for mae, but must return a number",
    ),
    "several": (
        {"evaluate": lambda model: {"mae": torch.ones(2)}},
        "evaluate returned Tensor for mae, but must return a",
    ),
    "uncounted": (
        {"loss": None, "step": lambda model, batch: torch.ones(()), "evaluate_on": ["text"]},
        "evaluate_on gives a batch without a tensor to count its samples by: give evaluate=",
    ),
}


@pytest.mark.parametrize(("options", "reason"), EVALUATIONS.values(), ids=EVALUATIONS.keys())
def test_an_impossible_evaluation_fails_with_its_reason(options, reason):
    with pytest.raises((TypeError, ValueError)) as caught:
        simple(**options).evaluate()
    assert str(caught.value).startswith(f"Training: {reason}")


def test_needs_nothing_but_pytorch(tmp_path):
    """In the Python of a user's program there may be no other package that LRBench needs."""
    code = """
import sys
for name in ("numpy", "pydantic", "click", "orjson", "yaml", "scipy"):
    sys.modules[name] = None
import torch
import lrbench.torch
model = torch.nn.Linear(2, 1)
batches = [(torch.ones(3, 2), torch.ones(3, 1))]
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
training = lrbench.torch.Training(model, optimizer, batches=batches, loss=torch.nn.MSELoss(), evaluate_on=batches)
training.train([0.1, 0.2])
training.evaluate()
training.save(sys.argv[1])
training.restore(sys.argv[1])
others = {"policies", "exporting", "errors", "spec"}
print(sorted(name for name in sys.modules if name.split(".")[0] == "lrbench" and others & set(name.split("."))))
"""
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
