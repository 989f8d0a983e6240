"""``lrbench export``: a policy as a snippet for the user's own training."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lrbench.cli.completion.candidates import policies
from lrbench.cli.output import check_writable, tell, write_output


@click.command()
@click.argument("text", metavar="POLICY", shell_complete=policies)
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(["torch", "keras", "optax", "caffe", "csv"]),
    help="The framework to write for; caffe: lines of a solver; csv: every rate.",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=1),
    help="The run's iterations, which fill in a missing l; the policy is checked over all of them. Needed for csv.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.  [default: standard output]")
def export(text: str, target: str, iterations: int | None, output: Path | None) -> None:
    """Write POLICY for your own training; - reads it from standard input.

    What is written depends on the framework alone, not on LRBench: the policy's formula, and how the framework takes
    it. As a library, the same is lrbench.torch.PolicyLR, lrbench.keras.PolicySchedule and lrbench.optax.schedule.

    \b
    lrbench export "SINEXP(k0=0.01, k1=0.06, gamma=0.9994, l=2000)" --to torch -o schedule.py
    lrbench import solver.prototxt | lrbench export - --to keras --iterations 10000
    """
    from lrbench.exporting import export_notes, export_policy
    from lrbench.policies import parse_policy

    if output is not None:
        check_writable(output)
    policy = parse_policy(sys.stdin.read() if text == "-" else text)
    write_output(export_policy(policy, target, iterations).encode(), output)
    for note in export_notes(policy, target, iterations):
        tell(f"note: {note}")
