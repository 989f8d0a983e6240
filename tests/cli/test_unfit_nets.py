"""A net that cannot be trained is refused with one line, by every command and both engines, before anything trains."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = Path(__file__).parents[1] / "data_files"
FITTING = (FILES / "crop.prototxt").read_text().replace("crop_size: 40", "crop_size: 20")
PRODUCT = 'layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"'
TEST_CROP = "phase: TEST } transform_param { crop_size: 20"


def before(layer: str) -> tuple[str, str]:
    """A layer that works in place, ahead of the inner product."""
    return PRODUCT, f'layer {{ name: "extra" bottom: "x" top: "x2" {layer} }}\n' + PRODUCT.replace('"x"', '"x2"')


UNFIT = {
    "crop": (
        ("crop_size: 20", "crop_size: 40"),
        'layer "images": crop_size is 40, and the images are 28x28; set it to 28 or less',
    ),
    "means": (
        ("crop_size: 20", "mean_value: 1 mean_value: 2"),
        'layer "images": has 2 values of mean_value for images of 1 channels; give one, or 1',
    ),
    "stochastic": (
        before('type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'),
        'layer "extra": pool is STOCHASTIC, which only the engine caffe on a GPU can train; use MAX or AVE, '
        "or engine: {name: caffe, device: gpu}",
    ),
    "lrn": (
        before('type: "LRN" lrn_param { local_size: 4 }'),
        'layer "extra": local_size is 4, and must be odd; set it to 5',
    ),
    "mirror": (
        (TEST_CROP, TEST_CROP + " mirror: true"),
        'layer "images": mirrors test images at random, so that evaluations of the same weights differ; remove '
        "mirror in the TEST phase",
    ),
    "phase": (
        ("include { phase: TEST }", "include { phase: TEST } phase: TRAIN"),
        'layer "images": its phase is TRAIN, so that it crops test images at random; remove phase',
    ),
    "frozen": (
        (PRODUCT, PRODUCT + " param { lr_mult: 0 } param { lr_mult: 0 }"),
        'layer "fc": its lr_mult is 0, as that of all other layers with parameters is, so training changes '
        "nothing; set the lr_mult of what is to be trained to 1",
    ),
    "unknown": (
        ('"InnerProduct"', '"InerProduct"'),
        'crop.prototxt: layer "fc": Caffe does not know the layer type "InerProduct"; did you mean InnerProduct or Input?',
    ),
    "misspelt": (
        before('type: "Convolutoin"'),
        'crop.prototxt: layer "extra": Caffe does not know the layer type "Convolutoin"; did you mean Convolution or '
        "Deconvolution?",
    ),
}


@pytest.fixture
def here(own_home, digits, tmp_path, monkeypatch):
    """The working folder, with Caffe installed and the digits prepared."""
    (own_home / "data").symlink_to(digits.folder.parent)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, replacement: tuple[str, str]) -> None:
    old, new = replacement
    assert old in FITTING
    (folder / "crop.prototxt").write_text(FITTING.replace(old, new))
    (folder / "crop.yaml").write_text((FILES / "crop.yaml").read_text())


@pytest.mark.caffe
@pytest.mark.parametrize("engine", ["caffe", "torch"])
@pytest.mark.parametrize("unfit", UNFIT)
def test_an_unfit_net_is_refused_by_every_command_before_anything_trains(lrbench, here, unfit, engine):
    replacement, message = UNFIT[unfit]
    write(here, replacement)
    for command in (
        ["init", "--net", "crop.prototxt", "--dataset", "digits", "--yes", "--engine", engine],
        ["run", "crop.yaml", "--dry-run", "--engine", engine],
        ["run", "crop.yaml", "--engine", engine],
    ):
        code, _, said = lrbench(*command)
        assert code == 2, command
        assert message in said, command
        assert said.count("\n") == 1, command
    assert sorted(path.name for path in here.iterdir()) == ["crop.prototxt", "crop.yaml"]


def test_a_crop_is_refused_before_the_data_are_prepared(lrbench, tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    replacement, message = UNFIT["crop"]
    write(tmp_path, replacement)
    for command in (
        ["init", "--net", "crop.prototxt", "--dataset", "digits", "--yes"],
        ["run", "crop.yaml", "--dry-run"],
    ):
        code, out, said = lrbench(*command)
        assert (code, out) == (2, "")
        assert message in said


@pytest.mark.usefixtures("warm_torch")
@pytest.mark.caffe
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_the_same_net_without_the_fault_is_trained(lrbench, here, engine):
    write(here, ("crop_size: 20", "crop_size: 28"))
    assert lrbench("init", "--net", "crop.prototxt", "--dataset", "digits", "--yes", "--engine", engine)[0] == 0
    assert lrbench("run", "crop.yaml", "--engine", engine, "--set", "seeds=[0]")[0] == 0
