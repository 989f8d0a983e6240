"""A small spec to break, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from factories.made_up_jobs import prepared

from lrbench.data import Prepared
from lrbench.errors import UsageError
from lrbench.spec.experiment import Experiment
from lrbench.spec.reading import read_experiment

NET = """
name: "small"
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  data_param { source: "train" batch_size: 4 backend: LMDB }
}
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  data_param { source: "test" batch_size: 2 backend: LMDB }
}
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SPEC = """\
name: trial
workload:
  net: ./net.prototxt
  dataset: digits
  batch_size: 32
  test_batch_size: 100
  iterations: 100
  test_interval: 20
solver: {type: SGD, momentum: 0.9}
seeds: [0]
engine: {name: caffe}
policies:
  - FIX(k0=0.01)
"""


@dataclass(frozen=True)
class Spec:
    """A spec's text, and the folder that it is written into as ``trial.yaml``."""

    folder: Path
    text: str = SPEC

    def changed(self, old: str, new: str) -> Spec:
        """The spec with one piece of its text replaced."""
        assert self.text.count(old) == 1, old
        return replace(self, text=self.text.replace(old, new))

    def more(self, lines: str) -> Spec:
        """The spec with lines after its last, which is line 13."""
        return replace(self, text=self.text + lines)

    def net(self, old: str, new: str) -> Spec:
        """The spec with one piece of the net's file replaced."""
        path = self.folder / "net.prototxt"
        assert old in path.read_text(), old
        path.write_text(path.read_text().replace(old, new))
        return self

    def read(self, *overrides: str) -> Experiment:
        """What the spec describes."""
        path = self.folder / "trial.yaml"
        path.write_text(self.text)
        return read_experiment(path, overrides)

    def refusal(self, *overrides: str) -> str:
        """The one line with which it is refused, without the folder."""
        with pytest.raises(UsageError) as caught:
            self.read(*overrides)
        assert caught.value.exit_code == 2
        message = str(caught.value)
        assert "\n" not in message
        return message.replace(f"{self.folder}/", "")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """A good spec, with a net of its own beside it."""
    (tmp_path / "net.prototxt").write_text(NET)
    return Spec(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    """A data set that the spec fits."""
    return prepared(tmp_path, train_count=1000, test_count=500, sha256="d" * 64)
