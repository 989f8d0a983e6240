"""``lrbench serve``: Show the results in a browser, updated while runs are active."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrbench.api.environment import serve_token
from lrbench.cli.options import paths_argument, sort_option, target_option
from lrbench.cli.output import load_report

if TYPE_CHECKING:
    from lrbench.metrics.objective import AnyTarget

DEFAULT_PORT = 8765


@click.command()
@paths_argument
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="NAME",
    help="Address to listen on; 0.0.0.0 lets every machine that can reach this one read the results.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option(
    "--token",
    is_flag=True,
    help="Ask readers for a token: LRBENCH_TOKEN, else a new one; the printed address contains it.",
)
@target_option()
@sort_option
def serve(
    paths: Sequence[Path], host: str, port: int, token: bool, target: AnyTarget | None, metric: str | None
) -> None:
    """Serve the page of `lrbench report --format html`, updated while runs are active.

    Prints the address of the page; Ctrl-C stops the server. New evaluations appear within seconds, and the reader's
    sorting, filters and selections are kept. Nothing is written, and only this machine can connect unless --host says
    otherwise. The connection is not encrypted: for readers on a network use --token behind a proxy with TLS.

    \b
    lrbench serve results/
    lrbench serve results/mnist --port 0
    lrbench serve results/ --token
    """
    from lrbench.report.load import read_report
    from lrbench.serving.live_page import LivePage
    from lrbench.serving.server import PageServer

    load_report(paths, metric, target)
    page = LivePage(lambda: read_report(paths, metric, target), paths, lambda text: click.echo(text, err=True))
    with PageServer(host, port, page, serve_token() if token else None) as server:
        if not server.is_local and not token:
            click.echo("anyone who can reach this machine can read these results; --token asks for a token", err=True)
        click.echo(server.url)
        click.echo("press Ctrl-C to stop", err=True)
        server.serve_forever()
