"""Weight files: what was written is read, old forms too, and what does not fit is refused by layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engines.torch.torch_parity import input_net

from lrbench.engines.torch.net import TorchNet
from lrbench.engines.torch.weights import read_caffemodel, write_caffemodel
from lrbench.errors import NetError, ResultsError
from lrbench.nets import NetParameter
from lrbench.nets.caffe_pb2 import TRAIN

SHAPES = {"x": (2, 3, 8, 8)}


def build(layers: str = "", outputs: int = 5) -> TorchNet:
    net = input_net(
        'layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" convolution_param { num_output: 4 '
        'kernel_size: 3 weight_filler { type: "xavier" } } }'
        'layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" '
        f'inner_product_param {{ num_output: {outputs} weight_filler {{ type: "xavier" }} }} }}' + layers,
        SHAPES,
    )
    return TorchNet(net, TRAIN, SHAPES)


def filled(net: TorchNet, seed: int) -> list[torch.Tensor]:
    return net.initial(torch.Generator().manual_seed(seed))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    net = build()
    written, read = filled(net, 1), filled(net, 2)
    write_caffemodel(tmp_path / "a.caffemodel", net, written)
    read_caffemodel(tmp_path / "a.caffemodel", net, read)
    assert all(torch.equal(one, other) for one, other in zip(written, read, strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["a.caffemodel"]


def test_the_memory_layout_is_no_matter(tmp_path: Path) -> None:
    net = build()
    written = [tensor.contiguous() for tensor in filled(net, 1)]
    read = filled(net, 2)
    assert read[0].is_contiguous(memory_format=torch.channels_last)
    write_caffemodel(tmp_path / "a.caffemodel", net, written)
    read_caffemodel(tmp_path / "a.caffemodel", net, read)
    assert torch.equal(written[0], read[0])


def test_old_shapes_of_four_axes_and_doubles_are_read(tmp_path: Path) -> None:
    net = build()
    written, read = filled(net, 1), filled(net, 2)
    write_caffemodel(tmp_path / "a.caffemodel", net, written)
    message = NetParameter.FromString((tmp_path / "a.caffemodel").read_bytes())
    for layer in message.layer:
        for blob in layer.blobs:
            axes = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
            blob.ClearField("shape")
            blob.num, blob.channels, blob.height, blob.width = axes
            blob.double_data.extend(blob.data)
            blob.ClearField("data")
    (tmp_path / "old.caffemodel").write_bytes(message.SerializeToString())
    read_caffemodel(tmp_path / "old.caffemodel", net, read)
    assert all(torch.equal(one, other) for one, other in zip(written, read, strict=True))


def test_layers_that_the_net_has_not_are_passed_over(tmp_path: Path) -> None:
    more = build(
        'layer { name: "more" type: "InnerProduct" bottom: "ip" top: "more" inner_product_param { num_output: 2 } }'
    )
    written, read = filled(more, 1), filled(build(), 2)
    write_caffemodel(tmp_path / "a.caffemodel", more, written)
    read_caffemodel(tmp_path / "a.caffemodel", build(), read)
    assert all(torch.equal(one, other) for one, other in zip(written, read, strict=False))


def test_what_does_not_fit_is_refused_by_layer_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.caffemodel"
    write_caffemodel(path, build(), filled(build(), 1))
    other = build(outputs=6)
    tensors = filled(other, 2)
    before = [tensor.clone() for tensor in tensors]
    with pytest.raises(NetError) as error:
        read_caffemodel(path, other, tensors)
    assert str(error.value) == (
        f'{path}: layer "ip": blob 0 has shape (5, 144) and 720 values, and the net\'s has shape (6, 144)'
    )
    assert all(torch.equal(one, same) for one, same in zip(tensors, before, strict=True))


def test_a_layer_that_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    more = build(
        'layer { name: "more" type: "InnerProduct" bottom: "ip" top: "more" inner_product_param { num_output: 2 } }'
    )
    write_caffemodel(tmp_path / "a.caffemodel", build(), filled(build(), 1))
    with pytest.raises(NetError, match='has no layer "more", whose weights the net needs'):
        read_caffemodel(tmp_path / "a.caffemodel", more, filled(more, 1))


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    net = build()
    tensors = filled(net, 1)
    with pytest.raises(NetError, match="cannot be read"):
        read_caffemodel(tmp_path / "none.caffemodel", net, tensors)
    (tmp_path / "text").write_text('layer { name: "conv" }')
    with pytest.raises(NetError, match="is not a caffemodel"):
        read_caffemodel(tmp_path / "text", net, tensors)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(NetError, match="holds no layer"):
        read_caffemodel(tmp_path / "empty", net, tensors)
    write_caffemodel(tmp_path / "a.caffemodel", net, tensors)
    content = (tmp_path / "a.caffemodel").read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(NetError, match="cut short"):
        read_caffemodel(tmp_path / "cut", net, tensors)
    with pytest.raises(ResultsError, match="cannot be written"):
        write_caffemodel(tmp_path / "absent" / "a.caffemodel", net, tensors)


def test_shared_weights_are_written_for_each_layer(tmp_path: Path) -> None:
    product = (
        'layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" param { name: "w" } '
        'inner_product_param { num_output: 4 bias_term: false weight_filler { type: "xavier" } } }'
    )
    shapes = {"x": (2, 4)}
    net = TorchNet(input_net(product % ("a", "x", "a") + product % ("b", "a", "b"), shapes), TRAIN, shapes)
    (weight,), (read,) = filled(net, 1), filled(net, 2)
    write_caffemodel(tmp_path / "a.caffemodel", net, [weight])
    message = NetParameter.FromString((tmp_path / "a.caffemodel").read_bytes())
    assert [(layer.name, len(layer.blobs)) for layer in message.layer] == [("x", 0), ("a", 1), ("b", 1)]
    read_caffemodel(tmp_path / "a.caffemodel", net, [read])
    assert torch.equal(weight, read)
