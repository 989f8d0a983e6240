import sys
from typing import Literal

import numpy as np
import pytest

from lrbench.data import Sources, load, prepare
from lrbench.data.digits import enlarge, read
from lrbench.errors import DataError


def test_digits_are_split_in_order_and_have_the_same_fingerprint_everywhere(digits):
    assert (digits.train_count, digits.test_count, digits.shape, digits.classes) == (1297, 500, (1, 28, 28), 10)
    assert (digits.label, digits.mean) == ("digits", None)
    assert digits.sha256 == "8ac521bdfff5aceaa60177adea4309eb06210db6dd0a25f4904591b91801cd23"


def test_each_value_is_a_block_of_three_by_three_scaled_to_255(digits):
    from sklearn.datasets import load_digits  # seconds, which each worker would take

    found = load_digits()
    parts: dict[Literal["train", "test"], slice] = {"train": slice(None, 1297), "test": slice(1297, None)}
    for split, part in parts.items():
        images, labels = load(digits, split)
        np.testing.assert_array_equal(labels, found.target[part])
        assert not images[:, :, :2].any()
        assert not images[:, :, :, 26:].any()
        for offset in range(3):
            values = images[:, 0, 2 + offset : 26 : 3, 2 + offset : 26 : 3]
            assert np.abs(values - found.images[part] * 255 / 16).max() <= 0.5


def test_values_are_rounded():
    values = np.arange(16.0).reshape(1, 4, 4).repeat(2, axis=1).repeat(2, axis=2)
    assert enlarge(values)[0, 0, 2, 2:26:6].tolist() == [0, 16, 32, 48]
    assert enlarge(np.full((1, 8, 8), 16.0)).max() == 255


def test_without_scikit_learn_the_extra_to_install_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r"needs scikit-learn; pip install 'lrbench\[digits\]'"):
        prepare("digits", tmp_path)


def test_other_digits_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("lrbench.data.digits.IMAGES_SHA256", "0" * 64)
    with pytest.raises(DataError, match="load_digits: the labels are right, the pixels are not"):
        read(Sources(None, tmp_path))


def test_digits_that_cannot_be_read_are_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("lrbench.data.digits.FILE", "nowhere.csv.gz")
    with pytest.raises(
        DataError, match=r"sklearn/nowhere.csv.gz: the digits of scikit-learn cannot be read: .*; install"
    ):
        read(Sources(None, tmp_path))
