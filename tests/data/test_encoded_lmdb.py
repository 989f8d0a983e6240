"""LMDB folders of encoded image files, as ``convert_imageset -encoded`` makes them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import lmdb
import numpy as np
import pytest
from command_line import typed
from PIL import Image

from lrbench.api.environment import home
from lrbench.data.store import read_split
from lrbench.engines.caffe.environment import MANIFEST, packaged_root
from lrbench.errors import DataError
from lrbench.nets import caffe_pb2

NET = """
name: "softmax_regression"
layer { name: "images" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.00390625 mean_value: 100 } data_param { source: "a" batch_size: 8 backend: LMDB } }
layer { name: "images" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.00390625 mean_value: 100 } data_param { source: "b" batch_size: 8 backend: LMDB } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def pictures(count: int, seed: int, channels: int = 3) -> np.ndarray:
    """Smooth colour images of 16x24 pixels, of which JPEG keeps colours at half the resolution."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 4, 6, channels), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def encoded(image: np.ndarray, kind: str, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.squeeze(), mode).save(file, kind)
    return file.getvalue()


def write(folder: Path, records: list[bytes]) -> None:
    with lmdb.open(str(folder), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for index, record in enumerate(records):
            transaction.put(b"%08d" % index, record)


def write_encoded(folder: Path, images: np.ndarray, kind: str) -> None:
    write(
        folder,
        [
            caffe_pb2.Datum(data=encoded(image, kind), encoded=True, label=index % 4).SerializeToString()
            for index, image in enumerate(images)
        ],
    )


def write_raw(folder: Path, encoded_folder: Path) -> None:
    """The same pixels, decoded by Pillow."""
    with lmdb.open(str(encoded_folder), readonly=True) as database, database.begin() as transaction:
        found = [caffe_pb2.Datum.FromString(value) for _, value in transaction.cursor()]
    records = []
    for datum in found:
        pixels = np.asarray(Image.open(io.BytesIO(datum.data)))[:, :, ::-1].transpose(2, 0, 1)
        channels, height, width = pixels.shape
        records.append(
            caffe_pb2.Datum(
                channels=channels, height=height, width=width, data=pixels.tobytes(), label=datum.label
            ).SerializeToString()
        )
    write(folder, records)


def test_pixels_are_read_in_opencvs_order(tmp_path):
    images = pictures(5, 0)
    write_encoded(tmp_path, images, "PNG")
    found = read_split(tmp_path)
    np.testing.assert_array_equal(found.images, images[:, :, :, ::-1].transpose(0, 3, 1, 2))
    assert found.labels.tolist() == [0, 1, 2, 3, 0]


def test_grey_images_have_one_channel(tmp_path):
    images = pictures(3, 1, channels=1)
    write_encoded(tmp_path, images, "PNG")
    np.testing.assert_array_equal(read_split(tmp_path).images, images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no image", "record 0 is an encoded image file that cannot be decoded: cannot identify image file"),
        (encoded(pictures(1, 2)[0], "PNG")[:100], "record 0 is an encoded image file that cannot be decoded: "),
        (
            encoded(pictures(1, 2, channels=4)[0], "PNG"),
            "record 0 is an image file of mode RGBA, not of grey or RGB pixels "
            "of 8 bits; convert the images to one of these first",
        ),
    ],
)
def test_what_is_no_image_of_8_bits_is_refused_with_its_number(content, said, tmp_path):
    write(tmp_path, [caffe_pb2.Datum(data=content, encoded=True).SerializeToString()])
    with pytest.raises(DataError, match=f"^{tmp_path}: {said}"):
        read_split(tmp_path)


def run(spec: Path, results: Path, engine: str, **variables: str) -> list[dict[str, float]]:
    """Run a spec; its evaluations without clocks and memory."""
    answer = typed("run", spec, "--results", results, "--engine", engine, variables=variables)
    assert answer.returncode == 0, answer.stderr
    (file,) = results.glob("*/*/evaluations.jsonl")
    return [
        {name: value for name, value in json.loads(line).items() if not name.endswith(("_seconds", "_bytes"))}
        for line in file.read_text().splitlines()
    ]


def write_spec(folder: Path, train: str, test: str) -> Path:
    (folder / "net.prototxt").write_text(NET)
    spec = folder / f"{train}.yaml"
    spec.write_text(
        f"workload: {{net: net.prototxt, dataset: {{train: {train}, test: {test}}}, batch_size: 8,"
        " test_batch_size: 8, iterations: 12, test_interval: 6}\nsolver: {momentum: 0.9}\n"
        "policies: [FIX(k0=0.05)]\n"
    )
    return spec


@pytest.mark.caffe
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("build", ["cpu", "cuda"])
def test_caffe_trains_from_encoded_images_as_from_their_pixels(caffe_environment, tmp_path, build, kind):
    variables = {}
    if build == "cuda":
        if not (packaged_root(home(), cuda=True) / MANIFEST).is_file():
            pytest.skip("Caffe is not installed with CUDA; type: lrbench caffe install --cuda")
        for part in home().iterdir():
            if part.name != "caffe":  # so that the CPU runs take the CUDA build
                (tmp_path / "home").mkdir(exist_ok=True)
                (tmp_path / "home" / part.name).symlink_to(part)
        variables["LRBENCH_HOME"] = str(tmp_path / "home")
    for name, count, seed in (("train", 24, 3), ("test", 16, 4)):
        write_encoded(tmp_path / f"{name}-encoded", pictures(count, seed), kind)
        write_raw(tmp_path / f"{name}-raw", tmp_path / f"{name}-encoded")
    found = {
        form: run(
            write_spec(tmp_path, f"train-{form}", f"test-{form}"), tmp_path / f"results-{form}", "caffe", **variables
        )
        for form in ("encoded", "raw")
    }
    assert found["encoded"] == found["raw"]
    assert len(found["raw"]) == 2


@pytest.mark.engines
def test_the_pytorch_engine_trains_from_encoded_images_as_from_their_pixels(tmp_path):
    pytest.importorskip("torch")
    for name, count, seed in (("train", 24, 3), ("test", 16, 4)):
        write_encoded(tmp_path / f"{name}-encoded", pictures(count, seed), "JPEG")
        write_raw(tmp_path / f"{name}-raw", tmp_path / f"{name}-encoded")
    found = {
        form: run(write_spec(tmp_path, f"train-{form}", f"test-{form}"), tmp_path / f"results-{form}", "torch")
        for form in ("encoded", "raw")
    }
    assert found["encoded"] == found["raw"]
