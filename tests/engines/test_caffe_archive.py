"""An installed Caffe as one archive: the same tree comes out, or one line says why not and nothing is there."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from command_line import as_bash_reads, typed

from lrbench.api.environment import home
from lrbench.engines.caffe.archive import INDEX, pack, unpack
from lrbench.engines.caffe.environment import MANIFEST, packaged_environment, probe
from lrbench.engines.caffe.install import install
from lrbench.errors import EngineUnavailable, UsageError

LOADER = """#!/bin/sh
case "$*" in
    *--probe-gpu) exit 1 ;;
    *) echo '{"version": "1.0.0", "python": "3.9.2", "layers": ["Data"]}' ;;
esac
"""
"""Stands in for the loader, and so for all of Caffe: it answers the probe."""


def make_tree(root: Path) -> Path:
    """A small tree with all kinds of things that Debian's has."""
    files = {
        "lib/x86_64-linux-gnu/ld-2.31.so": LOADER,
        "usr/bin/python3.9": "python",
        "usr/bin/caffe": "",
        "usr/lib/python3.9/site.py": "import os\n" * 1000,
        "usr/lib/python3.9/__pycache__/site.pyc": "made when it ran",
        "usr/share/Főtanúsítvány.crt": "x",
        "etc/hostname": "this machine",
        "var/log/dpkg.log": "today",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    changelog = root / "usr/share/doc/caffe/changelog.Debian.gz"
    changelog.parent.mkdir(parents=True)
    changelog.write_bytes(gzip.compress(b"caffe (1.0.0+git20180821.99bd997-8+b2) sid; urgency=low\n", mtime=0))
    for name in ("lib/x86_64-linux-gnu/ld-2.31.so", "usr/bin/caffe"):
        (root / name).chmod(0o4755)
    os.link(root / "usr/bin/caffe", root / "usr/bin/caffe-1.0")
    links = {
        "lib/ld-linux.so.2": "/lib/x86_64-linux-gnu/ld-2.31.so",
        "lib/up": "../../usr/share",
        "usr/bin/python3": "python3.9",
        "usr/lib/python3": "python3.9",
        "usr/lib/python3.9/sitecustomize.py": "/etc/python3.9/sitecustomize.py",
        "usr/share/localtime": "/etc/hostname",
        "usr/share/gone": "nothing",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root / MANIFEST).write_text("{}")
    return root


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    pack(make_tree(tmp_path / "tree"), tmp_path / "caffe.tar.gz")
    return tmp_path / "caffe.tar.gz"


def content(root: Path) -> dict[str, object]:
    """Every file's bytes and mode, and every link's target, by path."""
    return {
        str(path.relative_to(root)): os.readlink(path)
        if path.is_symlink()
        else (path.read_bytes(), path.stat().st_mode & 0o7777)
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_the_tree_comes_out_as_it_went_in_with_its_links_inside(archive, tmp_path):
    unpack(archive, tmp_path / "out")
    found = content(tmp_path / "out")
    loader = "lib/x86_64-linux-gnu/ld-2.31.so"
    assert {name: target for name, target in found.items() if isinstance(target, str)} == {
        "lib/ld-linux.so.2": "x86_64-linux-gnu/ld-2.31.so",
        "lib/up": "../usr/share",
        "usr/bin/python3": "python3.9",
        "usr/lib/python3": "python3.9",
    }, "no link leads to this system's files, or to nothing"
    assert found[loader] == (LOADER.encode(), 0o755)
    assert found["usr/bin/caffe"] == found["usr/bin/caffe-1.0"] == (b"", 0o755)
    assert found["usr/share/Főtanúsítvány.crt"] == (b"x", 0o644)
    assert not [name for name in found if name.startswith(("etc", "var")) or name.endswith(".pyc")]
    assert len(found) == 11


def test_the_same_tree_gives_the_same_archive(archive, tmp_path):
    unpack(archive, tmp_path / "out")
    pack(tmp_path / "out", tmp_path / "again.tar.gz")
    assert (tmp_path / "again.tar.gz").read_bytes() == archive.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.tar.gz", "caffe.tar.gz", "out", "tree"]


def test_a_flipped_bit_is_found_or_does_no_harm(archive, tmp_path):
    unpack(archive, tmp_path / "out")
    expected, intact = content(tmp_path / "out"), archive.read_bytes()
    refused = 0
    for place in range(0, len(intact), 7):
        archive.write_bytes(intact[:place] + bytes([intact[place] ^ 1 << place % 8]) + intact[place + 1 :])
        folder = tmp_path / str(place)
        try:
            unpack(archive, folder)
        except UsageError:
            refused += 1
        else:
            assert content(folder) == expected, place
    assert refused > 0.9 * len(intact) / 7


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_a_cut_archive_is_refused(archive, tmp_path, share):
    os.truncate(archive, int(archive.stat().st_size * share))
    with pytest.raises(UsageError, match=r"caffe\.tar\.gz: is not an intact archive of lrbench caffe pack: "):
        unpack(archive, tmp_path / "out")


Member = tuple[tarfile.TarInfo, bytes]


def regular(name: str, data: bytes = b"x", **fields: Any) -> Member:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    for field, value in fields.items():
        setattr(header, field, value)
    return header, data


def write(file: Path, index: object, *members: Member) -> Path:
    """An archive with this index, and these members after it."""
    text = index if isinstance(index, bytes) else json.dumps(index).encode()
    with tarfile.open(file, "w:gz") as archive:
        for header, data in (regular(INDEX, text), *members):
            archive.addfile(header, io.BytesIO(data))
    return file


def entry(data: bytes = b"x") -> list[object]:
    return [len(data), hashlib.sha256(data).hexdigest()]


NO_PATHS = [
    "../evil",
    "/tmp/evil",
    "usr/../../evil",
    "usr//evil",
    "./usr/evil",
    "evil",
    "usr",
    "etc/passwd",
    "",
    ".",
    "usr/evil\0",
    "usr/evil/",
    MANIFEST,
]


@pytest.mark.parametrize("name", NO_PATHS)
@pytest.mark.parametrize("kind", ["files", "links"])
def test_a_path_out_of_the_tree_is_refused(tmp_path, name, kind):
    index: dict[str, Any] = {"files": {}, "links": {}} | {kind: {name: entry() if kind == "files" else "x"}}
    write(tmp_path / "a", index, *([regular(name)] if kind == "files" else []))
    with pytest.raises(UsageError, match="is not a path in Caffe's tree"):
        unpack(tmp_path / "a", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../etc", "..//../x", "../..", "a/../../../x", "", "a//b", "a\0", "//x"]
)
def test_a_link_out_of_the_tree_is_refused(tmp_path, target):
    write(tmp_path / "a", {"files": {}, "links": {"usr/evil": target}})
    with pytest.raises(UsageError, match="the link 'usr/evil' leads out of Caffe's tree"):
        unpack(tmp_path / "a", tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "links"),
    [
        (["usr/a/b"], {"usr/a": "../lib"}),
        ([], {"usr/a": ".", "usr/a/b": "../.."}),
        (["usr/a", "usr/a/b"], {}),
        (["usr/a"], {"usr/a": "b"}),
    ],
)
def test_nothing_is_written_through_a_link_or_over_a_file(tmp_path, files, links):
    write(tmp_path / "a", {"files": {name: entry() for name in files}, "links": links}, *map(regular, files))
    with pytest.raises(UsageError, match=r"is in something that is not a folder|a file is a link, too"):
        unpack(tmp_path / "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        {},
        {"files": {}},
        {"files": [], "links": {}},
        {"files": {"usr/a": [1]}, "links": {}},
        {"files": {"usr/a": [-1, "0" * 64]}, "links": {}},
        {"files": {"usr/a": ["1", "0" * 64]}, "links": {}},
        {"files": {"usr/a": [1, "0" * 63]}, "links": {}},
        {"files": {"usr/a": [10**30, "0" * 64]}, "links": {}},
        {"files": {}, "links": {"usr/a": 1}},
        {"files": {}, "links": {}, "more": 1},
    ],
)
def test_a_malformed_index_is_refused(tmp_path, index):
    write(tmp_path / "a", index)
    with pytest.raises(UsageError, match="its index is malformed"):
        unpack(tmp_path / "a", tmp_path / "out")


