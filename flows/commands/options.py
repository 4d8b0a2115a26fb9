"""Options that several commands share."""

from functools import partial
from typing import Any

import click

from flows.commands import completion

SUITE = partial(click.option, "--suite", shell_complete=completion.suites)
STREAMS = click.option(
    "--stream", "streams", multiple=True, metavar="NAME", help="Only this stream; repeat the option for several.",
    shell_complete=completion.streams,
)  # fmt: skip
METHODS = click.option(
    "--method", "methods", multiple=True, metavar="NAME", help="Only this method; repeat the option for several.",
    shell_complete=completion.methods,
)  # fmt: skip
DATA = click.option(
    "--data",
    "file",
    metavar="FILE",
    type=click.Path(),
    help="Run on your own data: a .csv, .parquet or .npz file, or a folder of images.",
)
CLASSES = click.option(
    "--classes",
    metavar="LISTS",
    help="With --data: the classes of each task ('cat dog, bird fish'), or how many each has (2).",
)
FORMAT = partial(
    click.option, "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
SEEDS = "A count (3: seeds 0, 1, 2) or a list (0,2; for seed 1 alone: 1,)."
MOST_SEEDS = 10_000
SET = "Override a value of params.yaml; repeat the option for several."


class Seeds(click.ParamType):
    """A count (3: the seeds 0, 1 and 2), or a list of seeds (0,2; for seed 1 alone: 1,)."""

    name = "seeds"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, ...]:
        """Return the seeds; fail for text that is neither a count nor a list."""
        try:
            numbers = tuple(int(part) for part in value.split(",") if part.strip())
        except ValueError:
            numbers = ()
        if max(numbers, default=0) > MOST_SEEDS:
            self.fail(f"{value!r} has a seed beyond {MOST_SEEDS:,}, the most that can be prepared")
        if not numbers or min(numbers) < 0 or numbers == (0,) and "," not in value:
            self.fail(f"{value!r} is neither a count (3: seeds 0, 1, 2) nor a list (0,2; for seed 1 alone: 1,)")
        return numbers if "," in value else tuple(range(numbers[0]))
