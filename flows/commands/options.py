"""Options that several commands have."""

from functools import partial
from typing import Any

import click

from flows.commands import completion

SUITE = partial(click.option, "--suite", shell_complete=completion.suites)
STREAMS = click.option(
    "--stream", "streams", multiple=True, metavar="NAME", help="Only this stream; may be repeated.",
    shell_complete=completion.streams,
)  # fmt: skip
METHODS = click.option(
    "--method", "methods", multiple=True, metavar="NAME", help="Only this method; may be repeated.",
    shell_complete=completion.methods,
)  # fmt: skip
SEEDS = "A count (3: seeds 0, 1, 2) or a list (0,2; seed 1 alone: 1,)."
MOST_SEEDS = 10_000
SET = "Another value for a key of params.yaml; may be repeated."


class Seeds(click.ParamType):
    """A count, such as 3 for the seeds 0, 1 and 2, or the seeds themselves, such as 0,2 or 1, for seed 1 alone."""

    name = "seeds"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, ...]:
        """Return the seeds."""
        try:
            numbers = tuple(int(part) for part in value.split(",") if part.strip())
        except ValueError:
            numbers = ()
        if max(numbers, default=0) > MOST_SEEDS:
            self.fail(f"{value!r} asks for a seed beyond {MOST_SEEDS:,}, and no more can be prepared")
        if not numbers or min(numbers) < 0 or numbers == (0,) and "," not in value:
            self.fail(f"{value!r} is neither a count (3: seeds 0, 1, 2) nor a list (0,2; one seed alone: 1,)")
        return numbers if "," in value else tuple(range(numbers[0]))
