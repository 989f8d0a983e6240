"""``lrbench.keras`` and ``lrbench.optax`` in training: the rates that optimizers use are the policy's."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lrbench.errors import PolicyError
from lrbench.exporting import export_policy
from lrbench.policies import parse_policy

if TYPE_CHECKING:
    import jax
    import keras
    import optax

    import lrbench.keras as lrbench_keras
    import lrbench.optax as lrbench_optax

pytestmark = [
    pytest.mark.engines,
    pytest.mark.xdist_group("keras and optax"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras itself
]
MODULES = {
    "jax": "jax",
    "keras": "keras",
    "optax": "optax",
    "lrbench_keras": "lrbench.keras",
    "lrbench_optax": "lrbench.optax",
}
ITERATIONS = 60
POLICIES = (
    "FIX(k0=0.01)",
    "NSTEP(k0=0.1, gamma=0.5, l=[10, 30])",
    "EXP(k0=0.1, gamma=0.99994)",
    "SINEXP(k0=0.01, k1=0.06, gamma=0.99, l=20)",
    "SGDR(k0=0.1, l=10, mult=2)",
    "WARMUP(policy=COSDECAY(k0=0.1), l=20)",
    "COMPOSE(policies=[TRI(k0=0, k1=0.1, l=9), FIX(k0=0.1)], boundaries=[40])",
)


@pytest.fixture(scope="module", autouse=True)
def _modules() -> None:
    """Import them in the one process that runs these tests: every process imports every file of tests."""
    globals().update({name: import_module(module) for name, module in MODULES.items()})


def rounded(text: str, iterations: int = ITERATIONS) -> list[float]:
    """The policy's rates, each rounded to float32 once."""
    rates: list[float] = parse_policy(text).rates(np.arange(iterations), iterations).astype(np.float32).tolist()
    return rates


def model(text: str) -> keras.Model:
    """A weight without bias whose gradient is 1, so that each step moves it by the rate that was used."""
    keras.saving.register_keras_serializable(package="lrbench_tests")(mean_output)
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    net.compile(optimizer=keras.optimizers.SGD(lrbench_keras.PolicySchedule(text, ITERATIONS)), loss=mean_output)
    return net


def mean_output(_true: Any, predicted: Any) -> Any:
    return keras.ops.mean(predicted)


def keras_step(net: keras.Model) -> float:
    net.set_weights([np.zeros((1, 1), np.float32)])
    net.train_on_batch(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))
    return -float(net.get_weights()[0][0, 0])


@pytest.mark.parametrize("text", POLICIES)
def test_keras_trains_with_the_rates_also_after_save_and_load(text: str, tmp_path: Path) -> None:
    net = model(text)
    used = [keras_step(net) for _ in range(25)]
    net.save(tmp_path / "net.keras")
    net = keras.saving.load_model(tmp_path / "net.keras")
    assert net.optimizer._learning_rate.policy.text == parse_policy(text).text
    used += [keras_step(net) for _ in range(ITERATIONS - 25)]
    assert used == rounded(text)


@pytest.mark.parametrize("text", POLICIES)
def test_optax_trains_with_the_rates_also_after_save_and_load(text: str, tmp_path: Path) -> None:
    optimizer = optax.sgd(lrbench_optax.schedule(text, ITERATIONS))
    step = jax.jit(lambda state: optimizer.update(jax.numpy.float32(1), state))
    state, used = optimizer.init(jax.numpy.float32(0)), []
    for t in range(ITERATIONS):
        if t == 25:
            leaves, shape = jax.tree.flatten(state)
            np.savez(tmp_path / "state.npz", *leaves)
            state = jax.tree.unflatten(shape, np.load(tmp_path / "state.npz").values())
        move, state = step(state)
        used.append(-float(move))
    assert used == rounded(text)


@pytest.mark.parametrize("cooldown", [0, 1, 3])
def test_the_plateau_snippet_is_the_policy(cooldown: int) -> None:
    policy = parse_policy(
        "PLATEAU(k0=0.8, factor=0.5, patience=2, threshold=0.05, threshold_mode=abs, "
        f"cooldown={cooldown}, monitor=accuracy, min_rate=0.01)"
    )
    names: dict[str, Any] = {}
    exec(export_policy(policy, "keras"), names)
    net, callback, ours = model("FIX(k0=1)"), names["callback"](), policy.start(1000)
    net.compile(optimizer=keras.optimizers.SGD(names["LEARNING_RATE"]), loss=mean_output)
    callback.set_model(net)
    callback.on_train_begin()
    for epoch, value in enumerate(np.random.default_rng(2).random(40).tolist(), start=1):
        callback.on_epoch_end(epoch, {"val_accuracy": value})
        ours.observe({"iteration": epoch, "accuracy_top1": value})
        assert float(net.optimizer.learning_rate) == pytest.approx(ours.rates(epoch, epoch + 1)[0], rel=1e-6)
    assert float(net.optimizer.learning_rate) < 0.2


def test_after_the_run_the_last_rate_stays() -> None:
    text = "LINEAR(k0=1)"
    schedule, rate = lrbench_keras.PolicySchedule(text, 4), lrbench_optax.schedule(parse_policy(text), 4)
    assert [float(schedule(t)) for t in (0, 3, 4, 99)] == [1, 0.25, 0.25, 0.25]
    assert jax.vmap(rate)(jax.numpy.array([0, 3, 4, 99])).tolist() == [1, 0.25, 0.25, 0.25]


