import shutil

import lmdb
import numpy as np
import pytest

from lrbench.data import Split, load, open_folder
from lrbench.data.store import mean_bytes, write_split
from lrbench.errors import DataError
from lrbench.nets import caffe_pb2


def make(folder, labels, shape=(3, 4, 5)):
    folder.mkdir()
    images = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), *shape), dtype=np.uint8)
    write_split(folder, Split(images, np.array(labels)), lambda _: None)
    return folder


@pytest.fixture
def train(tmp_path):
    return make(tmp_path / "my_train_lmdb", [0, 6, 2, 1])


@pytest.fixture
def test(tmp_path):
    return make(tmp_path / "my_test_lmdb", [5, 0])


def test_an_own_data_set_is_described_by_its_records(train, test):
    own = open_folder(train, test)
    assert (own.label, own.train, own.test, own.mean) == ("my_train_lmdb", train, test, None)
    assert (own.train_count, own.test_count, own.shape, own.classes) == (4, 2, (3, 4, 5), 7)
    assert load(own, "test").labels.tolist() == [5, 0]


def test_the_fingerprint_is_that_of_the_content_not_of_where_and_how_it_is_stored(digits, tmp_path):
    for path in (digits.train, digits.test):
        shutil.copytree(path, tmp_path / path.name)
    assert open_folder(tmp_path / "train_lmdb", tmp_path / "test_lmdb").sha256 == digits.sha256


def test_the_fingerprint_changes_with_a_label_and_with_the_mean(train, test, tmp_path):
    prints = {open_folder(train, test).sha256, open_folder(train, train).sha256}
    for value in (1.0, 2.0):
        (tmp_path / "mean").write_bytes(mean_bytes(np.full((3, 4, 5), value, np.float32)))
        prints.add(open_folder(train, test, tmp_path / "mean").sha256)
    prints.add(open_folder(make(tmp_path / "relabelled", [0, 6, 2, 3]), test).sha256)
    assert len(prints) == 5


def test_a_mean_of_another_shape_is_refused(train, test, tmp_path):
    (tmp_path / "mean").write_bytes(mean_bytes(np.zeros((1, 4, 5), np.float32)))
    with pytest.raises(DataError, match=f"^{tmp_path}/mean: is 1x4x5, the images 3x4x5"):
        open_folder(train, test, tmp_path / "mean")


def test_test_images_must_have_the_shape_of_the_training_images(train, tmp_path):
    other = make(tmp_path / "other", [0], (3, 5, 4))
    with pytest.raises(DataError, match=f"^{other}: images are 3x5x4, those of {train} 3x4x5"):
        open_folder(train, other)


def test_a_label_that_training_never_saw_is_refused(train, tmp_path):
    other = make(tmp_path / "other", [0, 7])
    with pytest.raises(DataError, match=f"^{other}: has the label 7, but {train} none above 6"):
        open_folder(train, other)


def test_a_negative_label_is_refused(test, tmp_path):
    bad = make(tmp_path / "bad", [0, -1])
    with pytest.raises(DataError, match=f"^{bad}: record 1 has the label -1"):
        open_folder(bad, test)


def test_images_of_several_sizes_are_refused(test, tmp_path):
    folder = tmp_path / "mixed"
    with lmdb.open(str(folder), map_size=1 << 20) as database, database.begin(write=True) as transaction:
        for width in (1, 2):
            record = caffe_pb2.Datum(channels=1, height=1, width=width, data=bytes(width))
            transaction.put(b"%d" % width, record.SerializeToString())
    with pytest.raises(DataError, match=f"^{folder}: record 1 is 1x1x2, the first 1x1x1; make all images of one size"):
        open_folder(folder, test)


def test_a_folder_that_is_absent_is_named(train, tmp_path):
    with pytest.raises(DataError, match=f"^{tmp_path}/none: holds no data.mdb; make an LMDB there"):
        open_folder(train, tmp_path / "none")
