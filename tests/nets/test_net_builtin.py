from __future__ import annotations

from pathlib import Path

import pytest

from lrbench import storage
from lrbench.errors import NetError, UsageError
from lrbench.nets import builtin_nets, check_net, find_net, read_net


def test_the_nets_of_lrbench() -> None:
    assert builtin_nets() == ["cnn3", "lenet", "resnet20", "resnet32"]


@pytest.mark.parametrize("name", ["cnn3", "lenet", "resnet20", "resnet32"])
def test_each_has_what_training_and_measuring_need(name: str) -> None:
    parts = check_net(read_net(find_net(name, Path())), name)
    assert (parts.classes, parts.probabilities, parts.loss_blob) == (10, "probabilities", "loss")
    assert parts.random_layers == ()
    assert parts.wants_mean == (name != "lenet")


def test_a_path_starts_from_the_base(tmp_path: Path) -> None:
    assert find_net("lenet.prototxt", tmp_path) == tmp_path / "lenet.prototxt"
    assert find_net("nets/mine", tmp_path) == tmp_path / "nets" / "mine"
    assert find_net("/nets/mine", tmp_path) == Path("/nets/mine")


def test_a_bare_name_is_a_net_of_lrbench_whatever_lies_in_the_base(tmp_path: Path) -> None:
    (tmp_path / "lenet").touch()
    assert find_net("lenet", tmp_path).name == "lenet.prototxt"
    assert tmp_path not in find_net("lenet", tmp_path).parents


def test_an_unknown_name_lists_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r'no net "resnet33"; did you mean resnet32 or resnet20 '):
        find_net("resnet33", tmp_path)
    with pytest.raises(NetError, match="cnn3, lenet, resnet20, resnet32"):
        find_net("vgg", tmp_path)


def test_an_installed_package_has_its_nets_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lrbench"
    monkeypatch.setattr(storage, "PACKAGE", package)
    with pytest.raises(UsageError, match="the folder prototxt is missing from LRBench; install LRBench anew"):
        builtin_nets()
    (package / "prototxt").mkdir(parents=True)
    (package / "prototxt" / "only.prototxt").touch()
    assert find_net("only", Path()) == package / "prototxt" / "only.prototxt"