def test_a_policy_of_the_run_length_is_exact_at_large_steps() -> None:
    text, last = "TRIEXP(k0=0, k1=0.1, gamma=0.999999, l=333.3)", 3_000_000
    rate = jax.jit(lrbench_optax.schedule(text, last))
    steps = [999_999, 2_345_678, 2_999_999]
    assert [float(rate(t)) for t in steps] == parse_policy(text).rates(steps, last).astype(np.float32).tolist()


@pytest.mark.parametrize("framework", ["keras", "optax"])
def test_what_no_function_of_the_step_can_be_is_refused(framework: str) -> None:
    make: Any = lrbench_keras.PolicySchedule if framework == "keras" else lrbench_optax.schedule
    for text, iterations, message in (
        ("PLATEAU(k0=1)", 9, "PLATEAU: it reacts to evaluations, which a function of the step alone cannot"),
        ("FIX(k0=1)", 10**8, "FIX: a run of 100000000 iterations has more rates than are held at once"),
        ("FIX(k0=1)", 0, "a run has at least one iteration, but iterations is 0"),
        ("POLY(k0=1, p=1, l=5)", 9, "POLY: the rate at t = 6 is -0.2"),
    ):
        with pytest.raises(PolicyError) as caught:
            make(text, iterations)
        assert str(caught.value).startswith(message)


OPTAX_EQUAL = {
    "FIX(k0=0.1)": lambda: optax.constant_schedule(0.1),
    "EXP(k0=0.1, gamma=0.98)": lambda: optax.exponential_decay(0.1, 1, 0.98),
    "STEP(k0=0.1, gamma=0.5, l=20)": lambda: optax.exponential_decay(0.1, 20, 0.5, staircase=True),
    "NSTEP(k0=0.1, gamma=0.5, l=[10, 30])": lambda: optax.piecewise_constant_schedule(0.1, {10: 0.5, 30: 0.5}),
    "LINEAR(k0=0.1, k1=0.01, l=40)": lambda: optax.linear_schedule(0.1, 0.01, 40),
    "POLYDECAY(k0=0.1, k1=0.01, p=2, l=40)": lambda: optax.polynomial_schedule(0.1, 0.01, 2, 40),
    "COSDECAY(k0=0.1, k1=0.01, l=40)": lambda: optax.cosine_decay_schedule(0.1, 40, alpha=0.1),
    "WARMUP(policy=COSDECAY(k0=0.1, k1=0.01, l=30), l=10, k0=0.02)": lambda: optax.warmup_cosine_decay_schedule(
        0.02, 0.1, 10, 40, 0.01
    ),
    "COMPOSE(policies=[FIX(k0=0.1), LINEAR(k0=0.1, l=20)], boundaries=[30])": lambda: optax.join_schedules(
        [optax.constant_schedule(0.1), optax.linear_schedule(0.1, 0, 20)], [30]
    ),
}
KERAS_EQUAL = {
    "EXP(k0=0.1, gamma=0.98)": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.98),
    "STEP(k0=0.1, gamma=0.5, l=20)": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 20, 0.5, staircase=True),
    "NSTEP(k0=0.1, gamma=0.5, l=[10, 30])": lambda: keras.optimizers.schedules.PiecewiseConstantDecay(
        [9, 29], [0.1, 0.05, 0.025]
    ),  # a boundary is the last step before
    "POLYDECAY(k0=0.1, k1=0.01, p=2, l=40)": lambda: keras.optimizers.schedules.PolynomialDecay(0.1, 40, 0.01, 2.0),
    "INV(k0=0.1, gamma=0.05, p=1)": lambda: keras.optimizers.schedules.InverseTimeDecay(0.1, 20, 1.0),
    "COSDECAY(k0=0.1, k1=0.01, l=40)": lambda: keras.optimizers.schedules.CosineDecay(0.1, 40, alpha=0.1),
    "WARMUP(policy=COSDECAY(k0=0.1, l=30), l=10, k0=0.02)": lambda: keras.optimizers.schedules.CosineDecay(
        0.02, 30, warmup_target=0.1, warmup_steps=10
    ),
    "SGDR(k0=0.1, l=10, mult=2)": lambda: keras.optimizers.schedules.CosineDecayRestarts(0.1, 10, t_mul=2.0, m_mul=1.0),
    "SGDR(k0=0.1, l=10, mult=2, fall=0.5)": lambda: keras.optimizers.schedules.CosineDecayRestarts(
        0.1, 10, t_mul=2.0, m_mul=0.5
    ),
}


@pytest.mark.parametrize("text", OPTAX_EQUAL)
def test_where_optax_has_the_schedule_it_is_the_same(text: str) -> None:
    theirs = [
        float(rate) for rate in jax.vmap(OPTAX_EQUAL[text]())(jax.numpy.arange(ITERATIONS)) * jax.numpy.ones(ITERATIONS)
    ]
    np.testing.assert_allclose(rounded(text), theirs, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("text", KERAS_EQUAL)
def test_where_keras_has_the_schedule_it_is_the_same(text: str) -> None:
    schedule = KERAS_EQUAL[text]()
    theirs = [float(schedule(t)) for t in range(ITERATIONS)]
    np.testing.assert_allclose(rounded(text), theirs, rtol=1e-5, atol=1e-7)
