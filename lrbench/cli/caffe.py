"""``lrbench caffe``."""

from __future__ import annotations

import click


@click.group()
def caffe() -> None:
    """Provide real Caffe on this machine.

    \b
    lrbench caffe install
    """


@caffe.command()
@click.option("--force", is_flag=True, help="Install again over what is there.")
def install(force: bool) -> None:
    """Unpack Caffe 1.0 (CPU) and the Python it was built for into LRBench's data folder.

    They come from the last Debian release that has them, signatures checked, and run beside whatever system this is;
    nothing outside the folder changes. Needs mmdebstrap and about 650 MB.

    \b
    lrbench caffe install
    """
    from lrbench.engines.caffe.environment import packaged_root
    from lrbench.engines.caffe.install import install as install_caffe
    from lrbench.library.surroundings import home

    root = packaged_root(home())
    installed = install_caffe(root, force=force, log=lambda line: click.echo(line, err=True))
    click.echo(f"Caffe is installed in {root}" if installed else f"Caffe is there already, in {root}", err=True)
