"""The table of one stream that shows the numbers of later papers beside the measured ones."""

import math

import pandas as pd

from reports import labels, published_numbers
from reports.analysis import by_seed
from reports.estimates import Values, mean_of
from reports.stream_results import StreamResults
from reports.text_tables import Table, compact, number, score


def tables_of(results: StreamResults) -> list[Table]:
    """Return the table; no table if later papers have no numbers for the stream."""
    rows = compared(results)
    if rows.empty:
        return []
    measured = tuple(rows["method"][rows[results.score_label] != ""])
    note = (
        f"Average {results.score_label} after the last task, and capacity relative to the base network; steps are of "
        "all tasks and stages together. The highlighted methods were measured here"
    )
    return [Table("Published beside measured", note, rows, measured)]


def compared(results: StreamResults) -> pd.DataFrame:
    """Return measured and published numbers, one row per method: measured methods, then the others, the best first."""
    published = published_numbers.later(results.stream).set_index("method")
    if published.empty:
        return pd.DataFrame()
    steps = by_seed.steps(results)
    measured = [_measured(results, steps, method) | _published(published, method) for method in results.estimates]
    rest = published.drop(index=list(results.estimates), errors="ignore").sort_values("value", ascending=False)
    return compact([*measured, *({"method": method} | _published(published, method) for method in rest.index)])


def _measured(results: StreamResults, steps: Values, method: str) -> dict[str, str]:
    return {
        "method": method,
        results.score_label: score(results.estimates[method]),
        "capacity": number(mean_of(results.capacities, method)),
        "steps": number(mean_of(steps, method), 0),
    }


def _published(published: pd.DataFrame, method: str) -> dict[str, str]:
    if method not in published.index:
        return {}
    row = published.loc[method]
    name = labels.SCORES[row["score"]]
    return {
        f"published {name}": labels.score(row["value"]),
        "published capacity": "" if math.isnan(row["capacity"]) else labels.number(row["capacity"], 2),
        "source": row["source"],
    }
