"""usage.jsonl: what stands in it after long runs, kills, full disks and resumes."""

from __future__ import annotations

import errno
import itertools
import json
from pathlib import Path

import pytest

from lrbench.runs.usage import Sample, UsageLog, highest_of, mean_of, read_usage, thinned


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "usage.jsonl"


def filled(path: Path, seconds: range, **options) -> UsageLog:
    log = UsageLog(path, resumed=False, **options)
    for second in seconds:
        log.append(Sample(float(second), 100.0 if second % 2 else 50.0, 1000.0 + second))
    return log


def test_a_line_says_what_is_known_and_null_for_the_rest(path):
    UsageLog(path, resumed=False).append(Sample(1.5, 99.0, 12345, shared=4))
    assert json.loads(path.read_text()) == {
        "seconds": 1.5,
        "cpu_percent": 99.0,
        "memory_bytes": 12345,
        "gpu_percent": None,
        "gpu_memory_bytes": None,
        "shared": 4,
    }
    assert read_usage(path) == ([Sample(1.5, 99.0, 12345, shared=4)], None)


def test_however_long_a_run_its_file_is_bounded_and_its_means_stay(path):
    log = UsageLog(path, resumed=False, most=20)
    second = 0.0
    while second < 1000:
        second += log.interval
        log.append(Sample(second, second, 7.0 * second))
        assert path.read_bytes().count(b"\n") < 20
    samples, problem = read_usage(path)
    assert problem is None
    assert samples[-1].seconds == second
    assert log.interval == 64  # 20 s of 1 s, 10 + 10 x 2, ... until 1000 s
    assert {after.seconds - before.seconds for before, after in itertools.pairwise(samples)} == {64.0}
    assert mean_of(samples, "cpu_percent") == pytest.approx(second / 2, rel=0.05)
    assert highest_of(samples, "memory_bytes") == 7 * second


def test_thinning_weighs_shares_by_time_keeps_the_highest_memory_and_an_odd_last_one():
    samples = [Sample(1, 40, 5), Sample(4, 80, 3), Sample(6, None, None, 50, 9), Sample(7, 90, 8), Sample(8, 10, 1)]
    assert thinned(samples) == [Sample(4, 70, 5), Sample(7, 90, 8, 50, 9), Sample(8, 10, 1)]
    assert mean_of(samples, "cpu_percent") == mean_of(thinned(samples[:2]) + samples[2:], "cpu_percent")


def test_what_was_never_known_has_no_mean_and_no_highest():
    samples = [Sample(1.0, 50.0), Sample(2.0)]
    assert mean_of(samples, "cpu_percent") == 50.0
    assert mean_of(samples, "gpu_percent") is None
    assert highest_of(samples, "memory_bytes") is None
    assert mean_of([], "cpu_percent") is None


def test_a_resumed_run_goes_on_after_a_torn_line_and_at_the_pace_it_had(path):
    filled(path, range(4, 41, 4))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seconds": 44.0, "cpu_pe')
    assert len(read_usage(path)[0]) == 10
    log = UsageLog(path, resumed=True)
    assert (log.seconds, log.interval) == (40.0, 4.0)
    log.append(Sample(44.0))
    log.append(Sample(48.0))
    samples, problem = read_usage(path)
    assert problem is None
    assert [sample.seconds for sample in samples] == list(range(4, 49, 4))
    assert path.read_bytes().startswith(whole)


def test_a_run_that_starts_over_keeps_none(path):
    filled(path, range(1, 9))
    UsageLog(path, resumed=False).append(Sample(1.0))
    assert read_usage(path)[0] == [Sample(1.0)]


def test_what_a_full_disk_cut_short_is_written_with_the_next_sample(path, monkeypatch):
    log = filled(path, range(1, 4))
    whole = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "open", lambda path, mode="r": Full(whole(path, mode)))
        for second in (4, 5):
            with pytest.raises(OSError, match="No space"):
                log.append(Sample(float(second)))
    assert [sample.seconds for sample in read_usage(path)[0]] == [1, 2, 3]
    log.append(Sample(6.0))
    assert [sample.seconds for sample in read_usage(path)[0]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"[1]",
        b"{}",
        b'{"seconds": "2"}',
        b'{"seconds": -1}',
        b'{"seconds": 1}',
        b'{"seconds": 2, "shared": 1.5}',
        b'{"seconds": 2, "memory_bytes": 1e300}',
        b'{"seconds": 2, "cpu_percent": true}',
        b'{"seconds": NaN}',
        b"\xff\x00",
    ],
)
def test_the_samples_before_a_line_that_is_none_are_kept_and_it_is_named(path, line):
    path.write_bytes(b'{"seconds": 1}\n' + line + b'\n{"seconds": 3}\n')
    samples, problem = read_usage(path)
    assert samples == [Sample(1)]
    assert problem == "usage.jsonl:2 is no sample that follows the one before"


def test_columns_of_a_later_version_are_passed_over(path):
    path.write_bytes(b'{"seconds": 1, "watts": "many"}\n')
    assert read_usage(path) == ([Sample(1)], None)


def test_no_file_no_ordinary_file_and_one_too_large(path, monkeypatch):
    assert read_usage(path) == ([], "usage.jsonl is missing")
    path.mkdir()
    assert read_usage(path) == ([], "usage.jsonl cannot be read: Is a directory")
    path.rmdir()
    path.write_bytes(b'{"seconds": 1}\n')
    monkeypatch.setattr("lrbench.runs.usage.LARGEST_FILE", 3)
    assert read_usage(path) == ([], "usage.jsonl is no file of samples")
