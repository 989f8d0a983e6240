"""The native driver on real Caffe, and its agreement with the stepping driver for each policy that Caffe knows."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest

from lrbench.engines.base import NetJob, Session
from lrbench.engines.caffe.engine import CaffeEngine
from lrbench.engines.caffe.log import CaffeLog, read_log
from lrbench.engines.caffe.schedule import native_schedule
from lrbench.errors import SpecError
from lrbench.policies import parse_policy
from lrbench.report.caffe_log import row_of_log
from lrbench.testing import thin_lenet

NATIVE = [
    "FIX(k0=0.01)",
    "STEP(k0=0.02, gamma=0.5, l=15)",
    "NSTEP(k0=0.02, gamma=0.1, l=[20, 45])",
    "EXP(k0=0.02, gamma=0.97)",
    "INV(k0=0.02, gamma=0.01, p=0.75)",
    "POLY(k0=0.02, p=1.5)",
    "SIG(k0=0.02, gamma=0.1, l=30)",
    "LINEAR(k0=0.02)",
    "POLYDECAY(k0=0.02, p=1.5)",
    "SCALE(factor=0.5, policy=EXP(k0=0.02, gamma=0.97))",
]
# Caffe computes the powers in float32; over 60 iterations an exponent's error stays below this.
FLOAT32 = 1e-5


def train(caffe: CaffeEngine, job: NetJob) -> tuple[list[float], list[float], CaffeLog]:
    """Test losses and accuracies at each evaluation, and Caffe's log."""
    session: Session = caffe.open(job)
    losses, accuracies = [], []
    for start in range(0, job.iterations, job.test_interval):
        result = session.train(job.policy.rates(np.arange(start, start + job.test_interval), job.iterations))
        assert result.iterations == job.test_interval
        outputs = session.evaluate()
        losses.append(outputs.loss)
        accuracies.append(float(np.mean(outputs.probabilities.argmax(axis=1) == outputs.labels)))
    if job.engine.driver == "native":
        wait_for_caffe(job)  # for the last of its own test passes
    session.close()
    return losses, accuracies, read_log(job.folder / "caffe.log")


@pytest.mark.caffe
@pytest.mark.parametrize("policy", NATIVE)
def test_both_drivers_use_the_same_rates_and_give_the_same_losses(caffe, make_job, policy):
    stepped = make_job("stepped", policy=policy)
    losses, accuracies, log = train(caffe, stepped)
    native = make_job("native", policy=policy, driver="native")
    native_losses, native_accuracies, native_log = train(caffe, native)
    expected = native.policy.rates(np.arange(60), 60)
    np.testing.assert_allclose(
        np.array([shown.rate for shown in native_log.displays if shown.iteration < 60], float), expected, rtol=FLOAT32
    )
    np.testing.assert_allclose(np.array([shown.rate for shown in log.displays], float), expected, rtol=FLOAT32)
    np.testing.assert_allclose(
        [shown.loss for shown in native_log.displays if shown.iteration < 60],
        [shown.loss for shown in log.displays],
        rtol=1e-3,
        atol=1e-5,
    )
    np.testing.assert_allclose(native_losses, losses, rtol=1e-3)
    np.testing.assert_allclose(native_accuracies, accuracies, atol=0.004)
    caffes_own = [test.outputs for test in native_log.tests]
    np.testing.assert_allclose([outputs["loss"] for outputs in caffes_own], native_losses, rtol=1e-5)


@pytest.mark.caffe
def test_a_fixed_rate_gives_bit_for_bit_the_same_both_ways(caffe, make_job):
    assert train(caffe, make_job("stepped"))[:2] == train(caffe, make_job("native", driver="native"))[:2]


@pytest.mark.caffe
def test_a_diverging_native_run_is_seen_in_the_log(caffe, make_job):
    job = make_job(policy="FIX(k0=1000000)", driver="native", iterations=500, test_interval=500)
    session = caffe.open(job)
    result = session.train(np.full(500, 1e6))
    session.close()
    assert not result.finite
    assert result.iterations < 500


@pytest.mark.caffe
@pytest.mark.parametrize(
    "policy",
    [
        "TRI(k0=0.01, k1=0.06, l=20)",
        "SIG(k0=0.01, gamma=-0.1, l=30)",
        "POLY(k0=0.01, p=1, l=100)",
        "STEP(k0=0.01, gamma=0.5, l=12.5)",
    ],
)
def test_a_policy_that_caffe_does_not_know_is_refused_by_name(caffe, make_job, policy):
    job = make_job(policy=policy, driver="native")
    with pytest.raises(SpecError) as raised:
        caffe.check(job)
    assert job.policy.text in str(raised.value)
    assert "stepping" in str(raised.value)


