import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from lrbench.data import evaluated_on, hold_out, load, prepare, suggested
from lrbench.data.arrays import mean_image
from lrbench.data.store import mean_bytes, read_mean
from lrbench.errors import DataError


@pytest.fixture
def held(digits, tmp_path):
    return hold_out(digits, 200, tmp_path)


def rows(split):
    return [(int(label), image.tobytes()) for image, label in zip(*split, strict=True)]


def test_both_parts_are_the_training_set_in_its_order(digits, held):
    whole, train, validation = rows(load(digits, "train")), rows(load(held, "train")), rows(load(held, "test"))
    assert (len(train), len(validation)) == (held.train_count, held.test_count) == (1097, 200)
    rest = iter(validation)
    following = next(rest)
    kept = []
    for row in whole:
        if row == following:
            following = next(rest, None)
        else:
            kept.append(row)
    assert following is None
    assert kept == train


def test_no_test_image_is_seen(digits, held):
    seen = set(rows(load(held, "train"))) | set(rows(load(held, "test")))
    assert seen == set(rows(load(digits, "train")))


def test_the_parts_are_a_fair_draw_and_the_same_everywhere(digits, held):
    classes = np.bincount(load(held, "test").labels, minlength=10)
    assert classes.min() >= 8
    assert held.sha256 == "ef09c702e55377d5b713a32eb7a617d141acfb047c0ebbbcfd59ec2ad53b0305"


def test_it_has_a_name_and_a_label_of_its_own(digits, held):
    assert held.name == "digits-holdout200"
    assert held.label == "digits, 200 training images held out"
    assert evaluated_on(held.name) == "validation"
    assert evaluated_on(digits.name) == "test"
    assert evaluated_on("my-holdout-images") == "test", "a name of the user's that holds nothing out"


def test_it_is_made_once(digits, held, tmp_path):
    def refuse(*_):
        raise AssertionError("nothing was to be done")

    assert hold_out(digits, 200, tmp_path, refuse) == held


def test_a_damaged_one_is_made_anew(digits, held, tmp_path):
    os.truncate(held.train / "data.mdb", 4096)
    assert hold_out(digits, 200, tmp_path) == held
    assert len(load(held, "train").images) == 1097


def test_a_mean_image_is_that_of_what_is_left(tmp_path):
    folder = tmp_path / "own"
    source = prepare("digits", tmp_path / "home")
    shutil.copytree(source.folder, folder)
    (folder / "mean.binaryproto").write_bytes(mean_bytes(np.zeros(source.shape, np.float32)))
    held = hold_out(replace(source, mean=folder / "mean.binaryproto"), 100, tmp_path)
    assert held.mean is not None
    np.testing.assert_array_equal(read_mean(held.mean), mean_image(load(held, "train").images))


@pytest.mark.parametrize("count", [0, -1, 1297])
def test_nothing_left_to_train_or_validate_on(digits, tmp_path, count):
    refused = f"cannot hold {count} of 1297 training images out for validation; hold out 216"
    with pytest.raises(DataError, match=refused):
        hold_out(digits, count, tmp_path)


def test_the_suggestion_is_of_whole_batches(digits):
    assert suggested(digits, 100) == 200
    assert suggested(digits, 64) == 192
    assert suggested(digits, 1000) == 1000
