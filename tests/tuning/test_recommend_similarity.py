"""How alike two workloads are: what is said of it, and which is nearer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import fake_entries
from factories.fake_entries import ASKED, ASKED_PROGRAM

from lrbench.tuning.recommending.similarity import similarity

SAME = ("same net", "same data set", "same SGD", "same batch size", "same iterations")


def found(asked=ASKED, **workload):
    like = similarity(asked, replace(fake_entries.WORKLOAD, **workload))
    assert like is not None
    return like


def test_the_workload_itself():
    assert (found().distance, found().reasons, found().measured_here) == (0, SAME, True)


def test_numbers_are_numbers_however_they_are_written():
    assert found(
        replace(ASKED, solver={**ASKED.solver, "clip_gradients": 35.0}),
        solver={**fake_entries.WORKLOAD.solver, "clip_gradients": 35},
    ).measured_here


@pytest.mark.parametrize("workload", [{"engine_name": "torch"}, {"test_interval": 100}])
def test_another_engine_or_interval_is_the_same_workload(workload):
    assert found(**workload).measured_here


@pytest.mark.parametrize(
    ("workload", "reason"),
    [
        ({"net_sha256": "c" * 64}, "another net that is called lenet, too"),
        ({"net_sha256": "c" * 64, "net_name": "cnn3"}, "another net (cnn3)"),
        (
            {"dataset_sha256": "c" * 64, "dataset_name": "mnist-holdout5000", "evaluated_on": "validation"},
            "same data set, judged on 5000 of its training images",
        ),
        (
            {"dataset_sha256": "c" * 64, "dataset_name": "digits", "dataset_label": "digits"},
            "data of the same kind, handwritten digits (digits)",
        ),
        (
            {"dataset_sha256": "c" * 64, "dataset_name": "cats", "dataset_label": "my cats"},
            "another data set (my cats)",
        ),
        ({"dataset_sha256": "c" * 64}, "data of the same kind, handwritten digits (MNIST)"),
        ({"solver": {"type": "SGD", "momentum": 0.0, "weight_decay": 0.0005}}, "SGD with momentum 0.0 for 0.9"),
        ({"solver": {"type": "SGD", "momentum": 0.9}}, "SGD with weight_decay unset for 0.0005"),
        ({"solver": {"type": "Nesterov", "momentum": 0.9, "weight_decay": 0.0005}}, "Nesterov for SGD"),
        ({"batch_size": 64}, "batch 64 for 100"),
        ({"iterations": 300}, "300 iterations for 2,000"),
    ],
)
def test_what_differs_is_said_and_makes_it_a_like_workload(workload, reason):
    like = found(**workload)
    assert reason in like.reasons
    assert not like.measured_here
    assert like.distance > 0
    assert len(set(like.reasons) & set(SAME)) == len(SAME) - 1


@pytest.mark.parametrize(
    "workload",
    [
        {"solver": {"type": "Adam", "momentum": 0.9}},  # its useful rates are others
        {"net_sha256": "c" * 64, "net_name": "cnn3", "dataset_sha256": "c" * 64, "dataset_name": "cifar10"},
    ],
)
def test_what_has_too_little_in_common_is_not_like(workload):
    assert similarity(ASKED, replace(fake_entries.WORKLOAD, **workload)) is None


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        ({"batch_size": 64}, {"batch_size": 16}),
        ({"iterations": 1000}, {"iterations": 100}),
        ({"dataset_sha256": "c" * 64, "dataset_name": "mnist-holdout5000"}, {"batch_size": 32}),
        ({"iterations": 300}, {"net_sha256": "c" * 64, "net_name": "cnn3"}),
        ({"net_sha256": "c" * 64}, {"net_sha256": "c" * 64, "net_name": "cnn3"}),
        ({"dataset_sha256": "c" * 64, "dataset_name": "digits"}, {"dataset_sha256": "c" * 64, "dataset_name": "cats"}),
    ],
)
def test_the_order_of_likeness(nearer, farther):
    assert found(**nearer).distance < found(**farther).distance


def test_a_data_set_that_is_not_prepared_is_known_by_its_name():
    asked = replace(ASKED, dataset_sha256=None)
    like = found(asked)
    assert like.measured_here
    assert "same data set by its name" in like.reasons
    assert not found(asked, dataset_name="fashion").same_data


def like_program(**workload):
    return similarity(ASKED_PROGRAM, replace(fake_entries.PROGRAM, **workload))


def test_a_program_is_the_same_by_its_files_and_arguments():
    same = like_program()
    assert (same.distance, same.measured_here) == (0, True)
    assert same.reasons == ("same program", "same arguments", "same iterations")
    edited = like_program(net_sha256="c" * 64)
    assert edited.reasons[0] == "other files of train.py:training"
    assert edited.same_data
    assert not edited.measured_here
    wider = like_program(solver={"type": "program", "width": 128})
    assert "arguments with width 128 for 64" in wider.reasons
    assert "other inputs" in like_program(dataset_sha256="c" * 64).reasons
    assert "judged on its validation data" in like_program(evaluated_on="validation").reasons
    assert 0 < like_program(evaluated_on="validation").distance < edited.distance


def test_another_program_and_a_net_are_not_alike():
    assert like_program(net_sha256="c" * 64, net_name="other.py") is None
    assert similarity(ASKED_PROGRAM, fake_entries.WORKLOAD) is None
    assert similarity(ASKED, fake_entries.PROGRAM) is None
