"""``lrbench caffe``: Install Caffe, or pack it for another machine."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrbench.api.environment import home
from lrbench.cli.options import output_option
from lrbench.cli.output import tell
from lrbench.cli.setup import shown_progress
from lrbench.errors import UsageError

if TYPE_CHECKING:
    from lrbench.engines.caffe.install import Unpack


def _architectures(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """The numbers of a list such as 80,90."""
    parts = [part.strip() for part in value.split(",")] if value is not None else []
    if not all(part.isascii() and part.isdigit() and len(part) in (2, 3) for part in parts):
        raise click.BadParameter(f"{value!r} is not a list of compute capabilities without the dot, such as 80,90")
    return tuple(map(int, parts))


@click.group()
def caffe() -> None:
    """Install Caffe, or pack it for another machine.

    \b
    lrbench caffe install
    lrbench caffe pack -o caffe.tar.gz
    """


@caffe.command()
@click.option("--force", is_flag=True, help="Replace an existing installation.")
@click.option("--mirror", metavar="URL", help="Debian mirror that has the release.  [default: mmdebstrap's choice]")
@click.option(
    "--from",
    "archive",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Install from an archive of lrbench caffe pack; requires neither network nor mmdebstrap.",
)
@click.option("--sha256", metavar="HEX", help="Expected SHA-256 of the archive of --from.")
@click.option("--cuda", is_flag=True, help="Build Caffe for NVIDIA GPUs, next to the CPU build.")
@click.option(
    "--toolkit",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="CUDA toolkit for --cuda.  [default: the one of this machine, else NVIDIA's packages from PyPI]",
)
@click.option(
    "--arch",
    "architectures",
    metavar="LIST",
    callback=_architectures,
    help="GPU architectures, such as 80,90.  [default: those of this machine's GPUs, else 75,80,90]",
)
@click.option(
    "--jobs", "-j", type=click.IntRange(1), help="Files to compile in parallel.  [default: the number of cores]"
)
@click.option("--accept-nvidia-license", is_flag=True, help="Accept NVIDIA's licence for its packages on PyPI.")
def install(
    force: bool, mirror: str | None, archive: Path | None, sha256: str | None, cuda: bool, **building: Any
) -> None:
    """Install Caffe 1.0 (CPU) and the Python that it was built for into LRBench's data folder.

    The packages come from the last Debian release that has them, with signatures checked, and run on any x86-64 Linux;
    nothing outside the folder changes. Requires mmdebstrap and about 650 MB. An existing installation is replaced only
    after the new one has started.

    An archive is checked against the hashes that it contains, which detects damage. Only --sha256 proves its origin:
    Caffe is started from the archive, so do not install one from a stranger.

    With --cuda, the source package of the same release is built for NVIDIA GPUs, with the compiler of the release, into
    a folder of its own; engine.device selects between the two. Requires about 2 GB during the build, and 1.6 GB more if
    the CUDA toolkit comes from PyPI.

    \b
    lrbench caffe install
    lrbench caffe install --mirror file:///srv/debian
    lrbench caffe install --from caffe.tar.gz
    lrbench caffe install --cuda --toolkit /usr/local/cuda
    """
    from lrbench.engines.caffe.cuda.build import CudaOptions
    from lrbench.engines.caffe.cuda.installing import build_tree, check_installed, unpack_tree
    from lrbench.engines.caffe.environment import packaged_root
    from lrbench.engines.caffe.install import from_archive, from_mirror
    from lrbench.engines.caffe.install import install as install_caffe

    if archive is not None and mirror is not None:
        raise UsageError("--from and --mirror cannot be combined", remedy="leave one out")
    if sha256 is not None and archive is None:
        raise UsageError("--sha256 is the hash of an archive", remedy="name the archive with --from")
    given = [_OPTIONS[name] for name, value in building.items() if value]
    if given and not cuda:
        raise UsageError(f"{given[0]} applies only to a GPU build", remedy="add --cuda, or leave it out")
    if archive is not None and (compiling := sorted({"--arch", "--jobs"} & set(given))):
        raise UsageError(
            f"{compiling[0]} applies only to compiling, and --from unpacks a compiled archive", remedy="leave one out"
        )
    root = packaged_root(home(), cuda=cuda)
    name = "Caffe for GPUs" if cuda else "Caffe"
    if archive is not None and not archive.exists():
        raise UsageError("no such file", where=str(archive), remedy="name an archive that lrbench caffe pack wrote")
    options = None
    if cuda:
        jobs = building["jobs"] or len(os.sched_getaffinity(0))
        chosen = building["toolkit"], building["architectures"], jobs, mirror, building["accept_nvidia_license"]
        options = CudaOptions(home(), os.environ, *chosen)
    if options is not None and archive is None and not force:
        check_installed(root, options)
    with shown_progress() as progress:
        source: Unpack
        if options is None and archive is not None:
            source = partial(from_archive, archive=archive, sha256=sha256)
        elif options is None:
            source = partial(from_mirror, mirror=mirror, progress=progress)
        elif archive is None:
            source = partial(build_tree, options=options, progress=progress)
        else:
            source = partial(unpack_tree, archive=archive, sha256=sha256, options=options, progress=progress)
        installed = install_caffe(root, source, force=force, log=partial(progress, 0, 0))
    tell(f"{name} is installed in {root}" if installed else f"{name} is already installed in {root}")


_OPTIONS = {
    "toolkit": "--toolkit",
    "architectures": "--arch",
    "jobs": "--jobs",
    "accept_nvidia_license": "--accept-nvidia-license",
}
"""The options of a CUDA build by their parameters."""


@caffe.command()
@output_option("Archive to write.", default="lrbench-caffe.tar.gz", show_default=True)
@click.option("--cuda", is_flag=True, help="Pack the GPU build; CUDA's own libraries are not included.")
def pack(output: Path, cuda: bool) -> None:
    """Pack the installed Caffe into an archive (250 to 400 MB) for another x86-64 machine.

    Prints the archive's SHA-256 and name as sha256sum does. The same installation gives an identical archive.

    \b
    lrbench caffe pack -o caffe.tar.gz
    """
    from lrbench.engines.caffe.archive import pack as pack_caffe
    from lrbench.engines.caffe.environment import packaged_environment, packaged_root
    from lrbench.report.formats import next_line
    from lrbench.storage import file_sha256, reason

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
