"""The workload that recommendations are asked for in tests: that of ``fake_entries``."""

from __future__ import annotations

from lrbench.tuning.recommending import Asked

ASKED = Asked(
    net_name="lenet",
    net_sha256="a" * 64,
    dataset_name="mnist",
    dataset_label="MNIST",
    dataset_sha256="b" * 64,
    batch_size=100,
    iterations=2000,
    test_interval=500,
    epoch=600.0,
    solver={"type": "SGD", "momentum": 0.9, "weight_decay": 0.0005},
    lr_scale=1.0,
    engine="caffe",
    rates=None,
)
