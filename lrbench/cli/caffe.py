"""``lrbench caffe``."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

import click

from lrbench.cli.output import check_writable, tell


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
@click.option("--from", "archive", metavar="FILE", type=click.Path(path_type=Path),
              help="Install from an archive of lrbench caffe pack; needs no network and no mmdebstrap.")
@click.option("--sha256", metavar="HEX", help="The SHA-256 that the archive of --from must have.")
def install(force: bool, mirror: str | None, archive: Path | None, sha256: str | None) -> None:
    """Unpack Caffe 1.0 (CPU) and the Python it was built for into LRBench's data folder.

    They come from the last Debian release that has them, signatures checked, and run beside whatever system this is;
    nothing outside the folder changes. Needs mmdebstrap and about 650 MB. An installation that is there is replaced
    only once the new one has started.

    An archive is checked against the hashes that it holds, which finds damage. Only --sha256 proves whose archive it
    is: Caffe is started from it, so install none from a stranger.

    \b
    lrbench caffe install
    lrbench caffe install --mirror file:///srv/debian
    lrbench caffe install --from caffe.tar.gz
    """
    from lrbench.engines.caffe.archive import unpack
    from lrbench.engines.caffe.environment import packaged_root
    from lrbench.engines.caffe.install import from_mirror
    from lrbench.engines.caffe.install import install as install_caffe
    from lrbench.errors import UsageError
    from lrbench.library.surroundings import home

    if archive is not None and mirror is not None:
        raise UsageError("--from and --mirror exclude each other", remedy="leave one out")
    if sha256 is not None and archive is None:
        raise UsageError("--sha256 is the hash of an archive", remedy="name the archive with --from")
    source = partial(unpack, archive, sha256=sha256) if archive else partial(from_mirror, mirror=mirror)
    root = packaged_root(home())
    installed = install_caffe(root, source, force=force, log=tell)
    tell(f"Caffe is installed in {root}" if installed else f"Caffe is there already, in {root}")


@caffe.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default="lrbench-caffe.tar.gz", show_default=True,
              help="The archive to write.")
def pack(output: Path) -> None:
    """Pack the installed Caffe into one archive (about 250 MB), for another x86-64 machine.

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
    root = packaged_root(home())
    packaged_environment(root)
    tell(f"packing {root} into {output} (about 250 MB)")
    try:
        pack_caffe(root, output)
        digest = file_sha256(output)
    except OSError as error:
        raise UsageError(f"Caffe cannot be packed: {reason(error)}", where=str(error.filename or output),
                         remedy="free some space, or change -o") from error
    click.echo(f"{digest}  {output}")
    install_there = shlex.join(["lrbench", "caffe", "install", "--from", str(output), "--sha256", digest])
    tell(next_line(install_there, "on the other machine"))
