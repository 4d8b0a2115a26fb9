"""The tables that end a run, and tables of text with a title and a note."""

from typing import Any

import pandas as pd
from rich.console import Console

from flows.commands.terminal_tables import Grid, grid, say
from reports import labels
from reports.analysis import findings
from reports.tables import Tables

COLUMNS = ("method", "AUROC", "accuracy", "forgetting", "capacity", "time")
WORDS = ("method", "metric", "verdict")
"Columns of words; those of numbers are aligned to the right."


def show(tables: Tables) -> None:
    """Print the summary of each stream: a table with a row per method, and how often networks grew."""
    console = Console()
    for results in tables.per_stream:
        console.print(_summary(results.stream, results.summary))
        for sentence in findings.how_often(results.without_departures):
            say(console, sentence)


def show_table(title: str, *tables: pd.DataFrame, note: str) -> None:
    """Print tables of text between a title and a note."""
    console = Console()
    console.print(f"[italic]{title}")
    for table in tables:
        rows = table.assign(method=table["method"].map(labels.method)).itertuples(index=False)
        console.print(grid(table, rows, numbers=set(table).difference(WORDS), padding=0))
    say(console, note)


def _summary(stream: str, rows: pd.DataFrame) -> Grid:
    seeds = int(rows["seeds"].max())
    title = f"{labels.stream(stream)}, {seeds} seed{'s' * (seeds > 1)}"
    return grid(COLUMNS, map(_cells, rows.itertuples()), title=title, numbers=COLUMNS[1:])


def _cells(row: Any) -> tuple[str, ...]:
    return (
        labels.method(row.method),
        labels.with_error(row.auroc, row.auroc_error),
        labels.with_error(row.accuracy, row.accuracy_error),
        labels.score(row.forgetting),
        labels.number(row.capacity, 2),
        f"{labels.number(row.seconds, 1)} s",
    )
