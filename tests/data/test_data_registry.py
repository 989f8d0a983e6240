import sys

import pytest

from lrbench.data import DATA_SETS, data_set_names, find_data_set, prepare
from lrbench.errors import DataError
from lrbench.testing import DataSetConformance

PACKAGE = """
import numpy as np
from lrbench.data import Arrays, DataSet, Split

def read(sources):
    images = np.arange(4 * 12, dtype=np.uint8).reshape(4, 3, 2, 2)
    return Arrays("Tiny", Split(images[:3], np.array([0, 1, 1])), Split(images[3:], np.array([LABEL])), classes=2)

tiny = DataSet("Tiny", "four images", read)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Another package, installed beside LRBench; gives a function that writes its module."""
    site = tmp_path / "site"
    info = site / "tiny_sets-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-sets\nVersion: 1.0\n")
    points = "[lrbench.data_sets]\ntiny = tiny_sets:tiny\nother = tiny_sets:read\nbroken = tiny_sets:nothing\n"
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(site))
    yield lambda label=0: (site / "tiny_sets.py").write_text(PACKAGE.replace("LABEL", str(label)))
    sys.modules.pop("tiny_sets", None)


class TestDigits(DataSetConformance):
    @pytest.fixture
    def data_set(self):
        return DATA_SETS["digits"]


class TestMnist(DataSetConformance):
    @pytest.fixture
    def data_set(self):
        return DATA_SETS["mnist"]

    @pytest.fixture
    def files(self, real_data):
        return real_data


def test_every_data_set_says_what_it_is():
    assert list(DATA_SETS) == ["mnist", "cifar10", "cifar10_padded", "digits"]
    assert [DATA_SETS[name].title for name in ("mnist", "cifar10")] == ["MNIST", "CIFAR-10"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar", "no data set is called 'cifar'; did you mean cifar10 or cifar10_padded?"),
        ("MNIST", "no data set is called 'MNIST'; did you mean mnist?"),
        ("imagenet", "no data set is called 'imagenet'; known are mnist, cifar10, cifar10_padded, digits"),
        ("../digits", "no data set is called '../digits'; did you mean digits?"),
    ],
)
def test_an_unknown_name_lists_the_near_ones(name, said, tmp_path):
    with pytest.raises(DataError) as error:
        prepare(name, tmp_path)
    assert str(error.value) == said


def test_another_packages_data_set_is_loaded_only_when_it_is_looked_up(package, tmp_path):
    package()
    assert data_set_names() == [*DATA_SETS, "tiny", "other", "broken"]
    assert "tiny_sets" not in sys.modules
    prepared = prepare("tiny", tmp_path / "home")
    assert (prepared.label, prepared.train_count, prepared.test_count, prepared.classes) == ("Tiny", 3, 1, 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other", "data set other: tiny_sets:read is not an lrbench.data.DataSet"),
        ("broken", "tiny_sets:nothing cannot be loaded: AttributeError: .*has no attribute 'nothing'"),
    ],
)
def test_a_broken_package_is_named(package, name, said):
    package()
    with pytest.raises(DataError, match=said):
        find_data_set(name)


def test_labels_beyond_the_classes_are_refused(package, tmp_path):
    package(label=2)
    with pytest.raises(DataError, match="a test label lies outside 0 to 1"):
        prepare("tiny", tmp_path)
