"""The tables that end a run, and tables of text with a title and a note."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console

from den import metrics
from flows.commands.terminal_tables import Grid, grid, say
from reports import labels, text_tables
from reports.analysis import answers, comparison, findings
from reports.stream_results import BOTH, StreamResults
from reports.tables import Tables

COLUMNS = ("method", "AUROC", "accuracy", "forgetting", "capacity", "time")
SCORES = {labels.SCORES[score]: score for score in BOTH}
"The scores of the table, by the labels of their columns."
FORGETTING = "Forgetting is of AUROC, then of accuracy."
MAJORITY = " Majority answers every example with the most frequent class."
WORDS = ("method", "metric", "verdict")
"Columns of words; those of numbers are aligned to the right."


def show(tables: Tables) -> None:
    """Print for each stream a table with a row per method, the answer of the suite, and how often networks grew."""
    console = Console()
    for results in tables.per_stream:
        console.print(_summary(results))
        say(console, FORGETTING + MAJORITY * bool(results.floor))
        shown = results.without_departures
        answer = answers.answer(comparison.against_rival(shown))
        reading = [comparison.READING] if len(results.seeds) > 1 else []
        for sentence in [*(sentence.text for sentence in answer), *reading, *findings.how_often(shown)]:
            say(console, sentence)


def show_table(title: str, *tables: pd.DataFrame, note: str) -> None:
    """Print tables of text between a title and a note."""
    console = Console()
    console.print(f"[italic]{title}")
    for table in tables:
        rows = table.assign(method=table["method"].map(labels.method)).itertuples(index=False)
        console.print(grid(table, rows, numbers=set(table).difference(WORDS), padding=0))
    say(console, note)


def _summary(results: StreamResults) -> Grid:
    rows = results.summary
    seeds = int(rows["seeds"].max())
    title = f"{labels.stream(results.stream)}, {seeds} seed{'s' * (seeds > 1)}"
    forgetting = results.of_both(metrics.forgetting)
    lost = [forgetting[score].values() for score in SCORES.values() if score in forgetting]
    cells = [
        _cells(row, [labels.score(loss.mean) for loss in losses])
        for row, losses in zip(rows.itertuples(), zip(*lost, strict=True), strict=True)
    ]
    floor = [
        (labels.method(row["method"]), *(row[label] for label in SCORES), "", "", "")
        for row in text_tables.floor(results, SCORES)
    ]
    return grid(COLUMNS, [*cells, *floor], title=title, numbers=COLUMNS[1:])


def _cells(row: Any, lost: Sequence[str]) -> tuple[str, ...]:
    return (
        labels.method(row.method),
        labels.with_error(row.auroc, row.auroc_error),
        labels.with_error(row.accuracy, row.accuracy_error),
        ", ".join(filter(None, lost)),
        labels.number(row.capacity, 2),
        f"{labels.number(row.seconds, 1)} s",
    )
