"""``lrbench doctor``."""

from __future__ import annotations

import os
import platform
import sys

import click


@click.command()
def doctor() -> int:
    """Say what is there, which version, and what to type for what is missing.

    Exit code 0 when runs on Caffe are possible, 2 when not.
    """
    from lrbench import __version__
    from lrbench.cli.home import data_folder, home
    from lrbench.cli.site import site
    from lrbench.errors import EngineUnavailable

    click.echo(f"LRBench    {__version__}, Python {platform.python_version()} ({sys.executable})")
    click.echo(f"folder     {home()} (LRBENCH_HOME)")
    click.echo(f"cores      {len(os.sched_getaffinity(0))} usable: lrbench run -j {len(os.sched_getaffinity(0))}")
    click.echo(f"LRBENCH_DATA   {data_folder() or 'not set: data sets are downloaded'}")
    _data()
    try:
        _caffe(site().caffe)
    except EngineUnavailable as error:
        click.echo(f"Caffe      absent or broken: {error}")
        return 2
    return 0


def _data() -> None:
    from lrbench.cli.home import home
    from lrbench.data import data_set_names, find_prepared

    for name in data_set_names():
        found = find_prepared(name, home())
        text = f"prepared in {found.folder}" if found else f"not prepared; type: lrbench data prepare {name}"
        click.echo(f"data       {name}: {text}")


def _caffe(external: str | None) -> None:
    from lrbench.cli.home import home
    from lrbench.engines.caffe.environment import find_environment, probe

    environment = find_environment(home(), external)
    info = probe(environment)
    source = "LRBENCH_CAFFE" if external else "lrbench caffe install"
    click.echo(f"Caffe      {info.version}, Python {info.python_version}, {environment.origin} ({source})")
    click.echo(f"           CPU: yes; GPU: {'yes' if info.gpu else f'no ({info.gpu_reason})'}")
    tool = "yes" if environment.tool else "no (there is no `caffe` program beside this pycaffe)"
    click.echo(f"           stepping driver: yes; native driver: {tool}")
