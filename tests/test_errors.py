"""What an error says: one line with the place, the problem and the remedy, and names near to a mistyped one."""

from __future__ import annotations

import pytest

from lrbench.errors import LRBenchError, NetError, SpecError, did_you_mean


def test_an_error_is_one_line():
    error = SpecError("k is\n  1", where="a.yaml:3", remedy="set it\tto 2")
    assert str(error) == "a.yaml:3: k is 1; set it to 2"
    assert str(LRBenchError("it failed")) == "it failed"


def test_no_part_of_an_error_can_steer_a_terminal():
    error = NetError('layer "\x1b[31mconv\x9b1"\r', where="a\x1b]0;b\x07.prototxt", remedy="\u202eset it\x08 to\0 2")
    assert str(error) == 'a]0;b.prototxt: layer "[31mconv1"; set it to 2'
    assert (error.where, error.message) == ("a]0;b.prototxt", 'layer "[31mconv1"')
    assert str(error.at("s\x1b.yaml:3")) == f"s.yaml:3: {error}"


def test_a_long_quotation_does_not_hide_the_remedy():
    error = LRBenchError("k" * 10_000, remedy="shorten it")
    assert len(str(error)) < 3000
    assert str(error).endswith("; shorten it")


def test_a_place_is_put_before_the_one_there_is():
    error = SpecError("is missing", where="net.prototxt", remedy="add it").at("a.yaml:3")
    assert isinstance(error, SpecError)
    assert str(error) == "a.yaml:3: net.prototxt: is missing; add it"
    assert str(SpecError("is missing").at("a.yaml:3")) == "a.yaml:3: is missing"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("iteration", ["net", "iterations", "test_interval"], "did you mean iterations?"),
        ("sgd", ["Adam", "SGD"], "did you mean SGD?"),
        ("ko", ["k0", "k1", "gamma"], "did you mean k1 or k0?"),
        ("lenett", ["lenet", "resnet20", "resnet32"], "did you mean lenet?"),
        ("resnet33", ["lenet", "resnet20", "resnet32"], "did you mean resnet32 or resnet20 or lenet?"),
        ("cifar", ["mnist", "cifar10", "cifar10_padded"], "did you mean cifar10 or cifar10_padded?"),
        ("banana", ["net", "iterations"], ""),
        ("", ["net"], ""),
        (3, ["net"], ""),
        (["native"], ["native"], "did you mean native?"),
        ("net", [], ""),
        ("aaaa", ["aaab", "aaac", "aaad", "aaae"], "did you mean aaae or aaad or aaac?"),
    ],
)
def test_near_names(name, known, hint):
    assert did_you_mean(name, known) == hint
