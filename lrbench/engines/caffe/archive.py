"""An installed Caffe as one archive, which installs it on a machine that cannot reach a Debian mirror.

The archive is a tar file compressed with gzip. Its first member, ``index.json``, lists every file with its size and
SHA-256 and every symbolic link with its target; regular files follow, in the index's order, and nothing else. The same
tree always gives the same bytes (with the same version of zlib): names are sorted, times and owners left out.

Members are written by this module and not by ``TarFile.extractall``, whose ``filter="data"`` is missing in the
Python 3.11.2 of Debian 12. Nothing is taken from a tar header but a name, a size and the executable bit.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lrbench.errors import UsageError
from lrbench.storage import file_sha256

INDEX = "index.json"
PARTS = ("lib", "usr")
"""The folders of the tree that Caffe runs from; etc, var and dev hold settings of the machine that unpacked it."""
CACHE = "__pycache__"
BLOCK = 1 << 20
LARGEST_HEADER = 1 << 16
LARGEST_INDEX = 1 << 24
LARGEST_TREE = 1 << 31
PACK_AGAIN = "pack it again where it comes from, or copy it again"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, le=LARGEST_TREE)]


class Index(BaseModel):
    """Table of contents of an archive.

    Attributes:
        files: size in bytes and SHA-256 of each regular file, by its path in the tree.
        links: target of each symbolic link, relative to the link's folder, by the link's path.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    files: dict[str, tuple[Size, Digest]]
    links: dict[str, str]


def pack(root: Path, file: Path) -> None:
    """Write the tree at ``root`` to the archive ``file``, whole or not at all; a file that is there is replaced.

    Raises:
        OSError: the tree cannot be read or the archive cannot be written.
    """
    index = _index(root)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            packed = _Compressing(stream)
            with tarfile.open(fileobj=cast("IO[bytes]", packed), mode="w|") as archive:  # it only writes to it
                content = index.model_dump_json().encode()
                archive.addfile(_header(INDEX, len(content)), io.BytesIO(content))
                for name, (size, _) in index.files.items():
                    executable = bool((root / name).stat().st_mode & stat.S_IXUSR)
                    with (root / name).open("rb") as source:
                        archive.addfile(_header(name, size, executable=executable), source)
            packed.finish()
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def unpack(file: Path, folder: Path, sha256: str | None = None) -> None:
    """Unpack an archive that ``pack`` wrote into ``folder``, which is made.

    Args:
        file: the archive.
        folder: receives the tree; after an error it may hold a part of it.
        sha256: the archive's SHA-256, if known; it is compared before anything is unpacked.

    Raises:
        UsageError: the file is no such archive, is damaged, or holds anything but what its index says.
        OSError: the tree cannot be written.
    """
    if not file.is_file():  # a pipe or a device would be read for ever
        raise UsageError(
            "is not a regular file" if file.exists() else "no such file",
            where=str(file),
            remedy="name an archive that lrbench caffe pack wrote",
        )
    if sha256 is not None and file_sha256(file) != sha256.lower():
        raise UsageError(f"its SHA-256 is not {sha256}", where=str(file), remedy=PACK_AGAIN)
    try:
        with _Bounded(file) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            _unpack(archive, stream, folder)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError) as error:
        raise UsageError(
            f"is not an intact archive of lrbench caffe pack: {error}", where=str(file), remedy=PACK_AGAIN
        ) from error


class _Compressing:
    """A gzip file that is written to a stream.

    A ``gzip.GzipFile`` that cannot write its last bytes prints a traceback when Python 3.13 collects it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        # Level 1: 9 % larger than level 6, in 40 % of its time. 16 more bits of window: gzip's header and checksum.
        self._compressor = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)

    def write(self, content: bytes) -> int:
        self._stream.write(self._compressor.compress(content))
        return len(content)

    def finish(self) -> None:
        self._stream.write(self._compressor.flush())


class _Bounded(gzip.GzipFile):
    """An archive's uncompressed bytes, of which no more than ``allowance`` are handed out before it is raised.

    tarfile reads as much as a header asks for; this keeps a hostile one from filling the memory.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(file, "rb")
        self.allowance = LARGEST_HEADER

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= self.allowance:
            raise tarfile.ReadError("a header is too large")
        self.allowance -= size
        return super().read(size)


