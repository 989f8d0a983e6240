import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lrbench.data import find_prepared, load, prepare, verify_prepared
from lrbench.errors import DataError


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def prepared(home):
    return prepare("digits", home)


def refuse(*_):
    raise AssertionError("nothing was to be done")


def start(script, home):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


STOPS_WHILE_WRITING = """
    import sys
    from pathlib import Path
    from lrbench.data import prepare

    def progress(done, total, text):
        if total and done == total:
            print("written", flush=True)
            sys.stdin.readline()

    prepare("digits", Path(sys.argv[1]), progress=progress)
"""


def test_the_second_time_nothing_is_done(home, prepared):
    before = {path: path.stat().st_mtime_ns for path in prepared.folder.rglob("*.*")}
    assert prepare("digits", home, progress=refuse) == prepared
    assert {path: path.stat().st_mtime_ns for path in prepared.folder.rglob("*.*")} == before
    assert find_prepared("digits", home) == prepared


def test_nothing_but_the_prepared_folder_is_left(home, prepared):
    assert [path.name for path in (home / "data").iterdir() if path.suffix != ".lock"] == ["digits"]


def test_the_fingerprint_is_that_of_counts_labels_and_pixels(prepared):
    digest = hashlib.sha256()
    counts: dict[Literal["train", "test"], int] = {"train": 1297, "test": 500}
    for split, count in counts.items():
        images, labels = load(prepared, split)
        digest.update(b"%d 1 28 28\n" % count)
        for index in range(count):
            digest.update(bytes([labels[index], 0, 0, 0]) + bytes(images[index].ravel().tolist()))
    assert prepared.sha256 == digest.hexdigest()


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest["files"])
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = {
    "train_lmdb/data.mdb was altered": lambda folder: flip(folder / "train_lmdb" / "data.mdb"),
    "test_lmdb/data.mdb has 4096 bytes, not": lambda folder: os.truncate(folder / "test_lmdb" / "data.mdb", 4096),
    "test_lmdb/data.mdb is missing": lambda folder: (folder / "test_lmdb" / "data.mdb").unlink(),
    "manifest.json cannot be read": lambda folder: os.truncate(folder / "manifest.json", 20),
    "manifest.json is not of this version": lambda folder: (folder / "manifest.json").write_text('{"schema": 0}'),
    "manifest.json lacks or misstates 'shape'": lambda folder: (folder / "manifest.json").write_text('{"schema": 1}'),
    "manifest.json lacks or misstates 'test_lmdb/data.mdb'": lambda folder: edit(
        folder, lambda files: files.pop("test_lmdb/data.mdb")
    ),
    "manifest.json lacks or misstates 'bytes'": lambda folder: edit(
        folder, lambda files: files["train_lmdb/data.mdb"].pop("bytes")
    ),
}


def again(home):
    """The prepared digits, looked up anew."""
    found = find_prepared("digits", home)
    assert found is not None
    return found


@pytest.mark.parametrize("said", DAMAGES)
def test_damage_is_found_named_and_repaired(home, prepared, said):
    DAMAGES[said](prepared.folder)
    with pytest.raises(DataError, match=said) as error:
        verify_prepared(again(home))
    assert str(error.value).startswith(f"{prepared.folder}: ")
    assert str(error.value).endswith("; make it anew with: lrbench data prepare digits")
    told = []
    repaired = prepare("digits", home, progress=lambda *args: told.append(args))
    assert repaired == prepared
    verify_prepared(repaired)
    assert told[0][2].startswith(f"{prepared.folder}: {said}")
    assert told[0][2].endswith("it is prepared anew")
    assert [path.name for path in (home / "data").iterdir() if path.suffix != ".lock"] == ["digits"]


@pytest.mark.parametrize("said", [said for said in DAMAGES if "altered" not in said])
def test_all_but_altered_content_is_found_without_reading_the_files(home, prepared, said):
    DAMAGES[said](prepared.folder)
    with pytest.raises(DataError, match=said):
        find_prepared("digits", home)


def test_without_a_manifest_nothing_counts_as_prepared(home, prepared):
    (prepared.folder / "manifest.json").unlink()
    assert find_prepared("digits", home) is None
    with pytest.raises(DataError, match=r"manifest\.json is missing"):
        verify_prepared(prepared)
    assert prepare("digits", home) == prepared


def test_a_killed_preparation_counts_for_nothing_and_is_cleaned_up(home):
    child = start(STOPS_WHILE_WRITING, home)
    assert child.stdout.readline() == "written\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert list((home / "data").glob(".digits.*.partial"))
    assert find_prepared("digits", home) is None
    verify_prepared(prepare("digits", home))
    assert [path.name for path in (home / "data").iterdir() if path.suffix != ".lock"] == ["digits"]


def test_two_processes_prepare_once(home):
    first = start(STOPS_WHILE_WRITING, home)
    assert first.stdout.readline() == "written\n"
    second = start(
        """
        import sys
        from pathlib import Path
        from lrbench.data import prepare
        prepare("digits", Path(sys.argv[1]), progress=lambda done, total, text: print(text, flush=True))
    """,
        home,
    )
    assert second.stdout.readline() == "waiting for another process that prepares digits\n"
    first.communicate("go on\n")
    said, errors = second.communicate()
    assert (first.returncode, second.returncode, said, errors) == (0, 0, "", "")
    verify_prepared(again(home))


def test_an_interruption_leaves_nothing(home):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("digits", home, progress=interrupt)
    assert [path.name for path in (home / "data").iterdir()] == [".digits.lock"]


def test_a_full_disk_is_told_and_leaves_nothing(home):
    child = start(
        """
        import resource
        import signal
        import sys
        from pathlib import Path
        from lrbench.data import prepare
        from lrbench.errors import DataError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            prepare("digits", Path(sys.argv[1]))
        except DataError as error:
            print(error)
    """,
        home,
    )
    said, errors = child.communicate()
    assert errors == ""
    assert said.startswith(f"{home / 'data'}")
    assert "train_lmdb: cannot be written: " in said
    assert re.search(r"Input/output error \(\d+ MB are free there\)", said)
    assert said.endswith("; free some space or choose another place with LRBENCH_HOME\n")
    assert [path.name for path in (home / "data").iterdir()] == [".digits.lock"]


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/data: cannot be read or written: Not a directory; free some space or"):
        prepare("digits", tmp_path / "file")


def test_the_manifest_is_readable_on_its_own(prepared):
    manifest = json.loads((prepared.folder / "manifest.json").read_text())
    assert manifest["label"] == "digits"
    assert manifest["files"]["train_lmdb/data.mdb"]["bytes"] == (prepared.train / "data.mdb").stat().st_size


def test_a_record_that_is_gone_is_an_error_and_no_crash(prepared, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: holds no data\.mdb"):
        load(replace(prepared, train=Path(tmp_path / "nowhere")), "train")
