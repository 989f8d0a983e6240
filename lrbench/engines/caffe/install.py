"""Install Caffe beside this system: the packages of the last Debian release that has it, or an archive of them."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lrbench.data.sources import Progress, silent
from lrbench.engines.caffe.archive import unpack as unpack_archive
from lrbench.engines.caffe.environment import MANIFEST, packaged_environment, probe
from lrbench.engines.caffe.gpu import read_record
from lrbench.errors import EngineUnavailable, UsageError
from lrbench.storage import reason

LOOK_SECONDS = 2.0


def watched(
    command: Sequence[str], folder: Path, expected: int, title: str, progress: Progress
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; it dies with this process.

    Args:
        folder: the folder that it fills; ``expected`` is about how many bytes it will hold.
        progress: receives every two seconds how many MB are there, under ``title``.

    Returns:
        Its exit status and all that it printed, errors included, as ``stdout``.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                while True:
                    try:
                        process.wait(LOOK_SECONDS)
                        break
                    except subprocess.TimeoutExpired:
                        there = _megabytes(folder)
                        progress(there, max(expected // 1_000_000, there + 1), f"{title}, MB")
            except BaseException:
                process.terminate()  # it cleans up after itself, as far as it can
                raise
        if process.returncode == 0:
            there = _megabytes(folder)
            progress(there, there, f"{title}, MB")
        printed.seek(0)
        return subprocess.CompletedProcess(list(command), process.returncode, printed.read())


def complaint(answer: subprocess.CompletedProcess[str], pattern: str) -> str:
    """The first line of a failed program's output that a pattern is found in, else its first line or exit status."""
    lines = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    found = [line for line in lines if re.search(pattern, line)]
    return (found or lines or [f"exit status {answer.returncode}"])[0]


