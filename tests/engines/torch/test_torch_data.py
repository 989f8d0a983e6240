"""The batches against real Caffe's, number by number; and the random ones by what they may be and how often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from lrbench.data import Split, load, open_folder
from lrbench.data.arrays import mean_image
from lrbench.data.store import mean_bytes, write_split
from lrbench.engines.torch.data import Batches, Reading
from lrbench.errors import DataError, NetError
from lrbench.nets import layers_in, read_net
from lrbench.nets.caffe_pb2 import TEST, TRAIN, TransformationParameter

BATCHES = 30
COLOUR = (3, 11, 8)
CROP = 6

SCRIPT = """
import caffe, numpy
for name in {names!r}:
    net = caffe.Net({folder!r} + "/" + name + ".prototxt", caffe.TRAIN if "train" in name else caffe.TEST)
    found = dict(data=[], label=[])
    for _ in range({batches}):
        net.forward()
        for blob in found:
            found[blob].append(net.blobs[blob].data.copy())
    numpy.savez({folder!r} + "/" + name + ".npz", **found)
"""


def colours(count):
    generator = np.random.default_rng(3)
    return Split(generator.integers(0, 256, (count, *COLOUR), dtype=np.uint8), np.arange(count) % 7)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Seventy training and fifty test images of random colours, 11 rows by 8 columns, and their mean."""
    folder = tmp_path_factory.mktemp("colours")
    for name, count in (("train", 70), ("test", 50)):
        (folder / name).mkdir()
        write_split(folder / name, colours(count), lambda _: None)
    (folder / "mean").write_bytes(mean_bytes(mean_image(colours(70).images)))
    return open_folder(folder / "train", folder / "test", folder / "mean")


