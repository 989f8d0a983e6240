"""Both engines hand over the scores that the softmax is taken of, so that underflowed probabilities do not tie."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from lrbench.data import load
from lrbench.engines.parity import read_weights
from lrbench.engines.torch.engine import TorchEngine
from lrbench.metrics.evaluation import evaluation_metrics
from lrbench.metrics.metric import Evaluated
from lrbench.nets import NetParameter

SCALE = 0.00390625
LARGEST_LOSS = -np.log(np.finfo(np.float32).tiny)
LINEAR = """
layer { name: "train" type: "Data" top: "x" top: "y" include { phase: TRAIN } transform_param { scale: %(scale)r } }
layer { name: "test" type: "Data" top: "x" top: "y" include { phase: TEST } transform_param { scale: %(scale)r } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
        inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: %(spread)d } } }
layer { name: "cost" type: "SoftmaxWithLoss" bottom: "fc" bottom: "y" top: "cost" }
"""


@pytest.fixture(params=["caffe", "torch"])
def engine(request):
    return TorchEngine() if request.param == "torch" else request.getfixturevalue("caffe")


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.caffe
def test_the_ranking_is_that_of_float64_where_probabilities_underflow(engine, make_job, digits):
    net = text_format.Parse(LINEAR % {"scale": SCALE, "spread": 50}, NetParameter())
    job = make_job(net=net)
    session = engine.open(job)
    outputs = session.evaluate()
    session.save(job.folder / "weights")
    session.close()

    weights = read_weights(job.folder / "weights/net.caffemodel")[("fc", 0)].reshape(10, -1).astype(np.float64)
    split = load(digits, "test")
    exact = split.images.reshape(len(split.images), -1) * SCALE @ weights.T
    np.testing.assert_allclose(outputs.scores, exact, atol=1e-3)
    found = evaluation_metrics(Evaluated(outputs.probabilities, outputs.labels, outputs.loss, 0.0, outputs.scores))
    above = exact > exact[np.arange(len(split.labels)), split.labels][:, None]
    assert found["accuracy_top1"] == np.mean(above.sum(axis=1) < 1)
    assert found["accuracy_top5"] == np.mean(above.sum(axis=1) < 5)
    tied = evaluation_metrics(Evaluated(outputs.probabilities, outputs.labels, outputs.loss, 0.0))
    assert tied["accuracy_top5"] < found["accuracy_top5"] - 0.1, "zeros tie, against the true class"

    losses = np.log(np.exp(exact - exact.max(axis=1, keepdims=True)).sum(axis=1)) + exact.max(axis=1)
    losses -= exact[np.arange(len(split.labels)), split.labels]
    assert losses.mean() > 2 * LARGEST_LOSS
    assert outputs.loss == pytest.approx(np.minimum(losses, LARGEST_LOSS).mean(), rel=1e-5)


@pytest.mark.caffe
def test_scores_that_a_later_layer_writes_over_are_not_handed_over(make_job):
    text = LINEAR % {"scale": SCALE, "spread": 1}
    text += 'layer { name: "late" type: "Power" bottom: "fc" top: "fc" power_param { shift: 1 } }'
    session = TorchEngine().open(make_job(net=text_format.Parse(text, NetParameter())))
    outputs = session.evaluate()
    session.close()
    assert outputs.scores is None
    assert outputs.ranking is outputs.probabilities
