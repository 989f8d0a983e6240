"""``lrbench policies``: List, evaluate and plot learning-rate policies."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from lrbench.cli.completion.candidates import policies as policy_texts
from lrbench.cli.options import format_option, iterations_option, picture_option
from lrbench.errors import UsageError
from lrbench.policies import Function, installed_functions, parse_policy

MOST_RATES = 1_000_000
"""Rates that one ``eval`` prints at most; a slip of the pen in a range is not to fill the memory."""

DIGITS = 15
"""Significant digits in the table of ``eval``; JSON and CSV have every digit of float64."""

COLUMN_WIDTHS = [None, 22, 60, 44]


@click.group()
def policies() -> None:
    """List, evaluate and plot learning-rate policies.

    A policy is written NAME(key=value, ...), for example "TRI(k0=0.01, k1=0.06, l=2000)".

    \b
    lrbench policies list
    lrbench policies eval "TRI(k0=0.01, k1=0.06, l=2000)" --at 0,500,1000
    """


@policies.command("list")
@format_option("table", "json")
def list_functions(output_format: str) -> None:
    """List the LR functions with their parameters and formulas, those of other installed packages last.

    Parameters in brackets are optional. t counts iterations from 0.

    \b
    lrbench policies list
    lrbench policies list --format json
    """
    if output_format == "json":
        click.echo(json.dumps([_row(function) for function in installed_functions()], indent=2))
        return
    from tabulate import tabulate

    rows = []
    for row in installed_functions():
        parameters = (each.name if each.required else f"[{each.name}]" for each in row.parameters)
        rows.append((row.name, ", ".join(parameters), row.formula, row.summary))
    headers = ["name", "parameters", "learning rate at t", "description"]
    click.echo(tabulate(rows, headers, tablefmt="simple", maxcolwidths=COLUMN_WIDTHS, disable_numparse=True))


@policies.command("eval")
@click.argument("text", shell_complete=policy_texts)
@click.option(
    "--at",
    required=True,
    metavar="T,...",
    help="Iterations, counted from 0 and separated by commas: numbers, or start:stop[:step] as in Python.",
)
@iterations_option("  [default: the highest of --at, plus 1, without the check]")
@format_option("table", "json", "csv")
def evaluate(text: str, at: str, iterations: int | None, output_format: str) -> None:
    """Print the learning rates of the policy TEXT at some iterations; as JSON, an array of numbers.

    \b
    lrbench policies eval "STEP(k0=0.1, gamma=0.5, l=1000)" --at 0,999,1000
    lrbench policies eval "POLY(k0=0.1, p=2)" --at 0:10000:500 --iterations 10000 --format csv
    """
    policy = parse_policy(text)
    t = np.array(_iterations_of(at), dtype=np.int64)
    if iterations is not None:
        policy.check(iterations)
    rates = policy.rates(t, iterations or int(t.max()) + 1)
    policy.check_rates(t, rates)
    values = [float(rate) for rate in rates]
    if output_format == "json":
        click.echo(json.dumps(values))
    elif output_format == "csv":
        click.echo("\n".join(["t,learning_rate", *(f"{step},{rate!r}" for step, rate in zip(t, values, strict=True))]))
    else:
        from tabulate import tabulate

        rows = [(str(step), repr(float(f"{rate:.{DIGITS}g}"))) for step, rate in zip(t, values, strict=True)]
        click.echo(tabulate(rows, ["t", "learning rate"], disable_numparse=True, colalign=("right", "left")))


@policies.command("plot")
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True, shell_complete=policy_texts)
@iterations_option(required=True)
@picture_option("-o", "--output", required=True, help="Picture to write")
def plot(texts: tuple[str, ...], iterations: int, output: Path) -> None:
    """Plot the learning rates of one or more policies over a run.

    \b
    lrbench policies plot "COS(k0=0.1, k1=0.01, l=2000)" "FIX(k0=0.05)" --iterations 10000 -o rates.png
    """
    parsed = [parse_policy(text) for text in texts]
    from lrbench.drawing.save import save_figure
    from lrbench.policies.plot import draw_rates

    save_figure(draw_rates(parsed, iterations).figure, output, "change -o")
    click.echo(f"wrote {output}", err=True)


def _row(function: Function) -> dict[str, object]:
    return {
        "name": function.name,
        "parameters": [
            {"name": row.name, "meaning": row.meaning, "rule": row.rule, "default": row.default_text}
            for row in function.parameters
        ],
        "formula": function.formula,
        "summary": function.summary,
        "source": function.source,
        "example": function.example,
    }


def _iterations_of(at: str) -> list[int]:
    """The iterations that ``--at`` names, in its order."""
    found: list[int] = []
    for item in at.split(","):
        span = _span(item.strip())
        if len(found) + len(span) > MOST_RATES:
            raise UsageError(f"names more than {MOST_RATES} iterations", where="--at", remedy="take a longer step")
        found.extend(span)
    if not found:
        raise UsageError(f'"{at}" names no iteration', where="--at", remedy="for example 0,500,1000 or 0:1000:100")
    return found


def _span(item: str) -> range:
    parts = item.split(":")
    # isdecimal and no more than 15 digits: int64 and float64 hold every such number exactly.
    if len(parts) > 3 or not all(part.isascii() and part.isdecimal() and len(part) <= 15 for part in parts):
        raise UsageError(
            f'"{item}" is not an iteration',
            where="--at",
            remedy="give whole numbers from 0 up, of at most 15 digits, for example 0,500,1000 or 0:1000:100",
        )
    if len(parts) == 1:
        return range(int(item), int(item) + 1)
    start, stop, step = int(parts[0]), int(parts[1]), int(parts[2]) if len(parts) == 3 else 1
    if step == 0:
        raise UsageError(f'the step of "{item}" is 0', where="--at", remedy="give a step of at least 1")
    return range(start, stop, step)
