from __future__ import annotations

import pytest
from google.protobuf import text_format

from lrbench.errors import NetError
from lrbench.nets import layers_in, random_layers
from lrbench.nets.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter


def kept(rules: str, state: str = "") -> tuple[bool, bool]:
    """Whether a layer with these rules is in the TRAIN and in the TEST phase."""
    net = text_format.Parse(f'{state} layer {{ name: "x" {rules} }}', NetParameter())
    return bool(layers_in(net, TRAIN)), bool(layers_in(net, TEST))


@pytest.mark.parametrize(
    ("rules", "state", "expected"),
    [
        ("", "", (True, True)),
        ("include { phase: TRAIN }", "", (True, False)),
        ("exclude { phase: TRAIN }", "", (False, True)),
        ("include { phase: TRAIN } include { phase: TEST }", "", (True, True)),
        ("include { }", "", (True, True)),
        ("exclude { }", "", (False, False)),
        ('include { stage: "a" }', "", (False, False)),
        ('include { stage: "a" }', 'state { stage: "a" stage: "b" }', (True, True)),
        ('include { stage: "a" stage: "b" }', 'state { stage: "a" }', (False, False)),
        ('include { phase: TEST not_stage: "a" }', 'state { stage: "a" }', (False, False)),
        ('include { phase: TEST not_stage: "a" }', 'state { stage: "b" }', (False, True)),
        ("include { min_level: 1 }", "", (False, False)),
        ("include { min_level: 1 max_level: 2 }", "state { level: 2 }", (True, True)),
        ("exclude { phase: TEST max_level: 2 }", "state { level: 3 }", (True, True)),
    ],
)
def test_layers_are_kept_by_caffes_rules(rules: str, state: str, expected: tuple[bool, bool]) -> None:
    assert kept(rules, state) == expected


def test_both_kinds_of_rules_on_one_layer_are_refused() -> None:
    with pytest.raises(NetError, match='layer "x": has both include and exclude rules'):
        kept("include { phase: TRAIN } exclude { phase: TEST }")


def test_data_layers_of_a_phase(small_net: NetParameter) -> None:
    train, test = (
        [layer.name for layer in layers_in(small_net, phase) if layer.type == "Data"] for phase in (TRAIN, TEST)
    )
    assert (train, test) == (["data"], ["test_data"])


@pytest.mark.parametrize(
    ("layer", "draws"),
    [
        ('type: "Dropout"', True),
        ('type: "Dropout" dropout_param { dropout_ratio: 0 }', True),
        ('type: "Dropout" phase: TEST', False),
        ('type: "Dropout" include { phase: TEST }', False),
        ('type: "Pooling" pooling_param { pool: STOCHASTIC }', True),
        ('type: "Pooling" pooling_param { pool: MAX }', False),
        ('type: "ReLU"', False),
    ],
)
def test_random_layers_are_those_that_draw_at_each_iteration(layer: str, draws: bool) -> None:
    net = NetParameter(layer=[text_format.Parse(f'name: "x" {layer}', LayerParameter())])
    assert random_layers(net) == (["x"] if draws else [])