def _index(root: Path) -> Index:
    files, links = {}, {}
    for path in _paths(root):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():  # as if the tree were /; kept where its target is packed
            within = Path("/") / path.parent.relative_to(root)
            target = os.path.normpath(within / os.readlink(path))
            if target.split("/")[1] in PARTS and os.path.lexists(f"{root}{target}"):
                links[name] = os.path.relpath(target, within)
        elif path.is_file():
            files[name] = (path.stat().st_size, file_sha256(path))
    return Index(files=files, links=links)


def _paths(root: Path) -> Iterator[Path]:
    """Every file and link of the tree but Python's caches, in the order of their names."""
    for part in PARTS:
        for folder, folders, files in os.walk(root / part):
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            folders[:] = sorted(name for name in folders if name != CACHE)
            yield from (Path(folder, name) for name in sorted(files + links))


def _header(name: str, size: int, *, executable: bool = False) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o755 if executable else 0o644
    return header


def _unpack(archive: tarfile.TarFile, stream: _Bounded, folder: Path) -> None:
    first = archive.next()
    if first is None or first.name != INDEX or first.size > LARGEST_INDEX:
        raise ValueError("it does not begin with an index")
    stream.allowance += first.size
    index = _read_index(_content(archive, first).read(first.size))
    for name, (size, digest) in index.files.items():
        stream.allowance = LARGEST_HEADER
        member = archive.next()
        if member is None or (member.name, member.size, member.type) != (name, size, tarfile.REGTYPE):
            raise ValueError(f"{name} is not where the index has it")
        stream.allowance += size
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if _write(_content(archive, member), path) != digest:
            raise ValueError(f"the SHA-256 of {name} is wrong")
        path.chmod(0o755 if member.mode & 0o100 else 0o644)
    # The checksum of the whole, the links among it, is behind the last of tar's zeros.
    stream.allowance = LARGEST_HEADER
    if len(stream.read(LARGEST_HEADER)) == LARGEST_HEADER:
        raise ValueError("it goes on after its last file")
    for name, target in index.links.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member) if member.type == tarfile.REGTYPE else None
    if content is None:
        raise ValueError(f"{member.name} is not a regular file")
    return content


def _write(source: IO[bytes], path: Path) -> str:
    """Copy a member to a new file; returns the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with path.open("xb") as target:
        while block := source.read(BLOCK):
            digest.update(block)
            target.write(block)
    return digest.hexdigest()


def _read_index(content: bytes) -> Index:
    """Parse an index; raise ValueError unless every path and every link stays in the tree, in any order of writing."""
    try:
        index = Index.model_validate_json(content)
    except ValidationError as error:
        raise ValueError("its index is malformed") from error
    if sum(size for size, _ in index.files.values()) > LARGEST_TREE:
        raise ValueError(f"it unpacks to more than {LARGEST_TREE >> 30} GiB")
    for name in (*index.files, *index.links):
        path = PurePosixPath(name)
        if str(path) != name or len(path.parts) < 2 or path.parts[0] not in PARTS or ".." in path.parts or "\0" in name:
            raise ValueError(f"{name!r} is not a path in Caffe's tree")
        above = {str(parent) for parent in path.parents}
        if not (index.files.keys().isdisjoint(above) and index.links.keys().isdisjoint(above)):
            raise ValueError(f"{name!r} is in something that is not a folder")
    if not index.files.keys().isdisjoint(index.links):
        raise ValueError("a file is a link, too")
    for name, target in index.links.items():
        _check_link(PurePosixPath(name), target)
    return index


def _check_link(link: PurePosixPath, target: str) -> None:
    """Raise ValueError unless the target climbs only at its beginning, and no higher than the tree.

    A link's own folders are never links, so a target of this form stays in the tree whatever links it goes through.
    """
    parts = target.split("/")
    climbs = next((count for count, part in enumerate(parts) if part != ".."), len(parts))
    if climbs >= len(link.parts) or ".." in parts[climbs:] or not target or "" in parts or "\0" in target:
        raise ValueError(f"the link {str(link)!r} leads out of Caffe's tree")