@pytest.mark.caffe
def test_a_policy_that_reacts_to_evaluations_is_refused_as_such(caffe, make_job):
    with pytest.raises(SpecError, match=r"PLATEAU\(.* reacts to evaluations, but .*; set engine.driver to stepping"):
        caffe.check(make_job(policy="SCALE(factor=2, policy=PLATEAU(k0=0.01))", driver="native"))


def test_native_fields_are_caffes():
    found = native_schedule(parse_policy("NSTEP(k0=0.1, gamma=0.1, l=[32000, 48000])"), 64000)
    assert found is not None
    assert (found.lr_policy, list(found.stepvalue)) == ("multistep", [32000, 48000])
    assert found.base_lr == pytest.approx(0.1)
    scaled = native_schedule(parse_policy("SCALE(factor=10, policy=FIX(k0=0.01))"), 10)
    assert scaled is not None
    assert scaled.base_lr == pytest.approx(0.1)


def wait_for_caffe(job: NetJob) -> None:
    """Until ``caffe train`` has ended, so that its log is ahead of every stretch."""
    log = job.folder / "caffe.log"
    for _ in range(6000):
        if log.exists() and "Optimization Done." in log.read_text(errors="replace"):
            return
        time.sleep(0.05)
    raise AssertionError("caffe train did not end")


@pytest.mark.caffe
def test_a_log_that_is_ahead_changes_no_stretch(caffe, make_job):
    job = make_job(driver="native")
    session = caffe.open(job)
    wait_for_caffe(job)
    stretches = [session.train(np.full(20, 0.01)) for _ in range(3)]
    session.close()
    log = read_log(job.folder / "caffe.log")
    for place, result in enumerate(stretches):
        losses = [shown.loss for shown in log.displays if place * 20 <= shown.iteration < place * 20 + 20]
        assert result.train_loss == pytest.approx(np.mean(losses))
        assert result.seconds > 0
    total = log.displays[-1].seconds - log.displays[0].seconds
    assert sum(result.seconds for result in stretches) < total + 1
    assert stretches[2].seconds < total / 2


@pytest.mark.caffe
def test_divergence_is_told_at_its_own_iteration_however_far_ahead_the_log_is(caffe, make_job):
    job = make_job(policy="STEP(k0=0.002, gamma=2000, l=16)", driver="native", test_interval=4, iterations=40)
    session = caffe.open(job)
    wait_for_caffe(job)
    displays = read_log(job.folder / "caffe.log").displays
    first = next(shown.iteration for shown in displays if not np.isfinite(shown.loss))
    done = 0
    while True:
        result = session.train(np.full(4, 0.002))
        done += result.iterations
        if not result.finite:
            break
        session.evaluate()
    session.close()
    assert done == first + 1


@pytest.mark.caffe
def test_a_stretch_without_a_display_of_its_own_gets_one(caffe, make_job):
    job = make_job(driver="native", display_interval=100)
    session = caffe.open(job)
    assert np.isfinite(session.train(np.full(20, 0.01)).train_loss)
    session.close()


@pytest.mark.caffe
def test_the_log_of_a_net_that_glog_cuts(caffe, make_job, repository, tmp_path):
    net = thin_lenet()
    end = next(position for position, layer in enumerate(net.layer) if layer.type == "InnerProduct") + 1
    tail = net.layer[end:]
    del net.layer[end:]
    for number in range(450):  # 30,000 bytes and more
        net.layer.add(name=f"relu_{number}", type="ReLU", bottom=net.layer[end - 1].top, top=net.layer[end - 1].top)
    net.layer.extend(tail)
    job = make_job(net=net, driver="native", iterations=20)
    train(caffe, job)
    path = shutil.copy(job.folder / "caffe.log", tmp_path / "copy.log")
    log = read_log(path)
    assert (log.solver_whole, log.nets_whole) == (True, False)
    run = row_of_log(path, log)
    assert (run.policy, run.workload["net"]["name"]) == ("FIX(k0=0.01)", net.name)
    assert (run.workload["dataset"]["label"], run.workload["batch_size"]) == (job.data.train.name, 32)
    best = run.metrics["best_accuracy"]
    assert best is not None
    assert 0 < best <= 1
