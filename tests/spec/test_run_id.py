"""A run's id: the same for the same training, on every machine and in every process, and another for any other."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from factories.fake_engine import FakeEngine

from lrbench.executors.setup import with_engine_version
from lrbench.policies.counting import rates_of
from lrbench.spec.solver_types import SOLVER_PARAMETERS

AS_STORED = "workload.order=as stored"


def ids(spec, data, *overrides):
    experiment = spec.read(AS_STORED, *overrides)
    return [experiment.run_id(run, data) for run in experiment.runs]


def test_the_order_of_the_samples_is_part_of_the_id_where_a_seed_gives_it(spec, data):
    """Pinned; the ids of samples as stored are those of versions that had no choice."""
    for text, engine in (("FIX_0.01-SGD-s0-60ae2c9cb6", "caffe"), ("FIX_0.01-SGD-s0-1b15141dcf", "torch")):
        found = {
            each: spec.read(*each, f"engine.name={engine}") for each in ((), ("workload.order=by seed",), (AS_STORED,))
        }
        by_default, by_seed, stored = (experiment.run_id(experiment.runs[0], data) for experiment in found.values())
        assert by_default == by_seed == text != stored
        described = [experiment.describe(experiment.runs[0], data).as_dict() for experiment in found.values()]
        assert [each.get("order") for each in described] == ["by seed", "by seed", None]
    other = spec.read("engine.name=other")
    assert other.order == "as stored"


def test_an_id_is_readable_and_stays_what_it_is(spec, data):
    """Pinned: another id would leave every finished run to be done again."""
    assert ids(spec, data) == ["FIX_0.01-SGD-s0-0d54198338"]
    assert ids(spec, data, "policies=['WARMUP(policy=TRI(k0=1e-9, k1=0.06, l=20), l=10)']", "seeds=[12]") == [
        "WARMUP_TRI_1e-09_0.06_20_10_0_stage-SGD-s12-d968243322"
    ]
    assert ids(spec, data, "engine.name=torch") == ["FIX_0.01-SGD-s0-f244cc12e5"]


WHOLE_LENGTHS = {
    "STEP(k0=0.1, gamma=0.5, l=20)": "STEP_0.1_0.5_20-SGD-s0-af64966801",
    "TRI2_HIGH(k0=0, k1=0.1, l=20)": "TRI2_HIGH_0_0.1_20-SGD-s0-167c3ae86d",
    "SIN2_HIGH(k0=0, k1=0.1, l=20)": "SIN2_HIGH_0_0.1_20-SGD-s0-787990d3eb",
    "COS2(k0=0, k1=0.1, l=20)": "COS2_0_0.1_20-SGD-s0-a93f78a916",
    "SGDR(k0=0.1, l=10, mult=2)": "SGDR_0.1_0_10_2-SGD-s0-c87cd2d165",
    "NSTEP(k0=0.1, gamma=0.5, l=[10.5, 20])": "NSTEP_0.1_0.5_10.5_20-SGD-s0-df03429e70",
    "POLY(k0=0.1, p=1, l=100.5)": "POLY_0.1_1_100.5-SGD-s0-3863954567",
    "COMPOSE(policies=[SAWEXP(k0=0, k1=0.1, gamma=0.99, l=7), FIX(k0=0.1)], boundaries=[50])": "COMPOSE_SAWEXP_0_0.1_0.99_7_FIX_0.1_50_stage-SGD-s0-3ce2dcb150",
}


@pytest.mark.parametrize("policy", WHOLE_LENGTHS)
def test_a_policy_whose_cycles_are_whole_keeps_its_id(spec, data, policy):
    """Pinned: stored runs are found under these ids."""
    assert ids(spec, data, f"policies=['{policy}']") == [WHOLE_LENGTHS[policy]]


@pytest.mark.parametrize(
    ("policy", "before", "now"),
    [
        (
            "STEP(k0=0.1, gamma=0.5, l=10.8)",
            "STEP_0.1_0.5_10.8-SGD-s0-df681524a3",
            "STEP_0.1_0.5_10.8-SGD-s0-9899bf4777",
        ),
        ("SGDR(k0=0.1, l=10, mult=1.5)", "SGDR_0.1_0_10_1.5-SGD-s0-7d15aba76d", "SGDR_0.1_0_10_1.5-SGD-s0-165b8d1c31"),
        (
            "WARMUP(policy=TRI(k0=0, k1=0.1, l=6.6), l=5)",
            "WARMUP_TRI_0_0.1_6.6_5_0_stage-SGD-s0-2607aff72e",
            "WARMUP_TRI_0_0.1_6.6_5_0_stage-SGD-s0-ced02dc776",
        ),
    ],
)
def test_a_length_that_is_not_whole_takes_its_way_of_counting_into_the_id(spec, data, policy, before, now):
    experiment = spec.read(AS_STORED, f"policies=['{policy}']")
    (run,) = experiment.runs
    assert experiment.run_id(run, data) == now != before
    assert experiment.describe(run, data).rates == experiment.identity(run, data)["rates"] == 2
    (whole,) = spec.read().runs
    assert "rates" not in whole.identity


@pytest.mark.parametrize(
    ("policy", "rates", "counted"),
    [
        ("STEP(k0=0.1, gamma=0.5, l=10.8)", {}, 1),
        ("STEP(k0=0.1, gamma=0.5, l=10.8)", {"rates": 2}, 2),
        ("STEP(k0=0.1, gamma=0.5, l=10)", {}, None),
        ("COS(k0=0, k1=1, l=1e-05)", {}, 1),
        ("COS(k0=0, k1=1, l=1e+17)", {}, None),
        ("SGDR(k0=0.1, k1=0, l=10, mult=1.5)", {}, 1),
        ("POLY(k0=0.1, p=1, l=10.5)", {}, None),
        ("MINE(k0=0.1, l=10.5)", {}, None),
        ("SCALE(factor=2, policy=TRI(k0=0, k1=1, l=0.3))", {}, 1),
    ],
)
def test_a_run_says_by_which_way_it_was_counted(policy, rates, counted):
    assert rates_of({"policy": policy, **rates}) == counted


def test_an_id_is_a_plain_file_name_of_bounded_length(spec, data):
    stages = ", ".join(["FIX(k0=0.123456789)"] * 20)
    (found,) = ids(spec, data, f"policies=['COMPOSE(policies=[{stages}], boundaries={list(range(1, 20))})']")
    assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,100}", found)


OVERRIDES = [
    "policies=[FIX(k0=0.02)]",
    "policies=['STEP(k0=0.01, gamma=1, l=5)']",
    "seeds=[1]",
    "solver.lr_scale=2",
    "solver.type=Nesterov",
    "solver.momentum=0.8",
    "solver.weight_decay=0.1",
    "solver={type: SGD}",
    "solver.iter_size=2",
    "solver.clip_gradients=35",
    "solver={type: SGD, momentum: 0.9, regularization_type: L1, weight_decay: 0.1}",
    "workload.batch_size=33",
    "workload.test_batch_size=50",
    "workload.iterations=101",
    "workload.test_interval=25",
    "engine.driver=native",
    "engine.device=gpu",
    "engine.name=other",
    "engine={name: other, precision: bf16}",
    "engine={name: other, deterministic: false}",
    "stopping.patience=3",
    "stopping.max_train_seconds=60",
    "stopping={patience: 4}",
]


def test_whatever_decides_the_outcome_gives_another_id(spec, data):
    found = [ids(spec, data)] + [ids(spec, data, override) for override in OVERRIDES]
    found += [
        ids(spec, data, f"solver={{type: {kind}, {name}: 0.25}}")
        for kind, names in SOLVER_PARAMETERS.items()
        for name in names
    ]
    found += [ids(spec, data, f"solver={kind}") for kind in SOLVER_PARAMETERS if kind != "SGD"]
    found += [ids(spec, data, "stopping.at_target=true", f"target_accuracy={target}") for target in (0.8, 0.9)]
    found += [ids(spec, data, "engine.driver=native", "workload.display_interval=50")]
    found += [ids(spec, dataclasses.replace(data, sha256="e" * 64))]
    found += [ids(spec.net("num_output: 10", "num_output: 11"), data)]
    flat = [one for group in found for one in group]
    assert len(set(flat)) == len(flat)


def test_the_scale_is_in_the_id(spec, data):
    found = ids(spec, data, "robustness.scales=[0.5, 2]")
    assert found[0] == ids(spec, data)[0]
    assert len(set(found)) == 3
    assert found[1].startswith("SCALE_0.5_FIX_0.01-SGD-s0-")


@pytest.mark.parametrize(
    "overrides",
    [
        ["name=other"],
        ["workload.display_interval=7"],
        ["target_accuracy=0.9"],
        ["engine.device_ids=[3]"],
        ["engine.lanes=4"],
        ["engine.precision=float32"],
        ["engine.deterministic=true"],
        ["solver={momentum: 0.9}"],
        ["solver={momentum: 0.9, weight_decay: 0, iter_size: 1, lr_scale: 1}"],
        ["policies=[FIX(k0=0.0100)]"],
        ["policies.0={function: FIX, k0: 1e-2}"],
        ["stopping.patience="],
        ["snapshots={every: 10 minutes, keep: all}"],
        ["workload.test_batch_size=100", "engine={}"],
    ],
)
def test_whatever_does_not_decide_the_outcome_keeps_the_id(spec, data, overrides):
    assert ids(spec, data, *overrides) == ids(spec, data)


def test_names_places_and_comments_keep_the_id(spec, data, tmp_path):
    before = ids(spec, data)
    assert ids(spec.more("# a comment\n"), data) == before
    assert ids(spec, dataclasses.replace(data, name="x", label="y", folder=tmp_path, train=tmp_path / "t")) == before
    (spec.folder / "sub").mkdir()
    (spec.folder / "net.prototxt").rename(spec.folder / "sub/n.prototxt")
    moved = spec.changed("./net.prototxt", "sub/n.prototxt")
    assert ids(moved, data) == before
    path = spec.folder / "sub/n.prototxt"
    net = path.read_text().replace('"small"', '"tiny"').replace('source: "test"', 'source: "x"')
    path.write_text("# a comment\n" + net)
    assert ids(moved, data) == before


def test_a_count_of_seeds_gives_the_ids_of_the_list_written_out(spec, data):
    assert ids(spec, data, "seeds=3") == ids(spec, data, "seeds=[0, 1, 2]")


def test_a_wish_for_more_runs_keeps_the_ids_of_those_there_are(spec, data):
    before = ids(spec, data)
    more = ids(
        spec,
        data,
        "seeds=[1, 0]",
        "robustness.scales=[0.1, 1]",
        "solver=[Adam, {type: SGD, momentum: 0.9}]",
        "policies=[FIX(k0=0.02), FIX(k0=0.01)]",
    )
    assert len(set(more)) == 16
    assert set(before) < set(more)


def test_the_description_is_json_and_whole(spec, data):
    experiment = spec.more("target_accuracy: 0.9\nrobustness: {scales: [1, 5]}\n").read()
    description = json.loads(experiment.describe(experiment.runs[1], data).content())
    net_sha256 = description["workload"]["net"].pop("sha256")
    assert re.fullmatch("[0-9a-f]{64}", net_sha256)
    assert description == {
        "schema": 1,
        "run_id": experiment.run_id(experiment.runs[1], data),
        "experiment": "trial",
        "policy": "FIX(k0=0.01)",
        "function": "FIX",
        "lr_scale": 5.0,
        "order": "by seed",
        "seed": 0,
        "solver": {
            "type": "SGD",
            "momentum": 0.9,
            "weight_decay": 0.0,
            "regularization_type": "L2",
            "iter_size": 1,
            "lr_scale": 1.0,
        },
        "workload": {
            "net": {"name": "net"},
            "dataset": {"name": "digits", "sha256": "d" * 64, "label": "digits"},
            "batch_size": 32,
            "test_batch_size": 100,
            "iterations": 100,
            "test_interval": 20,
            "display_interval": 100,
        },
        "target_accuracy": 0.9,
        "objective": {"metric": "accuracy", "at": "final"},
        "robustness_scales": [1.0, 5.0],
        "stopping": {"at_target": False, "patience": None, "max_train_seconds": None},
        "engine": {},
        "versions": {},
        "machine": {},
    }


@pytest.mark.parametrize("name", ["caffe", "torch", "other"])
def test_of_engines_only_another_packages_have_their_version_in_the_id(spec, data, name):
    experiment = spec.read(f"engine.name={name}")
    found = [
        with_engine_version(experiment, engine).run_id(experiment.runs[0], data)
        for engine in (Versioned("1"), Versioned("2"), Versioned(None))
    ]
    assert found[2] == experiment.run_id(experiment.runs[0], data)
    assert len(set(found)) == (3 if name == "other" else 1)


class Versioned(FakeEngine):
    """An engine of some version."""

    def __init__(self, version: str | None) -> None:
        super().__init__()
        self.version = version

    def describe(self) -> dict[str, str | None]:
        return {"name": "any", "version": self.version}
