"""What later papers published for a stream, beside what was measured."""

import math

import pandas as pd

from den import metrics
from reports import labels, paper_numbers
from reports.analysis.by_split import capacities, mean_of, steps
from reports.summaries import estimates, plain, score_name
from reports.tables import Tables
from reports.text_tables import Table, number, present, score


def later(tables: Tables) -> list[Table]:
    """Return the table of one stream that sets later papers beside it; none where they have nothing."""
    known = plain(tables)
    rows = compared(known)
    if rows.empty:
        return []
    measured = tuple(rows["method"][rows[score_name(known)] != ""])
    note = (
        f"Average {score_name(known)} after the last task, and capacity relative to the base network; steps are of all "
        "tasks and stages together. The rows that stand out were measured here"
    )
    return [Table("Published beside measured", note, rows, measured)]


def compared(tables: Tables) -> pd.DataFrame:
    """Return what was measured and what was published, a row per method: first those measured, then the best."""
    theirs = paper_numbers.later(tables.streams[0]).set_index("method")
    average = estimates(tables, metrics.average)
    others = theirs.drop(index=list(average), errors="ignore").sort_values("value", ascending=False)
    found = [_measured(tables, method) | _published(theirs, method) for method in average if len(theirs)]
    return present([*found, *({"method": method} | _published(theirs, method) for method in others.index)])


def _measured(tables: Tables, method: str) -> dict[str, str]:
    return {
        "method": method,
        score_name(tables): score(estimates(tables, metrics.average)[method]),
        "capacity": number(mean_of(capacities(tables), method)),
        "steps": number(mean_of(steps(tables), method), 0),
    }


def _published(theirs: pd.DataFrame, method: str) -> dict[str, str]:
    if method not in theirs.index:
        return {}
    row = theirs.loc[method]
    name = labels.SCORES[row["score"]]
    return {
        f"published {name}": labels.score(row["value"]),
        "published capacity": "" if math.isnan(row["capacity"]) else labels.number(row["capacity"], 2),
        "source": row["source"],
    }