@pytest.fixture(scope="module")
def digits_mean(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("mean") / "mean"
    path.write_bytes(mean_bytes(mean_image(load(digits, "train").images)))
    return path


@pytest.fixture(scope="module")
def cases(digits, made_up, digits_mean):
    """Name, data set, batch size and transform_param; "train" in a name is its phase."""
    return {
        "digits_train": (digits, 64, ""),
        "digits_train_scaled": (digits, 64, "scale: 0.00390625 mean_value: 33.3"),
        "digits_test_centre": (digits, 64, f'scale: 0.017 crop_size: 5 mean_file: "{digits_mean}"'),
        "colours_train": (made_up, 64, "scale: 0.3 mean_value: 104 mean_value: 117.3 mean_value: 123"),
        "colours_train_larger_than_the_set": (made_up, 100, f'mean_file: "{made_up.mean}"'),
        "colours_test_centre": (made_up, 20, f'scale: 0.017 crop_size: {CROP} mean_file: "{made_up.mean}"'),
        "colours_test_centre_values": (made_up, 20, "crop_size: 7 mean_value: 104 mean_value: 117.3 mean_value: 123"),
        "colours_train_random": (made_up, 20, f'scale: 0.3 crop_size: {CROP} mirror: true mean_file: "{made_up.mean}"'),
        "colours_test_mirrored": (made_up, 20, f"crop_size: {CROP} mirror: true"),
    }


def net_text(data, phase, batch_size, transform):
    return (
        f'layer {{ name: "data" type: "Data" top: "data" top: "label" transform_param {{ {transform} }} '
        f'data_param {{ source: "{getattr(data, phase)}" backend: LMDB batch_size: {batch_size} }} }}'
    )


def phase_of(name):
    return TRAIN if "train" in name else TEST


@pytest.fixture(scope="module")
def recorded(caffe_python, cases, tmp_path_factory):
    """The first batches of every case as real Caffe reads them."""
    folder = tmp_path_factory.mktemp("batches")
    for name, (data, batch_size, transform) in cases.items():
        text = net_text(data, "train" if phase_of(name) == TRAIN else "test", batch_size, transform)
        (folder / f"{name}.prototxt").write_text(text)
    caffe_python(SCRIPT.format(names=list(cases), folder=str(folder), batches=BATCHES))
    return folder


@pytest.fixture
def both(recorded, cases):
    """Of one case: what Caffe read, and our batches."""

    def make(name) -> tuple[dict[str, np.ndarray], Batches]:
        (layer,) = layers_in(read_net(recorded / f"{name}.prototxt"), phase_of(name))
        with np.load(recorded / f"{name}.npz") as found:
            theirs = {field: found[field] for field in found.files}
        return theirs, Batches.of(cases[name][0], layer, phase_of(name), seed=1)

    return make


@pytest.mark.caffe
@pytest.mark.parametrize(
    "name",
    [
        "digits_train",
        "digits_train_scaled",
        "digits_test_centre",
        "colours_train",
        "colours_train_larger_than_the_set",
        "colours_test_centre",
        "colours_test_centre_values",
    ],
)
def test_batches_are_caffes_bit_for_bit(both, name):
    theirs, ours = both(name)
    assert theirs["data"].shape[1:] == ours.shape
    for index in range(BATCHES):
        data, labels = ours.batch(index)
        np.testing.assert_array_equal(data.numpy(), theirs["data"][index])
        np.testing.assert_array_equal(labels.numpy(), theirs["label"][index])


@pytest.mark.caffe
@pytest.mark.parametrize("name", ["colours_train_random", "colours_test_mirrored"])
def test_random_samples_are_windows_that_caffe_also_makes(both, name):
    """Each sample of Caffe's is bit for bit one that our reading makes of the same image, and ours vary as widely."""
    theirs, ours = both(name)
    places = [(row, column, flip) for row in range(6) for column in range(3) for flip in (0, 1)]
    if phase_of(name) == TEST:
        places = [(0, 0, 0), (0, 0, 1)]
    images = torch.arange(50)[:, None]
    possible = [ours_read(ours, torch.cat([images, torch.tensor([place]).expand(50, 3)], 1)) for place in places]
    seen = set()
    for sample, found in enumerate(theirs["data"].reshape(-1, *theirs["data"].shape[2:])):
        image = sample % (70 if phase_of(name) == TRAIN else 50)
        if image < 50:
            same = [place for place, made in zip(places, possible, strict=True) if np.array_equal(made[image], found)]
            assert len(same) == 1
            seen.update(same)
    assert seen == set(places)
    drawn = {tuple(row) for row in ours.plan(0, BATCHES)[:, :, 1:].reshape(-1, 3).tolist()}
    assert drawn == set(places)


def ours_read(batches, plan):
    """Read all rows of a plan, as many at once as a batch has."""
    size = batches.shape[0]
    rows = torch.cat([plan, plan[: -len(plan) % size]]) if len(plan) % size else plan
    return torch.cat([batches.read(part)[0] for part in rows.split(size)])[: len(plan)].numpy()


RANDOM = TransformationParameter(crop_size=CROP, mirror=True, scale=0.5, mean_value=[10.0])


def random_batches(seed=1, phase=TRAIN, batch_size=32):
    return Batches(colours(70), RANDOM, Reading(batch_size, phase, seed))


def test_each_random_sample_is_the_window_that_its_plan_says():
    batches, split = random_batches(), colours(70)
    for index in (0, 1, 2, 1000):
        data, labels = batches.batch(index)
        plan = batches.plan(index, 1)[0].tolist()
        for sample, (image, row, column, flipped) in enumerate(plan):
            assert image == (32 * index + sample) % 70
            window = (split.images[image].astype(np.float32) - 10) * np.float32(0.5)
            window = window[:, row : row + CROP, column : column + CROP]
            np.testing.assert_array_equal(data[sample], window[:, :, ::-1] if flipped else window)
            assert labels[sample] == split.labels[image]


def test_every_window_comes_equally_often():
    drawn = random_batches().plan(0, 500)[:, :, 1:].reshape(-1, 3).numpy()
    counts = np.bincount((drawn[:, 0] * 3 + drawn[:, 1]) * 2 + drawn[:, 2], minlength=36)
    assert counts.shape == (36,)
    assert 0.001 < stats.chisquare(counts).pvalue < 0.999


def test_what_is_drawn_for_neighbours_is_unrelated():
    drawn = random_batches().plan(0, 500)[:, :, 1:].reshape(-1, 3).numpy()
    for lag in (1, 32, 70):  # the next sample, the same place in the next batch, the same image in the next epoch
        for axis in range(3):
            table = np.histogram2d(drawn[:-lag, axis], drawn[lag:, axis], bins=drawn[:, axis].max() + 1)[0]
            assert stats.chi2_contingency(table).pvalue > 0.001


def test_a_batch_depends_on_its_index_and_the_seed_alone():
    first, second = random_batches(), random_batches()
    expected = [first.batch(index)[0] for index in range(6)]
    for index in (5, 0, 3, 3):
        assert torch.equal(second.batch(index)[0], expected[index])
    plan = second.plan(2, 3)
    assert torch.equal(second.read(plan[1])[0], expected[3])
    assert not torch.equal(random_batches(seed=2).batch(0)[0], expected[0])


def test_samples_do_not_depend_on_the_batch_size():
    small, large = random_batches(batch_size=16), random_batches(batch_size=32)
    assert torch.equal(torch.cat([small.batch(6)[0], small.batch(7)[0]]), large.batch(3)[0])


def test_training_and_testing_draw_different_numbers():
    train, test = random_batches().plan(0, 10), random_batches(phase=TEST).plan(0, 10)
    assert not test[:, :, 1:3].any()
    assert 0 < test[:, :, 3].sum() < test[:, :, 3].numel()
    assert not torch.equal(train[:, :, 3], test[:, :, 3])


def test_memory_formats_are_what_convolutions_like():
    data, labels = random_batches().batch(0)
    assert data.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert data.is_contiguous(memory_format=torch.channels_last)
    grey = Split(colours(70).images[:, :1].copy(), colours(70).labels)
    data, _ = Batches(grey, RANDOM, Reading(8, TRAIN)).batch(0)
    assert data.stride() == (CROP * CROP, CROP * CROP, CROP, 1)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("crop_size: 9", "crop_size is 9, and the images are 11x8; set it to 8 or less"),
        ("force_gray: true", "force_gray is not supported: Caffe ignores it unless images are encoded; remove it"),
        ("mean_value: 1 mean_value: 2", "has 2 values of mean_value for images of 3 channels; give one, or 3"),
        ('mean_value: 1 mean_file: "{mean}"', "has both mean_file and mean_value; keep one"),
    ],
)
def test_what_does_not_fit_is_refused(made_up, tmp_path, transform, message):
    with pytest.raises(NetError) as refused:
        of_text(made_up, tmp_path, transform.format(mean=made_up.mean))
    assert str(refused.value) == f'layer "data": {message}'


def test_a_mean_of_other_images_is_refused(made_up, digits_mean, tmp_path):
    with pytest.raises(DataError, match=r"layer \"data\": .*mean: is \(1, \d+, \d+\), the images \(3, 11, 8\); use"):
        of_text(made_up, tmp_path, f'mean_file: "{digits_mean}"')


def of_text(data, folder: Path, transform):
    (folder / "net.prototxt").write_text(net_text(data, "train", 10, transform))
    (layer,) = layers_in(read_net(folder / "net.prototxt"), TRAIN)
    return Batches.of(data, layer, TRAIN, seed=0)


def test_the_numbers_drawn_do_not_change():
    """A change here would make finished and resumed runs of one seed differ."""
    plan = Batches(colours(70), RANDOM, Reading(4, TRAIN, 7)).plan(5, 1)[0, :, 1:]
    assert plan.tolist() == [[1, 2, 1], [1, 1, 0], [5, 1, 0], [5, 1, 0]]
