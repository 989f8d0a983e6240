"""The PyTorch engine as the runner uses it: exact resuming, divergence, refusals, any solver."""

from __future__ import annotations

import numpy as np
import pytest
from engine_conformance import EngineConformance

from lrbench.engines.torch.engine import TorchEngine
from lrbench.errors import EngineUnavailable, NetError, SpecError
from lrbench.nets import find_net, read_net
from lrbench.spec.model import EngineSettings


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine()


class TestTorch(EngineConformance):
    """The PyTorch engine; its fixture is the one above."""


def test_the_weights_of_a_snapshot_open_in_caffe(engine, make_job, caffe_python):
    job = make_job()
    session = engine.open(job)
    session.train(np.full(5, 0.01))
    outputs = session.evaluate()
    session.save(job.folder / "weights")
    session.close()
    told = caffe_python(
        "import os, sys; os.environ['GLOG_minloglevel'] = '2'\n"
        "import caffe, numpy as np\n"
        f"net = caffe.Net({str(job.folder / 'net.prototxt')!r}, caffe.TEST)\n"
        f"net.copy_from({str(job.folder / 'weights/net.caffemodel')!r})\n"
        "net.forward()\nprint(' '.join(repr(float(v)) for v in net.blobs['probabilities'].data.ravel()[:50]))\n")
    np.testing.assert_allclose(np.array(told.split(), dtype=float), outputs.probabilities.ravel()[:50], atol=1e-6)


def test_what_it_cannot_do_is_refused_before_anything_is_written(engine, make_job, repository):
    with pytest.raises(SpecError, match="no driver 'native'"):
        engine.check(make_job("a", driver="native"))
    with pytest.raises(EngineUnavailable, match="PyTorch sees"):
        engine.check(make_job("b", engine=EngineSettings(name="torch", device="gpu"), device_id=99))
    net = read_net(find_net("lenet", repository))
    next(layer for layer in net.layer if layer.type == "ReLU").type = "ELU"
    with pytest.raises(NetError, match=r'layer "relu1".*ELU'):
        engine.check(make_job("c", net=net))
