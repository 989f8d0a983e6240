"""``lrbench serve``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lrbench.cli.completion.candidates import metrics, results

DEFAULT_PORT = 8765


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path), shell_complete=results
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="NAME",
    help="Where to listen; 0.0.0.0 lets every machine that can reach this one read the results.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0 for any that is free."
)
@click.option(
    "--target",
    type=float,
    metavar="A",
    help="Accuracy to reach, a fraction such as 0.98, in place of that of the specs.",
)
@click.option(
    "--sort",
    "metric",
    default="best_accuracy",
    show_default=True,
    metavar="METRIC",
    shell_complete=metrics,
    help="The metric that ranks the policies.",
)
def serve(paths: Sequence[Path], host: str, port: int, target: float | None, metric: str) -> None:
    """Show the page of `lrbench report --format html` in a browser, and keep it fresh while runs go on.

    Prints the address to open; Ctrl-C ends it. An evaluation is on the page within seconds, and what the reader
    sorted, filtered or ticked stays. Nothing is written, and only this machine can read it unless --host says
    otherwise.

    \b
    lrbench serve results/
    lrbench serve results/mnist --port 0
    """
    from lrbench.cli.reading import read_report, say_what_is_left_out
    from lrbench.serving.live_page import LivePage
    from lrbench.serving.server import PageServer

    say_what_is_left_out(read_report(paths, metric, target))
    page = LivePage(lambda: read_report(paths, metric, target), paths, lambda text: click.echo(text, err=True))
    with PageServer(host, port, page) as server:
        if not server.is_local:
            click.echo("whoever can reach this machine can read these results", err=True)
        click.echo(server.url)
        click.echo("Ctrl-C ends it", err=True)
        server.serve_forever()
