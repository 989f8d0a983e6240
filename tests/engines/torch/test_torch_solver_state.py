"""Caffe's .solverstate, read and written."""

from __future__ import annotations

import pytest
import torch

from lrbench.engines.torch.solver_state import from_solver_state, to_solver_state
from lrbench.errors import EngineFailed
from lrbench.nets.caffe_pb2 import SolverState

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
        shape { dim: 2 dim: 3 dim: 4 dim: 4 } shape { dim: 2 } data_filler { value: 0.5 } data_filler { value: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "{folder}/net.prototxt" type: "Adam" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 100 random_seed: 1
solver_mode: CPU snapshot_prefix: "{folder}/net"
"""
SHAPES = [(4, 3, 3, 3), (4,), (3, 16), (3,)]


def zeros():
    return [torch.zeros(shape) for shape in SHAPES * 2]


def channels_last(state):
    return [part.to(memory_format=torch.channels_last) if part.dim() == 4 else part for part in state]


@pytest.mark.caffe
def test_caffes_state_travels_here_and_back(caffe_python, tmp_path):
    """Read into tensors of another layout, written anew, restored by Caffe, and written by it again unchanged."""
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER.format(folder=tmp_path))
    run = f'import caffe; solver = caffe.get_solver("{tmp_path}/solver.prototxt")\n'
    caffe_python(run + "solver.step(5); solver.snapshot()")
    file = tmp_path / "net_iter_5.solverstate"
    original = SolverState.FromString(file.read_bytes())
    state = channels_last(zeros())
    assert from_solver_state(original, state) == 5
    assert all(part.any() for part in state)
    written = to_solver_state(state, 5, original.learned_net)
    assert written.history == original.history
    file.rename(tmp_path / "original")
    (tmp_path / "ours.solverstate").write_bytes(written.SerializeToString())
    caffe_python(run + f'solver.restore("{tmp_path}/ours.solverstate"); solver.snapshot()')
    assert SolverState.FromString(file.read_bytes()) == original


@pytest.mark.parametrize("shapes", [SHAPES, [*SHAPES * 2, (1,)], [(4, 27), *SHAPES[1:], *SHAPES]])
def test_a_state_of_something_else_is_refused(shapes):
    message = to_solver_state([torch.ones(shape) for shape in shapes], 5, "")
    state = zeros()
    with pytest.raises(EngineFailed, match="of another net or another type of solver"):
        from_solver_state(message, state)
    assert not any(part.any() for part in state)


def test_a_state_cut_short_is_refused():
    message = to_solver_state(zeros(), 5, "")
    del message.history[0].data[-1]
    with pytest.raises(EngineFailed, match="another net"):
        from_solver_state(message, zeros())
