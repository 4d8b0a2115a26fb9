"""The table that ends a run: one row a stream and method."""

from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from reports import labels
from reports.analysis import findings
from reports.tables import Tables

COLUMNS = ("method", "AUROC", "accuracy", "forgetting", "capacity", "time")


def show(tables: Tables) -> None:
    """Print the summary of every stream, and how often networks grew."""
    console = Console()
    for results in tables.per_stream:
        console.print(_table(results.stream, results.summary))
        for sentence in findings.how_often(results.without_departures):
            console.print(sentence, highlight=False, soft_wrap=True)


def show_table(title: str, *tables: pd.DataFrame, note: str) -> None:
    """Print tables of text under a title, a note below."""
    console = Console()
    console.print(f"[italic]{title}")
    for table in tables:
        console.print(_grid(table))
    console.print(note, highlight=False, soft_wrap=True)


def _grid(rows: pd.DataFrame) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, padding=0)
    for column in rows:
        grid.add_column(str(column), justify="left" if column in ("method", "metric", "verdict") else "right")
    for row in rows.assign(method=rows["method"].map(labels.method)).itertuples(index=False):
        grid.add_row(*row)
    return grid


def _table(stream: str, rows: pd.DataFrame) -> Table:
    seeds = int(rows["seeds"].max())
    title = f"{labels.stream(stream)}, {seeds} seed{'s' * (seeds > 1)}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows.itertuples():
        table.add_row(*_cells(row))
    return table


def _cells(row: Any) -> tuple[str, ...]:
    return (
        labels.method(row.method),
        labels.with_error(row.auroc, row.auroc_error),
        labels.with_error(row.accuracy, row.accuracy_error),
        labels.score(row.forgetting),
        labels.number(row.capacity, 2),
        f"{labels.number(row.seconds, 1)} s",
    )
