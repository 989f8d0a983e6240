from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format

from lrbench.nets import BatchSizes, DataBinding, NetParameter, bind_net, find_net, net_sha256, read_net, write_message

Builder = Callable[..., NetParameter]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name: "small"', 'name: "other"'),
        ('name: "small"', "# nameless"),
        ('source: "train"', 'source: "elsewhere"'),
        ("batch_size: 4", "batch_size: 400"),
        ("LEVELDB", "LMDB"),
        ("batch_size: 2", "prefetch: 9"),
        ('data_param { source: "train" batch_size: 4 backend: LEVELDB }', ""),
    ],
)
def test_what_binding_sets_does_not_make_another_net(
    small_net: NetParameter, small_net_with: Builder, old: str, new: str
) -> None:
    assert net_sha256(small_net_with((old, new))) == net_sha256(small_net)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num_output: 7", "num_output: 8"),
        ('"ReLU"', '"TanH"'),
        ('"xavier"', '"msra"'),
        ('source: "train"', "rand_skip: 3"),
        ("data_param { source", 'transform_param { mean_file: "m" } data_param { source'),
        ("data_param { source", "transform_param { scale: 0.5 } data_param { source"),
    ],
)
def test_what_is_computed_makes_another_net(
    small_net: NetParameter, small_net_with: Builder, old: str, new: str
) -> None:
    assert net_sha256(small_net_with((old, new))) != net_sha256(small_net)


def test_another_mean_file_is_the_same_net(small_net_with: Builder) -> None:
    first, second = (
        small_net_with(("data_param { source", f'transform_param {{ mean_file: "{path}" }} data_param {{ source'))
        for path in ("a", "b")
    )
    assert net_sha256(first) == net_sha256(second)


def test_layout_and_comments_do_not_count(tmp_path: Path, small_net: NetParameter) -> None:
    write_message(tmp_path / "net.prototxt", small_net, header="a comment")
    one_line = text_format.MessageToString(small_net, as_one_line=True)
    (tmp_path / "line.prototxt").write_text(one_line)
    assert net_sha256(read_net(tmp_path / "net.prototxt")) == net_sha256(read_net(tmp_path / "line.prototxt"))


def test_the_hash_leaves_the_net_as_it_is(small_net: NetParameter) -> None:
    before = small_net.SerializeToString()
    net_sha256(small_net)
    assert small_net.SerializeToString() == before


def test_a_bound_net_of_lrbenchs_own_is_still_that_net() -> None:
    net = read_net(find_net("resnet20", Path()))
    bound = bind_net(net, DataBinding("/a", "/b", "/m"), BatchSizes(7, 9))
    assert bound != net
    assert net_sha256(bound) == net_sha256(net)
