"""Order of the training samples by a seed."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lrbench.data import load
from lrbench.data.order import in_order, sample_order
from lrbench.errors import DataError


def test_a_seed_gives_a_permutation_that_is_the_same_everywhere():
    assert sample_order(8, 3).tolist() == sample_order(8, 3).tolist() == [2, 4, 1, 3, 6, 5, 0, 7]
    for seed in (0, 1, 2**31 - 1):
        assert sorted(sample_order(1000, seed).tolist()) == list(range(1000))
    assert sample_order(1000, 0).tolist() != sample_order(1000, 1).tolist()


def test_the_stored_samples_are_those_of_the_data_set_in_that_order(digits, tmp_path):
    made: list[str] = []
    ordered = in_order(digits, 7, tmp_path, made.append)
    expected, found = load(digits, "train"), load(ordered, "train")
    order = sample_order(digits.train_count, 7)
    assert np.array_equal(found.images, expected.images[order])
    assert np.array_equal(found.labels, expected.labels[order])
    assert replace(ordered, train=digits.train) == digits
    assert in_order(digits, 7, tmp_path, made.append) == ordered
    assert len(made) == 1
    assert in_order(digits, 8, tmp_path).train != ordered.train


def test_one_that_was_deleted_or_cut_short_is_made_again(digits, tmp_path):
    ordered = in_order(digits, 0, tmp_path)
    whole = (ordered.train / "data.mdb").read_bytes()
    (ordered.train / "data.mdb").write_bytes(whole[:10_000])
    assert len(load(in_order(digits, 0, tmp_path), "train").labels) == digits.train_count
    shutil.rmtree(ordered.train)
    assert len(load(in_order(digits, 0, tmp_path), "train").labels) == digits.train_count


def test_a_training_set_that_is_gone_is_named(digits, tmp_path):
    with pytest.raises(DataError, match="gone"):
        in_order(replace(digits, train=tmp_path / "gone"), 0, tmp_path)
    assert list(tmp_path.glob(".*partial")) == []
