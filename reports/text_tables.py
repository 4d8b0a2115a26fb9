"""One stream's results as tables of text, for a terminal, Markdown or a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from den import metrics
from reports import labels
from reports.estimates import Estimate, Metric, Values, mean_of
from reports.stream_results import StreamResults

WORDS = ("method", "stage", "departure", "source", "read from", "how", "machine")
"Columns of words, which are aligned left."
HASH_LETTERS = 8
"Characters of a hash that tables show: enough for `den why`."


class Topic(StrEnum):
    """The topic of a table and of the figure that draws it; its value is the name of that figure."""

    OVER_TASKS = "auroc_over_tasks"
    CAPACITY = "auroc_over_capacity"
    DRIFT = "score_over_time"
    GROWTH = "network_growth"
    SELECTED_UNITS = "selected_units"
    SELECTION = "selective_retraining"
    PARTS = "expansion_ablation"
    TIME = "training_time"
    DEPARTURES = "differences"


@dataclass(frozen=True)
class Table:
    """A table of a report: its heading, a note on its content, its rows as text, and the methods in bold.

    topic: None for a table that no figure draws.
    """

    title: str
    note: str
    rows: pd.DataFrame
    bold: tuple[str, ...] = ()
    topic: Topic | None = None


def compact(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Return rows of text as a table, without columns that are empty in all rows."""
    frame = pd.DataFrame(rows).fillna("")
    return frame.loc[:, (frame != "").any()]


def score(value: Estimate, digits: int = 3) -> str:
    """Return a score as .798 ± .004."""
    return labels.with_error(value.mean, value.error, digits)


def change(value: Estimate, digits: int = 3) -> str:
    """Return a difference as +.012 ± .004."""
    return labels.changed(value.mean, value.error, digits)


def number(value: Estimate, digits: int = 2) -> str:
    """Return a plain number as 1.64 ± 0.02."""
    error = labels.number(value.error, digits)
    return labels.number(value.mean, digits) + (f" ± {error}" if error else "")


def summary(results: StreamResults) -> pd.DataFrame:
    """Return a stream's summary as text: one row per method, and the floor of each score.

    It has standard errors, and the paper's score if it has one. A score that no method has is left out.
    """
    rows = results.summary
    columns = {labels.SCORES[name]: name for name in results.scores_measured}
    text = pd.DataFrame(
        {
            "method": rows["method"],
            **{label: _with_errors(rows, name) for label, name in columns.items()},
            **of_scores(results, metrics.forgetting, "forgetting"),
            "capacity": _means(results.capacities, rows["method"], 2),
            "seconds": _means(results.seconds, rows["method"], 1),
            "paper AUROC": [labels.score(value, 4) for value in rows["published"]],
        }
    )
    shown = text if rows["published"].notna().any() else text.drop(columns="paper AUROC")
    return pd.concat([shown, pd.DataFrame(floor(results, columns))], ignore_index=True).fillna("")


def of_scores(
    results: StreamResults, metric: Metric, name: str, text: Callable[[Estimate], str] = score
) -> dict[str, list[str]]:
    """Return a metric of AUROC and of accuracy as columns with a text per method, named as "AUROC forgetting"."""
    return {
        f"{labels.SCORES[key]} {name}": [text(estimate) for estimate in estimates.values()]
        for key, estimates in results.of_both(metric).items()
    }


def floor(results: StreamResults, columns: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the row of the majority answer; no row for a stream whose floor is not derived.

    columns: the scores of a table, by the labels of its columns.
    """
    if not results.floor:
        return []
    return [{"method": labels.MAJORITY} | {label: labels.score(results.floor[name]) for label, name in columns.items()}]


def cells(results: StreamResults) -> pd.DataFrame:
    """Return the origin of a stream's numbers as text: one row per cell."""
    rows = pd.concat([results.cells[results.cells["method"] == method] for method in results.methods])
    return pd.DataFrame(
        {
            "method": rows["method"],
            "seed": rows["seed"].astype(str),
            "measurement": rows["measurement"].str.slice(0, HASH_LETTERS),
            "how": rows["how"],
            "weights": [labels.number(value) for value in rows["parameters"].astype(float)],
            "non-zero": [labels.number(value) for value in rows["nonzero"].astype(float)],
            "FLOPs": [labels.number(value) for value in rows["flops"].astype(float)],
            "seconds": [labels.number(value) for value in rows["train_seconds"]],
            "machine": rows["machine"],
            "commit": [labels.commit(value) for value in rows["commit"].fillna("")],
            "data": rows["data"].str.slice(0, HASH_LETTERS),
        }
    )


def markdown(frame: pd.DataFrame, bold: Sequence[str] = ()) -> str:
    """Return a table of text as Markdown, with methods by their labels, some of them bold."""

    def label(method: str) -> str:
        return f"**{labels.method(method)}**" if method in bold else labels.method(method)

    labelled = frame.assign(method=frame["method"].map(label)) if "method" in frame else frame
    sides = ["left" if column in WORDS else "right" for column in frame]
    return labelled.to_markdown(index=False, disable_numparse=True, colalign=sides)


def _with_errors(rows: pd.DataFrame, column: str) -> list[str]:
    return [labels.with_error(*pair) for pair in zip(rows[column], rows[f"{column}_error"], strict=True)]


def _means(values: Values, methods: Sequence[str], digits: int) -> list[str]:
    return [number(mean_of(values, method), digits) for method in methods]
