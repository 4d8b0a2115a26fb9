"""One stream's results as tables of text, for a terminal, Markdown or a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from den import metrics
from reports import labels
from reports.estimates import MISSING, Estimate, Metric, Values, mean_of
from reports.stream_results import StreamResults

WORDS = ("method", "stage", "departure", "source", "read from", "how", "machine")
"Columns of words, which are aligned left."
TWO = ("auroc", "accuracy")
"Scores whose forgetting tables show: one of the order of answers, one of the answers."
HASH_LETTERS = 8
"Characters of a hash that tables show: enough for `den why`."


@dataclass(frozen=True)
class Table:
    """A table of a report: its heading, a note on its content, its rows as text, and the methods in bold."""

    title: str
    note: str
    rows: pd.DataFrame
    bold: tuple[str, ...] = ()


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
    forgetting = by_score(results, metrics.forgetting)
    text = pd.DataFrame(
        {
            "method": rows["method"],
            **{label: _with_errors(rows, name) for label, name in columns.items()},
            **{f"{label} forgetting": [*map(score, lost)] for label, lost in forgetting.items()},
            "capacity": _means(results.capacities, rows["method"], 2),
            "seconds": _means(results.seconds, rows["method"], 1),
            "paper AUROC": [labels.score(value, 4) for value in rows["published"]],
        }
    )
    shown = text if rows["published"].notna().any() else text.drop(columns="paper AUROC")
    return pd.concat([shown, pd.DataFrame(floor(results, columns))], ignore_index=True).fillna("")


def by_score(results: StreamResults, metric: Metric) -> dict[str, list[Estimate]]:
    """Return a metric of the scores in TWO, by the label of the score: one estimate per row of the summary."""
    values = {key: results.estimates_of(metric, key) for key in results.scores_measured if key in TWO}
    methods = list(results.summary["method"])
    return {labels.SCORES[key]: [of.get(method, MISSING) for method in methods] for key, of in values.items()}


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
            "commit": rows["commit"].str.replace(r"^([0-9a-f]{7})[0-9a-f]*", r"\1", regex=True).fillna("not recorded"),
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
