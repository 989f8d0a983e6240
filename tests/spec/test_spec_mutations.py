"""Whatever a spec's text is, it is read or refused in one line: nothing else ever happens."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from property_settings import examples

from lrbench.errors import UsageError
from lrbench.spec.experiment import Experiment
from lrbench.spec.reading import read_experiment

SPEC = """\
workload: &w
  net: ./net.prototxt
  dataset: digits
  batch_size: 32
  iterations: 100
  test_interval: 20
solver: [{type: [SGD, Nesterov], momentum: 0.9}, Adam]
seeds: [0, 1]
engine: {name: caffe, driver: stepping, device_ids: [0]}
target_accuracy: 0.9
stopping: {at_target: true, patience: 3}
robustness: {scales: [0.1, 1]}
policies:
  - FIX(k0=0.01)
  - {function: TRI, k0: 1e-3, k1: [0.06, 0.1], l: 20}
"""
PIECES = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "  ",
        "\t",
        ":",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        "'",
        '"',
        "&w ",
        "*w",
        "<<: *w",
        "!",
        "!!int ",
        "!!python/name:os.system ",
        "|",
        ">",
        "%",
        "---\n",
        "? ",
        "~",
        "null",
        "true",
        "no",
        "1:30",
        "010",
        "-1",
        "0",
        "1e400",
        ".nan",
        ".inf",
        "9" * 20,
        "9" * 5000,
        "\\",
        '"\\ud800"',
        "\x00",
        "\ufeff",
        "é",
        "💥",
        "\u2028",
        "=",
        "(",
        ")",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.integers() | st.floats() | st.text(max_size=8) | PIECES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mutations")
    (path / "net.prototxt").write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label" }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "data" bottom: "label" }\n'
    )
    return path


def read_or_refuse(folder: Path, text: str) -> None:
    path = folder / "trial.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(read_experiment(path), Experiment)
    except UsageError as error:
        message = str(error)
        assert message
        assert "\n" not in message
        assert len(message) < 2000
        message.encode()


def test_the_spec_that_is_mutated_is_good(folder):
    path = folder / "trial.yaml"
    path.write_text(SPEC)
    assert len(read_experiment(path).runs) == 2 * 2 * 3 * 3


@examples(100)
@given(st.lists(st.tuples(st.integers(0, len(SPEC)), st.integers(0, 12), PIECES), min_size=1, max_size=4))
def test_text_with_pieces_replaced(folder, edits):
    text = SPEC
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    read_or_refuse(folder, text)


@pytest.mark.parametrize(
    ("piece", "changed"),
    [
        ("digits", "*" + "9" * 5000),
        ("digits", "!" + "9" * 5000),
        ("momentum", "9" * 5000),
        ("engine: {", "omentum: 1\nengine: {" + "9" * 5000 + ": 1, "),
    ],
)
def test_what_a_refusal_repeats_is_cut(folder, piece, changed):
    text = SPEC.replace(piece, changed)
    assert text != SPEC
    read_or_refuse(folder, text)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values inside one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [deeper for key, inner in items for deeper in paths(inner, (*path, key))]


GOOD = yaml.safe_load(SPEC)


@examples(100)
@given(st.sampled_from(paths(GOOD)), VALUES, st.booleans())
def test_a_value_replaced_by_another(folder, path, value, flow):
    changed = copy.deepcopy(GOOD)
    holder = changed
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    read_or_refuse(folder, yaml.safe_dump(changed, default_flow_style=flow, allow_unicode=True))


@examples(100)
@given(st.text(max_size=200))
def test_any_text(folder, text):
    read_or_refuse(folder, text)