@pytest.mark.parametrize(
    "member",
    [
        [],
        [regular("usr/b")],
        [regular("usr/a", b"xy")],
        [regular("usr/a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
        [regular("usr/a", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
        [regular("usr/a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)],
        [regular("usr/a", b"", type=tarfile.FIFOTYPE)],
        [regular("usr/a", b"", type=tarfile.DIRTYPE)],
        [regular("usr/a", type=tarfile.GNUTYPE_SPARSE)],
    ],
)
def test_a_member_that_the_index_does_not_have_is_refused(tmp_path, member):
    write(tmp_path / "a", {"files": {"usr/a": entry()}, "links": {}}, *member)
    with pytest.raises(UsageError, match="usr/a is not where the index has it"):
        unpack(tmp_path / "a", tmp_path / "out")
    assert not content(tmp_path / "out")


def test_other_bytes_than_the_index_has_are_refused(tmp_path):
    write(tmp_path / "a", {"files": {"usr/a": entry(b"y")}, "links": {}}, regular("usr/a", b"x"))
    with pytest.raises(UsageError, match="the SHA-256 of usr/a is wrong"):
        unpack(tmp_path / "a", tmp_path / "out")


def zeros(file: Path, header: bytes, count: int) -> Path:
    """An archive of a header and many megabytes of zeros."""
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(header)
        for _ in range(count):
            stream.write(bytes(1 << 20))
    return file


@pytest.mark.parametrize(
    "header",
    [
        regular(INDEX, size=1 << 40)[0],
        regular("other", size=1 << 40)[0],
        regular(INDEX, size=1 << 30, type=tarfile.XHDTYPE)[0],
        regular(INDEX, size=1 << 30, type=tarfile.XGLTYPE)[0],
        regular(INDEX, size=1 << 30, type=tarfile.GNUTYPE_LONGNAME)[0],
    ],
)
def test_a_bomb_is_refused_before_it_is_read(tmp_path, header):
    zeros(tmp_path / "a", header.tobuf(tarfile.GNU_FORMAT), 64)
    program = (
        "import resource, sys; from pathlib import Path; from lrbench.engines.caffe.archive import unpack\n"
        "from lrbench.errors import UsageError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: unpack(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except UsageError as error: print(error)\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a", tmp_path / "out"], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "is not an intact archive of lrbench caffe pack: " in answer.stdout


def test_a_tree_too_large_is_refused(tmp_path):
    size = 1 << 30
    write(tmp_path / "a", {"files": {f"usr/{name}": [size, "0" * 64] for name in "abc"}, "links": {}})
    with pytest.raises(UsageError, match="it unpacks to more than 2 GiB"):
        unpack(tmp_path / "a", tmp_path / "out")


@pytest.mark.parametrize("nested", [1000, 100_000])
def test_headers_of_headers_are_refused(tmp_path, nested):
    header = regular("x", b"", type=tarfile.XHDTYPE)[0].tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a").write_bytes(gzip.compress(header * nested))
    with pytest.raises(UsageError, match="is not an intact archive"):
        unpack(tmp_path / "a", tmp_path / "out")


def test_what_is_no_file_is_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("pipe", "is not a regular file"), ("none", "no such file"), ("", "is not a regular file")):
        with pytest.raises(UsageError, match=f"{said}; name an archive"):
            unpack(tmp_path / name, tmp_path / "out")
    with pytest.raises(UsageError, match="/dev/zero: is not a regular file"):
        unpack(Path("/dev/zero"), tmp_path / "out")


def test_the_hash_of_the_archive_is_compared_first(archive, tmp_path):
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(UsageError, match="its SHA-256 is not 0000; pack it again"):
        unpack(archive, tmp_path / "out", "0000")
    assert not (tmp_path / "out").exists()
    unpack(archive, tmp_path / "out", digest.upper())


def put(root: Path, archive: Path, *, force: bool = False) -> bool:
    return install(root, lambda folder: unpack(archive, folder), force=force, log=lambda line: None)


def test_an_archive_is_installed_and_starts(archive, tmp_path):
    root = tmp_path / "home/caffe"
    assert put(root, archive)
    assert not put(root, archive)
    assert json.loads((root / MANIFEST).read_text()) == {"version": "1.0.0+git20180821.99bd997", "release": "bullseye"}
    assert probe(packaged_environment(root)).version == "1.0.0+git20180821.99bd997"
    (root / "usr/more").write_text("")
    assert put(root, archive, force=True)
    assert sorted(path.name for path in root.iterdir()) == ["lib", MANIFEST, "usr"]
    assert not (root / "usr/more").exists()
    assert sorted(path.name for path in root.parent.iterdir()) == ["caffe", "caffe.lock"]


def test_what_is_installed_stays_until_the_new_one_has_started(archive, tmp_path):
    root = tmp_path / "home/caffe"
    assert put(root, archive)
    before = content(root)
    broken = make_tree(tmp_path / "broken")
    (broken / "lib/x86_64-linux-gnu/ld-2.31.so").write_text("#!/bin/sh\necho 'wrong machine' >&2\nexit 1\n")
    pack(broken, tmp_path / "broken.tar.gz")
    with pytest.raises(EngineUnavailable, match="Caffe does not start: wrong machine"):
        put(root, tmp_path / "broken.tar.gz", force=True)
    os.truncate(archive, archive.stat().st_size // 2)
    with pytest.raises(UsageError, match="is not an intact archive"):
        put(root, archive, force=True)
    assert content(root) == before
    assert sorted(path.name for path in root.parent.iterdir()) == ["caffe", "caffe.lock"]


def test_a_full_disk_leaves_nothing(archive, tmp_path):
    def unpack_half(folder: Path) -> None:
        unpack(archive, folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(EngineUnavailable, match="No space left on device; free some space"):
        install(tmp_path / "home/caffe", unpack_half, force=False, log=lambda line: None)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["caffe.lock"]


def test_a_tree_on_another_disk_stays_there(archive, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "big").mkdir()
    (tmp_path / "home/caffe").symlink_to(tmp_path / "big/caffe")
    assert put(tmp_path / "home/caffe", archive)
    assert put(tmp_path / "home/caffe", archive, force=True)
    assert (tmp_path / "home/caffe").is_symlink()
    assert (tmp_path / "big/caffe" / MANIFEST).is_file()


def lrbench(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return typed("caffe", *arguments, variables=variables)


def test_pack_and_install_on_the_command_line(tmp_path):
    make_tree(tmp_path / "here/caffe")
    file = tmp_path / "it's here.tar.gz"
    packed = lrbench("pack", "-o", file, LRBENCH_HOME=str(tmp_path / "here"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (packed.returncode, packed.stdout) == (0, f"{digest}  {file}\n")
    command = packed.stderr.splitlines()[-1].removeprefix("next: ")
    installed = typed(*as_bash_reads(command), variables={"LRBENCH_HOME": str(tmp_path / "there")})
    assert installed.returncode == 0, installed.stderr
    assert installed.stderr.splitlines()[-1] == f"Caffe is installed in {tmp_path / 'there/caffe'}"
    refused = lrbench("install", "--from", file, "--sha256", "0" * 64, LRBENCH_HOME=str(tmp_path / "third"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[-1] == (
        f"error: {file}: its SHA-256 is not {'0' * 64}; pack it again where it comes from, or copy it again"
    )
    assert not (tmp_path / "third/caffe").exists()


def test_without_an_installed_caffe_there_is_nothing_to_pack(tmp_path):
    answer = lrbench("pack", "-o", tmp_path / "a.tar.gz", LRBENCH_HOME=str(tmp_path))
    assert answer.returncode == 2
    assert answer.stderr == f"error: {tmp_path}/caffe: Caffe is not installed; type: lrbench caffe install\n"
    assert not list(tmp_path.iterdir())


def test_a_pack_that_fails_leaves_the_former_archive(archive, tmp_path):
    before = archive.read_bytes()
    (tmp_path / "tree").rename(tmp_path / "caffe")
    (tmp_path / "caffe/usr/share/noise").write_bytes(os.urandom(1 << 16))
    limited = ["sh", "-c", 'ulimit -f 16; exec "$@"', "sh"]
    answer = subprocess.run(
        [*limited, sys.executable, "-m", "lrbench", "caffe", "pack", "-o", archive],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"LRBENCH_HOME": str(tmp_path)},
    )
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1] == (
        f"error: {archive}: Caffe cannot be packed: File too large; free some space, or change -o"
    )
    assert archive.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["caffe", "caffe.tar.gz"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "a.tar.gz", "--mirror", "http://127.0.0.1/"], "--from and --mirror cannot be combined"),
        (["--sha256", "0" * 64], "--sha256 is the hash of an archive; name the archive with --from"),
        (["--from", "/no/such/file"], "/no/such/file: no such file; name an archive that lrbench caffe pack wrote"),
        (["--mirror", "HTTP//user:SECRET@host"], "--mirror is not a URL; give the URL of a Debian mirror"),
        (["--mirror", "-"], "--mirror is not a URL"),
        (["--mirror", "deb http://127.0.0.1/ bullseye main"], "--mirror is not a URL"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_in_one_line(tmp_path, arguments, said):
    answer = lrbench("install", *arguments, LRBENCH_HOME=str(tmp_path / "home"))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.splitlines()[-1].startswith(f"error: {said}")
    assert "SECRET" not in answer.stderr
    assert not (tmp_path / "home/caffe").exists()


@pytest.mark.caffe
@pytest.mark.skipif("LRBENCH_CAFFE" in os.environ, reason="another Caffe is in use than the installed one")
def test_the_real_caffe_trains_after_the_move(caffe_environment, tmp_path, monkeypatch):
    compress = zlib.compressobj
    monkeypatch.setattr(
        zlib, "compressobj", lambda _level, wbits: compress(0, wbits=wbits)
    )  # of a small tree it is tested
    archive, root = tmp_path / "caffe.tar.gz", tmp_path / "home/caffe"
    pack(home() / "caffe", archive)
    assert put(root, archive)
    found, expected = probe(packaged_environment(root)), probe(packaged_environment(home() / "caffe"))
    assert (found.version, found.python_version, found.layers) == (
        expected.version,
        expected.python_version,
        expected.layers,
    )
    spec = tmp_path / "trial.yaml"
    spec.write_text(
        "workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 100, iterations: 4,"
        " test_interval: 2}\nsolver: SGD\npolicies: [FIX(k0=0.01)]\n"
    )
    for driver in ("stepping", "native"):
        answer = typed(
            *("run", spec, "--results", tmp_path / driver, "--set", f"engine.driver={driver}"),
            variables={"LRBENCH_HOME": str(tmp_path / "home")},
        )
        assert answer.returncode == 0, answer.stderr
        assert "1 finished" in answer.stderr
