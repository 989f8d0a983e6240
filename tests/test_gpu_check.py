"""What scripts/check_gpu packs, finds and compares; the whole runs with --cpu where there is no GPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from gpu_check.check import Check, CommandFailed, compare_losses, compare_rows, read_rows
from gpu_check.images import decoded, encoded
from gpu_check.packing import installed_versions, links_to
from gpu_check.setup import cuda_folders


def row(iteration: int, loss: float | None, seconds: float = 1.0) -> dict[str, float | None]:
    return {
        "iteration": iteration,
        "train_loss": loss,
        "test_loss": loss,
        "accuracy_top1": 0.5,
        "train_seconds": seconds,
    }


def test_runs_are_compared_at_the_same_iterations_and_clocks_do_not_count():
    one = [row(10, 2.0), row(20, 1.0), row(30, None)]
    assert compare_rows(one, [row(10, 2.0, 9.0), row(20, 1.0, 9.0), row(30, None, 9.0)])["identical"]
    found = compare_rows(one, [row(10, 2.0), row(20, 1.25)])
    assert not found["identical"]
    assert found["test_loss"] == [[2.0, 2.0], [1.0, 1.25]]
    assert found["largest_difference"] == {"train_loss": 0.25, "test_loss": 0.25, "accuracy_top1": 0.0}


def test_losses_say_where_two_runs_part():
    found = compare_losses({0: 2.0, 10: 1.5, 20: 1.0}, {0: 2.0, 10: 1.25, 30: 7.0})
    assert (found["iterations"], found["first_difference"], found["largest_difference"]) == ([0, 10], 10, 0.25)


def test_a_line_that_is_being_written_is_no_evaluation(tmp_path):
    (tmp_path / "evaluations.jsonl").write_text(json.dumps(row(10, 1.0)) + '\n{"iteration": 2')
    assert [found["iteration"] for found in read_rows(tmp_path)] == [10]
    assert read_rows(tmp_path / "none") == []


def test_images_come_back_in_their_order_about_as_they_were():
    flat = np.arange(1100, dtype=np.int64) * 7 % 256
    images = np.broadcast_to(flat[:, None, None, None], (1100, 3, 32, 32)).astype(np.uint8)
    back = decoded(encoded(images))
    assert back.shape == images.shape
    assert np.abs(back[:, :, 8:-8].astype(int) - images[:, :, 8:-8]).max() <= 4


def test_each_library_is_found_where_the_toolkit_has_it(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libcurand.so.10").touch()
    found = cuda_folders(["libcurand.so.10", "libnone.so.1"], "99", tmp_path)
    assert found == {"libcurand.so.10": tmp_path / "lib"}


def test_the_wheels_are_the_versions_installed_here_with_all_that_they_need():
    found = {word.partition("==")[0] for word in installed_versions(["pydantic", "optuna"])}
    assert {"pydantic", "pydantic-core", "annotated-types", "sqlalchemy", "alembic"} <= found
    assert "numpy" not in found


def test_links_are_packed_where_they_lead_to_what_is_packed(tmp_path):
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libx.so.1.2").touch()
    (tmp_path / "usr/lib/other").touch()
    (tmp_path / "usr/lib/libx.so.1").symlink_to("libx.so.1.2")
    (tmp_path / "usr/lib/link").symlink_to("other")
    (tmp_path / "lib64").symlink_to("usr/lib")
    (tmp_path / "away").symlink_to("/")
    found = links_to({tmp_path / "usr/lib/libx.so.1.2"}, tmp_path)
    assert set(found) == {(tmp_path / "usr/lib/libx.so.1", "libx.so.1.2"), (tmp_path / "lib64", "usr/lib")}


def test_a_command_that_does_not_end_in_time_is_killed_and_one_that_fails_is_quoted(tmp_path):
    check = Check(tmp_path, "cpu", deadline=0.0)
    with pytest.raises(CommandFailed, match="killed at the time limit"):
        check.run("sleep", "60")
    with pytest.raises(CommandFailed, match=r"exit code 3: .*no such thing"):
        Check(tmp_path, "cpu").run("sh", "-c", "echo no such thing >&2; exit 3")
