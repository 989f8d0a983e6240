"""``lrbench caffe``."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.cli.output import check_writable, tell

if TYPE_CHECKING:
    from lrbench.data import Progress
    from lrbench.engines.caffe.install import Unpack


def _architectures(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """The numbers of a list such as 80,90."""
    parts = [part.strip() for part in value.split(",")] if value is not None else []
    if not all(part.isascii() and part.isdigit() and len(part) in (2, 3) for part in parts):
        raise click.BadParameter(f"{value!r} is not a list of compute capabilities without the dot, such as 80,90")
    return tuple(map(int, parts))


@click.group()
def caffe() -> None:
    """Provide real Caffe on this machine.

    \b
    lrbench caffe install
    lrbench caffe pack -o caffe.tar.gz
    """


@caffe.command()
@click.option("--force", is_flag=True, help="Install again over what is there.")
@click.option("--mirror", metavar="URL", help="A Debian mirror that has the release.  [default: mmdebstrap's choice]")
@click.option(
    "--from",
    "archive",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Install from an archive of lrbench caffe pack; needs no network and no mmdebstrap.",
)
@click.option("--sha256", metavar="HEX", help="The SHA-256 that the archive of --from must have.")
@click.option("--cuda", is_flag=True, help="Build Caffe for NVIDIA GPUs, beside the one for CPUs.")
@click.option(
    "--toolkit",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The CUDA toolkit of --cuda.  [default: this machine's own, else NVIDIA's packages from PyPI]",
)
@click.option(
    "--arch",
    "architectures",
    metavar="LIST",
    callback=_architectures,
    help="The GPUs' architectures, such as 80,90.  [default: those of the GPUs here, else 75,80,90]",
)
@click.option("--jobs", "-j", type=click.IntRange(1), help="How many files to compile at a time.  [default: the cores]")
@click.option("--accept-nvidia-license", is_flag=True, help="Accept NVIDIA's licence of its packages from PyPI.")
def install(
    force: bool, mirror: str | None, archive: Path | None, sha256: str | None, cuda: bool, **building: Any
) -> None:
    """Unpack Caffe 1.0 (CPU) and the Python it was built for into LRBench's data folder.

    They come from the last Debian release that has them, signatures checked, and run beside whatever system this is;
    nothing outside the folder changes. Needs mmdebstrap and about 650 MB. An installation that is there is replaced
    only once the new one has started.

    An archive is checked against the hashes that it holds, which finds damage. Only --sha256 proves whose archive it
    is: Caffe is started from it, so install none from a stranger.

    With --cuda, the same release's source package is built for NVIDIA GPUs, with the release's own compiler, into a
    folder of its own; engine.device chooses between the two. Needs about 2 GB meanwhile, and 1.6 GB more where the CUDA
    toolkit comes from PyPI.

    \b
    lrbench caffe install
    lrbench caffe install --mirror file:///srv/debian
    lrbench caffe install --from caffe.tar.gz
    lrbench caffe install --cuda --toolkit /usr/local/cuda
    """
    from lrbench.cli.data_progress import shown_progress
    from lrbench.engines.caffe.environment import packaged_root
    from lrbench.engines.caffe.install import install as install_caffe
    from lrbench.errors import UsageError
    from lrbench.library.surroundings import home

    if archive is not None and mirror is not None:
        raise UsageError("--from and --mirror exclude each other", remedy="leave one out")
    if sha256 is not None and archive is None:
        raise UsageError("--sha256 is the hash of an archive", remedy="name the archive with --from")
    given = [_OPTIONS[name] for name, value in building.items() if value]
    if given and not cuda:
        raise UsageError(f"{given[0]} is about a build for GPUs", remedy="add --cuda, or leave it out")
    if archive is not None and (compiling := sorted({"--arch", "--jobs"} & set(given))):
        raise UsageError(
            f"{compiling[0]} is about compiling, and --from unpacks what was compiled", remedy="leave one out"
        )
    root = packaged_root(home(), cuda=cuda)
    name = "Caffe for GPUs" if cuda else "Caffe"
    with shown_progress() as progress:
        source = (
            _cuda_source(archive, sha256, mirror, building, progress)
            if cuda
            else (_cpu_source(archive, sha256, mirror, progress))
        )
        installed = install_caffe(root, source, force=force, log=partial(progress, 0, 0))
    tell(f"{name} is installed in {root}" if installed else f"{name} is there already, in {root}")


_OPTIONS = {
    "toolkit": "--toolkit",
    "architectures": "--arch",
    "jobs": "--jobs",
    "accept_nvidia_license": "--accept-nvidia-license",
}
"""The options of a CUDA build by their parameters."""


def _cpu_source(archive: Path | None, sha256: str | None, mirror: str | None, progress: Progress) -> Unpack:
    from lrbench.engines.caffe.install import from_archive, from_mirror

    if archive is not None:
        return partial(from_archive, archive=archive, sha256=sha256)
    return partial(from_mirror, mirror=mirror, progress=progress)


def _cuda_source(
    archive: Path | None, sha256: str | None, mirror: str | None, building: dict[str, Any], progress: Progress
) -> Unpack:
    from lrbench.engines.caffe.cuda.installing import CudaOptions, build_tree, unpack_tree
    from lrbench.library.surroundings import home

    options = CudaOptions(
        home(),
        os.environ,
        building["toolkit"],
        building["architectures"],
        building["jobs"] or len(os.sched_getaffinity(0)),
        mirror,
        building["accept_nvidia_license"],
    )
    if archive is not None:
        return partial(unpack_tree, archive=archive, sha256=sha256, options=options, progress=progress)
    return partial(build_tree, options=options, progress=progress)


@caffe.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="lrbench-caffe.tar.gz",
    show_default=True,
    help="The archive to write.",
)
@click.option("--cuda", is_flag=True, help="Pack the Caffe for GPUs; CUDA's own libraries stay out.")
def pack(output: Path, cuda: bool) -> None:
    """Pack the installed Caffe into one archive (250 to 400 MB), for another x86-64 machine.

    Prints the archive's SHA-256 and name as sha256sum does. The same tree gives the same archive.

    \b
    lrbench caffe pack -o caffe.tar.gz
    """
    from lrbench.engines.caffe.archive import pack as pack_caffe
    from lrbench.engines.caffe.environment import packaged_environment, packaged_root
    from lrbench.errors import UsageError
    from lrbench.library.surroundings import home
    from lrbench.report.next_commands import next_line
    from lrbench.storage import file_sha256, reason

    check_writable(output)
    root = packaged_root(home(), cuda=cuda)
    packaged_environment(root)
    tell(f"packing {root} into {output}")
    try:
        pack_caffe(root, output)
        digest = file_sha256(output)
    except OSError as error:
        raise UsageError(
            f"Caffe cannot be packed: {reason(error)}",
            where=str(error.filename or output),
            remedy="free some space, or change -o",
        ) from error
    click.echo(f"{digest}  {output}")
    install_there = shlex.join(
        ["lrbench", "caffe", "install", *(["--cuda"] if cuda else []), "--from", str(output), "--sha256", digest]
    )
    tell(next_line(install_there, "on the other machine"))