def _megabytes(folder: Path) -> int:
    """MB on disk of the files below ``folder``, as far as they can be seen."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue  # it has gone since
    return total // 1_000_000


RELEASE = "bullseye"
PACKAGES = ("caffe", "python3-caffe", "libopenblas0-pthread")
UNPACKED_BYTES = 700_000_000
CHANGELOG = "usr/share/doc/caffe/changelog.Debian.gz"
MMDEBSTRAP_HINT = (
    "type: sudo apt-get install mmdebstrap debian-archive-keyring, or install an archive of "
    "lrbench caffe pack with --from"
)
MIRROR_HINT = (
    "look at the network and the free disk space, then type it again; --mirror names another mirror, --from "
    "an archive of lrbench caffe pack"
)


Unpack = Callable[[Path], Sequence[Path] | None]


def install(root: Path, unpack: Unpack, *, force: bool, log: Callable[[str], None]) -> bool:
    """Install Caffe at ``root``, whole or not at all; what is there and works is left as it is.

    Args:
        root: the folder to make; its parents are made.
        unpack: writes the tree into a folder that it makes: ``from_mirror``, ``from_archive``, or a build with CUDA,
            which returns the folders of CUDA's run-time libraries.
        force: install again over what is there, which stays in place until the new one has started once.
        log: receives a line for each step.

    Returns:
        Whether anything was installed.

    Raises:
        EngineUnavailable: mmdebstrap is missing or failed, the folder cannot be written, or the result does not start.
        UsageError: the archive cannot be used.
    """
    try:
        return _install(root.resolve(), unpack, force, log)
    except OSError as error:
        raise EngineUnavailable(
            f"Caffe cannot be installed: {reason(error)}",
            where=str(error.filename or root),
            remedy="free some space, or choose another place with LRBENCH_HOME",
        ) from error


def _install(root: Path, unpack: Unpack, force: bool, log: Callable[[str], None]) -> bool:
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{root}.lock"):
        if (root / MANIFEST).is_file() and not force:
            probe(packaged_environment(root))
            return False
        partial, former = root.with_name(root.name + ".partial"), root.with_name(root.name + ".former")
        try:
            _remove(partial)
            _remove(former)
            log(f"installing Caffe and Python 3.9 of Debian {RELEASE} in {root}")
            libraries = unpack(partial) or ()
            (partial / MANIFEST).write_text(json.dumps(_manifest(partial, root.parent, libraries)))
            log("starting it once")
            probe.cache_clear()
            probe(packaged_environment(partial))
            if root.exists():
                root.rename(former)
            partial.rename(root)
        finally:
            _remove(partial)
        _remove(former)
        return True


def _manifest(tree: Path, home: Path, libraries: Sequence[Path]) -> dict[str, object]:
    """The manifest of a tree; folders of libraries below ``home`` are relative to it, so that it can be moved."""
    manifest: dict[str, object] = {"version": _version(tree), "release": RELEASE}
    record = read_record(tree)
    if record is not None:
        within = tuple(
            Path(os.path.relpath(folder, home)) if folder.is_relative_to(home) else folder for folder in libraries
        )
        manifest["cuda"] = record.model_copy(update={"libraries": within}).model_dump(mode="json")
    return manifest


@dataclass(frozen=True)
class Additions:
    """Packages and commands in addition to Caffe's packages.

    Attributes:
        packages: names of further packages.
        hook: shell commands that mmdebstrap runs once all is unpacked, with the tree's folder as ``$1``.
        unpacked_bytes: about how large the tree becomes.
    """

    packages: tuple[str, ...] = ()
    hook: str | None = None
    unpacked_bytes: int = UNPACKED_BYTES


def from_mirror(
    folder: Path, mirror: str | None = None, *, progress: Progress = silent, additions: Additions = Additions()
) -> None:
    """Unpack Debian's packages of Caffe into ``folder``, their signatures checked.

    Args:
        mirror: URL of a Debian mirror that has the release; None is mmdebstrap's own choice.

    Raises:
        UsageError: ``mirror`` is not a URL.
        EngineUnavailable: mmdebstrap is missing or failed.
    """
    if mirror is not None and not re.fullmatch(r"[a-z][a-z0-9+.-]*:/\S+", mirror):
        raise UsageError(
            "--mirror is not a URL",  # the text may hold a password
            remedy="give the URL of a Debian mirror, such as https://HOST/debian or file:///srv/debian",
        )
    program = shutil.which("mmdebstrap")
    if program is None:
        raise EngineUnavailable("mmdebstrap, which unpacks Caffe's packages, is not installed", remedy=MMDEBSTRAP_HINT)
    packages = ",".join((*PACKAGES, *additions.packages))
    hooks = [] if additions.hook is None else [f"--extract-hook={additions.hook}"]
    mode = [] if os.geteuid() == 0 else ["--mode=chrootless"]  # nothing of the packages is run, so none is needed
    command = [program, *mode, "--variant=extract", f"--include={packages}", *hooks, RELEASE, str(folder)]
    if mirror is not None:
        command.append(re.sub("^file:", "copy:", mirror))  # mmdebstrap has apt copy packages, or cannot reach them
    answer = watched(command, folder, additions.unpacked_bytes, "Debian's packages", progress)
    if answer.returncode != 0:
        raise EngineUnavailable(f"mmdebstrap failed: {complaint(answer, '^E:')}", remedy=MIRROR_HINT)


def from_archive(folder: Path, archive: Path, sha256: str | None = None) -> None:
    """Unpack an archive of a CPU build that ``lrbench caffe pack`` wrote into the new ``folder``.

    Raises:
        UsageError: the archive cannot be used, or holds a CUDA build.
        OSError: the tree cannot be written.
    """
    unpack_archive(archive, folder, sha256)
    if read_record(folder) is not None:
        raise UsageError("holds a Caffe for GPUs", where=str(archive), remedy="add --cuda")


def _version(root: Path) -> str:
    """The package's upstream version, from its changelog's first line: ``caffe (1.0.0+git...-8+b2) sid; ...``."""
    with gzip.open(root / CHANGELOG, "rt", errors="replace") as changelog:
        found = re.match(r"caffe \(([^)]+)\)", changelog.readline())
    return re.sub(r"-[^-]*$", "", found.group(1)) if found else "1.0.0"


def _remove(folder: Path) -> None:
    """Delete a tree whose folders may lack write permission (a rootless unpacking keeps the packages' modes)."""
    if not folder.exists():
        return
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder)
