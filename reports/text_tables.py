"""One stream's tables as text, ready to be printed in a terminal, in Markdown or on a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports import labels
from reports.summaries import Estimate, estimate, main_score, summary
from reports.tables import Tables

WORDS = ("method", "stage", "departure", "source", "read from", "how", "machine")
"Columns of words, which begin at the left."
SHORT = 8
"Characters of a hash that a reader is shown: enough for `den why`."


@dataclass(frozen=True)
class Table:
    """A table of a report: its heading, a line that says what is in it, its rows as text, and the methods in bold."""

    title: str
    note: str
    rows: pd.DataFrame
    bold: tuple[str, ...] = ()


def present(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Return rows of text as a table, without columns that are empty in all of them."""
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


def results(tables: Tables) -> pd.DataFrame:
    """Return one stream's summary as text: a row per method, standard errors, the paper's score if it has one.

    A score that no method has is left out.
    """
    rows = summary(tables)
    measured = [score for score in labels.SCORES if rows[score].notna().any()]
    scores = sorted(measured, key=lambda score: score != main_score(tables.streams[0]))
    text = pd.DataFrame(
        {
            "method": rows["method"],
            **{labels.SCORES[score]: _with_errors(rows, score) for score in scores},
            "forgetting": _with_errors(rows, "forgetting"),
            "capacity": _of_cells(tables, rows, "capacity", 2),
            "seconds": _of_cells(tables, rows, "train_seconds", 1),
            "paper AUROC": [labels.score(value, 4) for value in rows["published"]],
        }
    )
    return text if rows["published"].notna().any() else text.drop(columns="paper AUROC")


def cells(tables: Tables) -> pd.DataFrame:
    """Return where one stream's numbers come from, as text: a row per cell."""
    rows = pd.concat(
        [tables.cells[tables.cells["method"] == method] for method in labels.ordered(tables.cells["method"])]
    )
    return pd.DataFrame(
        {
            "method": rows["method"],
            "seed": rows["seed"].astype(str),
            "measurement": rows["measurement"].str.slice(0, SHORT),
            "how": rows["how"],
            "weights": [labels.number(value) for value in rows["parameters"].astype(float)],
            "non-zero": [labels.number(value) for value in rows["nonzero"].astype(float)],
            "FLOPs": [labels.number(value) for value in rows["flops"].astype(float)],
            "seconds": [labels.number(value) for value in rows["train_seconds"]],
            "machine": rows["machine"],
            "commit": rows["commit"].str.replace(r"^([0-9a-f]{7})[0-9a-f]*", r"\1", regex=True).fillna("not recorded"),
            "data": rows["data"].str.slice(0, SHORT),
        }
    )


def markdown(frame: pd.DataFrame, bold: Sequence[str] = ()) -> str:
    """Return a table of text as Markdown, methods by their labels, some of them bold."""

    def label(method: str) -> str:
        return f"**{labels.method(method)}**" if method in bold else labels.method(method)

    labelled = frame.assign(method=frame["method"].map(label)) if "method" in frame else frame
    sides = ["left" if column in WORDS else "right" for column in frame]
    return labelled.to_markdown(index=False, disable_numparse=True, colalign=sides)


def _with_errors(rows: pd.DataFrame, column: str) -> list[str]:
    return [labels.with_error(*pair) for pair in zip(rows[column], rows[f"{column}_error"], strict=True)]


def _of_cells(tables: Tables, rows: pd.DataFrame, column: str, digits: int) -> list[str]:
    found = tables.cells.groupby("method")[column]
    return [number(estimate(found.get_group(method)), digits) for method in rows["method"]]
