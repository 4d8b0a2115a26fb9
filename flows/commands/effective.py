"""`den run --show`: the settings in effect for each stream and method of a request, and where each comes from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from den.cells import Cell
from den.ledger.settings import flat
from den.suites import Plan
from flows.commands import row_text, words
from flows.commands.terminal_tables import grid

COLUMNS = ("setting", "value", "from")
COORDINATES = ("stream", "method", "variant", "seed", "evaluation")


def print_settings(plan: Plan, suite: str, cells: tuple[Cell, ...], form: str) -> None:
    """Print a table per stream and method, or all rows as `json` or `csv`; the seeds of a method share the settings."""
    of_methods = {(cell.stream, cell.name): list(settings(plan, suite, cell)) for cell in cells}
    if form != "table":
        print(row_text.of(_frame(of_methods, form), form), end="")
        return
    console = Console(highlight=False)
    for (stream, method), values in of_methods.items():
        shown = [(key, escape(words.value(value)), source) for key, value, source in values]
        console.print(grid(COLUMNS, shown, title=f"{stream} · {method}", text=COLUMNS[1:], padding=0))


def settings(plan: Plan, suite: str, cell: Cell) -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and source of each setting; the key is that of a measurement."""
    sources = plan.sources(plan.suite(suite), cell.stream, cell.name)
    for key, value in flat(cell.model_dump(mode="json", exclude=set(COORDINATES))):
        yield key, value, sources.get(key, "default")


def _frame(of_methods: Mapping[tuple[str, str], Iterable[tuple[str, Any, str]]], form: str) -> pd.DataFrame:
    """Return the settings of all streams and methods, one per row; in CSV a value is that of params.yaml."""
    frame = pd.DataFrame(
        [(*method, *setting) for method, of_method in of_methods.items() for setting in of_method],
        columns=["stream", "method", *COLUMNS],
        dtype=object,
    )
    return frame if form == "json" else frame.assign(value=frame["value"].map(words.value))
