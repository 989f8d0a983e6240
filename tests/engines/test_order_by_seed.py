"""Training samples in the order of a seed: the same on both engines, and resumed bit for bit."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from lrbench.data.order import in_order
from lrbench.engines.caffe.engine import CaffeEngine
from lrbench.engines.torch.engine import TorchEngine

RATES = np.full(20, 0.01)


@pytest.fixture(params=["caffe", "torch"])
def engine(request, tmp_path):
    if request.param == "torch":
        request.getfixturevalue("warm_torch")
        return TorchEngine()
    return CaffeEngine(request.getfixturevalue("caffe_environment"), data=tmp_path)


def losses(engine, job, stretches=2):
    session = engine.open(job)
    try:
        return [session.train(RATES).train_loss for _ in range(stretches)]
    finally:
        session.close()


@pytest.mark.caffe
def test_it_is_training_on_data_that_are_stored_so(engine, make_job, digits, tmp_path):
    """Both engines are held to the same stored samples, so they read the same ones in the same order."""
    ordered = in_order(digits, 3, tmp_path / "other")
    found = losses(engine, make_job("by_seed", order="by seed", seed=3))
    assert found == losses(engine, make_job("stored", data=ordered, seed=3))
    assert found != losses(engine, make_job("as_stored", seed=3))


@pytest.mark.caffe
def test_the_native_driver_reads_the_order_of_the_seed(caffe_environment, make_job, digits, tmp_path):
    engine, form = CaffeEngine(caffe_environment, data=tmp_path), {"driver": "native", "iterations": 40}
    found = losses(engine, make_job("by_seed", order="by seed", seed=3, **form))
    assert found == losses(engine, make_job("stored", data=in_order(digits, 3, tmp_path), seed=3, **form))
    assert found != losses(engine, make_job("as_stored", seed=3, **form))


@pytest.mark.caffe
def test_a_resumed_run_goes_on_with_the_next_sample_of_its_order(engine, make_job):
    job, other = (make_job(name, order="by seed", seed=2) for name in ("whole", "cut"))
    expected = losses(engine, job, 3)
    session = engine.open(other)
    assert session.train(np.tile(RATES, 2)).iterations == 40
    session.save(other.folder / "snapshots/iter_00000040")
    session.close()
    session = engine.open(other)
    session.restore(other.folder / "snapshots/iter_00000040", evaluations=2)
    assert session.train(RATES).train_loss == expected[2]
    session.close()


@pytest.mark.caffe
def test_lanes_of_different_seeds_read_their_own_order(make_job, warm_torch):
    alone = [losses(TorchEngine(), make_job(f"alone{seed}", order="by seed", seed=seed), 1) for seed in (0, 1)]
    engine, together = TorchEngine(), {}

    def train(seed):
        together[seed] = losses(engine, make_job(f"lane{seed}", order="by seed", seed=seed, lanes=2), 1)

    threads = [threading.Thread(target=train, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[0], together[1]] == alone
