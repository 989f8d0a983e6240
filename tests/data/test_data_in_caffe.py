import numpy as np
import pytest

from lrbench.data import Split, load, open_folder
from lrbench.data.arrays import mean_image, pad
from lrbench.data.cifar10 import BORDER
from lrbench.data.store import mean_bytes, write_split

pytestmark = pytest.mark.caffe

SCRIPT = """
import caffe, numpy
net = caffe.Net({net!r}, caffe.TEST)
net.forward()
numpy.savez({out!r}, images=net.blobs["data"].data, labels=net.blobs["label"].data)
"""


@pytest.fixture
def batch(caffe_python, tmp_path):
    """The first batch that real Caffe reads from an LMDB folder: images and labels."""

    def read(folder, size, transform=""):
        net, out = tmp_path / "net.prototxt", tmp_path / "batch.npz"
        net.write_text(
            f'layer {{ name: "data" type: "Data" top: "data" top: "label" transform_param {{ {transform} }} '
            f'data_param {{ source: "{folder}" backend: LMDB batch_size: {size} }} }}'
        )
        caffe_python(SCRIPT.format(net=str(net), out=str(out)))
        with np.load(out) as found:
            return found["images"], found["labels"]

    return read


def test_caffe_reads_the_images_and_labels_in_order(digits, batch):
    images, labels = batch(digits.test, 500)
    np.testing.assert_array_equal(images, load(digits, "test").images)
    np.testing.assert_array_equal(labels, load(digits, "test").labels)


def test_caffe_crops_the_padding_away_and_sees_zeros_in_it(batch, tmp_path):
    images = np.random.default_rng(6).integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    padded = pad(images, BORDER, np.array([125, 123, 114], np.uint8))
    (tmp_path / "lmdb").mkdir()
    write_split(tmp_path / "lmdb", Split(padded, np.arange(20) % 10), lambda _: None)
    (tmp_path / "mean").write_bytes(mean_bytes(mean_image(padded)))
    whole, _ = batch(tmp_path / "lmdb", 20, f'mean_file: "{tmp_path}/mean"')
    centre, _ = batch(tmp_path / "lmdb", 20, f'mean_file: "{tmp_path}/mean" crop_size: 32')
    np.testing.assert_array_equal(centre, images - mean_image(images))
    whole[:, :, BORDER:-BORDER, BORDER:-BORDER] = 0
    assert not whole.any()


def test_what_caffe_writes_is_read(caffe_python, tmp_path):
    script = """
import sys
del sys.modules["caffe.io"]
import caffe, numpy
datum = caffe.io.array_to_datum(numpy.arange(24, dtype="uint8").reshape(2, 3, 4), label=3)
open({out!r}, "wb").write(datum.SerializeToString())
"""
    caffe_python(script.format(out=str(tmp_path / "datum")))
    import lmdb

    with lmdb.open(str(tmp_path / "own"), map_size=1 << 20) as database, database.begin(write=True) as transaction:
        transaction.put(b"00000000_a.png", (tmp_path / "datum").read_bytes())
    own = open_folder(tmp_path / "own", tmp_path / "own")
    assert (own.shape, own.classes) == ((2, 3, 4), 4)
    np.testing.assert_array_equal(load(own, "train").images[0], np.arange(24).reshape(2, 3, 4))
