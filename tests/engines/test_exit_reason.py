"""What a run's reason says of a child process that ended, from logs as Caffe writes them."""

from __future__ import annotations

import pytest

from lrbench.engines.process.client import WorkerClient
from lrbench.engines.process.exit_reason import OutOfMemory, WorkerDied, exit_error

BEFORE = "I1128 19:02:10.123456  1234 net.cpp:122] Setting up conv1\n"
AFTER = "*** Check failure stack trace: ***\n    @     0x7f5e8c0e71c3  google::LogMessage::Fail()\n"


def fatal(place: str, text: str) -> str:
    return f"{BEFORE}F1128 19:02:11.123456  1234 {place}] {text}\n{AFTER}"


@pytest.mark.parametrize(
    ("log", "kind", "told"),
    [
        (
            fatal("syncedmem.cpp:71", "Check failed: error == cudaSuccess (2 vs. 0)  out of memory"),
            OutOfMemory,
            "Caffe is out of GPU memory; use a smaller batch_size, or fewer runs side by side",
        ),
        (
            fatal(
                "common.cpp:167", "Check failed: status == CUBLAS_STATUS_SUCCESS (3 vs. 0)  CUBLAS_STATUS_ALLOC_FAILED"
            ),
            OutOfMemory,
            "Caffe is out of GPU memory; use a smaller batch_size, or fewer runs side by side",
        ),
        (
            fatal("syncedmem.hpp:33", "Check failed: *ptr host allocation of size 8589934592 failed"),
            OutOfMemory,
            "Caffe is out of memory: Check failed: *ptr host allocation of size 8589934592 failed; use a smaller batch_size, "
            "or fewer runs side by side",
        ),
        (
            fatal("common.cpp:152", "Check failed: error == cudaSuccess (101 vs. 0)  invalid device ordinal"),
            WorkerDied,
            "Caffe aborted: Check failed: error == cudaSuccess (101 vs. 0) invalid device ordinal",
        ),
        (
            fatal("blob.cpp:33", "Check failed: count (2 vs. 0) out of range"),
            WorkerDied,
            "Caffe aborted: Check failed: count (2 vs. 0) out of range",
        ),
    ],
)
def test_the_reason_is_the_fatal_line_and_a_lack_of_memory_is_in_words(tmp_path, log, kind, told):
    path = tmp_path / "caffe.log"
    path.write_text(log)
    error = exit_error("Caffe", path, 0, -6)
    assert isinstance(error, kind)
    assert str(error) == told


def test_what_an_earlier_process_logged_is_not_the_reason(tmp_path):
    path = tmp_path / "caffe.log"
    path.write_text(fatal("syncedmem.cpp:71", "Check failed: error == cudaSuccess (2 vs. 0)  out of memory"))
    error = exit_error("Caffe", path, path.stat().st_size, -9)
    assert isinstance(error, WorkerDied)
    assert str(error) == f"Caffe was killed by SIGKILL; see {path}"


def test_a_worker_that_dies_for_want_of_memory_raises_that(tmp_path):
    line = fatal("syncedmem.cpp:71", "Check failed: error == cudaSuccess (2 vs. 0)  out of memory")
    worker = WorkerClient(
        "Caffe", ["sh", "-c", 'read request; printf "%s" "$0" >&2; kill -ABRT $$', line], tmp_path / "caffe.log"
    )
    with pytest.raises(OutOfMemory, match="out of GPU memory"):
        worker.ask("open")
    worker.close()
