"""scripts/check_fresh, with stand-ins for what makes a Debian root and runs commands in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

STAND_INS = {
    "id": "echo 0",
    "git": "tar -c README.md scripts",
    "mmdebstrap": 'for last; do :; done; mkdir -p "$last/usr/sbin"; echo "$@" >> "$CALLS"; exit "${BUILD_CODE:-0}"',
    # $9 is the root, which is gone in the end: what was put into it is listed now.
    "unshare": 'for last; do :; done; echo "$last" >> "$CALLS"; ls "$9/lrbench/README.md" "$9$COPIED" >> "$CALLS"\n'
    'printf "%s\\n" "$@" > "$CALLS.arguments"; case "$last" in *"$FAILING") exit 3;; esac',
}


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder for PATH with the stand-ins; ``calls`` receives what they were asked to do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in STAND_INS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    (tmp_path / "roots").mkdir()
    (tmp_path / "copied").write_text("certificate")
    return tmp_path


def check_fresh(repository: Path, place: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {
        "PATH": f"{place}/bin:{os.environ['PATH']}",
        "TMPDIR": f"{place}/roots",
        "CALLS": f"{place}/calls",
        "COPIED": f"{place}/copied",
        "FAILING": "none",
        "PIP_TIMEOUT": "7 s",
        "SECRET": "word",
    }
    return subprocess.run(
        [repository / "scripts/check_fresh", *arguments],
        env=os.environ | own | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_both_commands_run_in_the_root_and_nothing_is_left(repository, stand_ins):
    answer = check_fresh(repository, stand_ins, "bookworm", "--copy", f"{stand_ins}/copied")
    assert (answer.returncode, answer.stderr) == (0, "")
    made, first, *found, second, _, _ = (stand_ins / "calls").read_text().splitlines()
    assert made.startswith(f"--quiet --variant=minbase bookworm {stand_ins}/roots/check_fresh.bookworm.")
    assert (first, second) == ("scripts/quickstart", "scripts/test")
    root = made.rsplit(" ", 1)[1]
    assert sorted(found) == sorted([f"{root}/lrbench/README.md", f"{root}{stand_ins}/copied"])
    assert "check_fresh: bookworm: scripts/quickstart passed after " in answer.stdout
    assert "check_fresh: bookworm: scripts/test passed after " in answer.stdout
    assert not list((stand_ins / "roots").iterdir())


def test_proxies_and_the_settings_of_pip_are_passed_on_and_nothing_else(repository, stand_ins):
    check_fresh(repository, stand_ins, "bookworm", "--only", "test", HTTPS_PROXY="http://127.0.0.1:1")
    given = (stand_ins / "calls.arguments").read_text().splitlines()
    assert {"PIP_TIMEOUT=7 s", "HTTPS_PROXY=http://127.0.0.1:1"} <= set(given)
    assert not [setting for setting in given if "SECRET" in setting or "CALLS" in setting]


def test_a_failing_command_is_told_and_the_other_still_runs(repository, stand_ins):
    answer = check_fresh(repository, stand_ins, "trixie", "--copy", f"{stand_ins}/copied", FAILING="quickstart")
    assert answer.returncode == 1
    assert "check_fresh: trixie: scripts/quickstart failed with exit code 3 after " in answer.stdout
    assert "check_fresh: trixie: scripts/test passed after " in answer.stdout
    assert not list((stand_ins / "roots").iterdir())


def test_one_command_alone_and_the_root_kept(repository, stand_ins):
    answer = check_fresh(repository, stand_ins, "--keep", "--only", "test", "trixie", "--copy", f"{stand_ins}/copied")
    assert answer.returncode == 0
    (root,) = (stand_ins / "roots").iterdir()
    assert answer.stdout.splitlines()[-1] == f"check_fresh: the root is kept in {root}"
    assert "scripts/quickstart" not in answer.stdout
    assert (root / "lrbench/scripts/test").is_file()


def test_a_root_that_cannot_be_made_is_told_and_removed(repository, stand_ins):
    answer = check_fresh(repository, stand_ins, "nosuch", BUILD_CODE="25")
    assert (answer.returncode, answer.stderr) == (2, "check_fresh: mmdebstrap could not make nosuch\n")
    assert not list((stand_ins / "roots").iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give a Debian release, such as bookworm"),
        (["bookworm", "trixie"], "give one release, not bookworm and trixie"),
        (["bookworm", "--only"], "--only needs a value"),
        (["bookworm", "--only", "doctor"], "--only is quickstart or test, not doctor"),
        (["bookworm", "--copy", "README.md"], "--copy needs an absolute path that exists, not README.md"),
        (["bookworm", "--copy", "/no/such"], "--copy needs an absolute path that exists, not /no/such"),
        (["bookworm", "--kepp"], "there is no option --kepp"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(repository, stand_ins, arguments, said):
    answer = check_fresh(repository, stand_ins, *arguments)
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", f"check_fresh: {said}\n")
    assert not (stand_ins / "calls").exists()


def test_without_root_it_says_what_to_type(repository, stand_ins):
    (stand_ins / "bin/id").write_text("#!/bin/sh\necho 1000\n")
    answer = check_fresh(repository, stand_ins, "bookworm")
    assert answer.returncode == 2
    assert answer.stderr == "check_fresh: this needs root: sudo scripts/check_fresh bookworm\n"
