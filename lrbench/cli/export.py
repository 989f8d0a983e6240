"""``lrbench export``: Export a policy as code for PyTorch, Keras, JAX or Caffe."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lrbench.cli.completion.candidates import policies
from lrbench.cli.options import iterations_option, output_option
from lrbench.cli.output import tell, write_output


@click.command()
@click.argument("text", metavar="POLICY", shell_complete=policies)
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(["torch", "keras", "optax", "caffe", "csv"]),
    help="Framework to export to; caffe gives lines for a solver, csv every rate.",
)
@iterations_option(" Needed for csv.")
@output_option()
def export(text: str, target: str, iterations: int | None, output: Path | None) -> None:
    """Export POLICY as code for your own training; - reads the policy from standard input.

    The code depends on the framework alone, not on LRBench: it contains the policy's formula and shows how to use it.
    With LRBench installed, lrbench.torch.PolicyLR, lrbench.keras.PolicySchedule and lrbench.optax.schedule do the same.

    \b
    lrbench export "SINEXP(k0=0.01, k1=0.06, gamma=0.9994, l=2000)" --to torch -o schedule.py
    lrbench import solver.prototxt | lrbench export - --to keras --iterations 10000
    """
    from lrbench.exporting import export_notes, export_policy
    from lrbench.policies import parse_policy

    policy = parse_policy(sys.stdin.read() if text == "-" else text)
    write_output(export_policy(policy, target, iterations).encode(), output)
    for note in export_notes(policy, target, iterations):
        tell(f"note: {note}")
