"""One stream's tables as text, ready to be printed in a terminal, in Markdown or on a page."""

import pandas as pd

from reports import names
from reports.summary import published, summary
from reports.tables import Tables


def results(tables: Tables) -> pd.DataFrame:
    """Return one stream's summary as text: a row a method, standard errors, the paper's score where it has one."""
    rows = summary(tables)
    text = pd.DataFrame(
        {
            "method": rows["method"],
            "AUROC": _with_errors(rows, "auroc"),
            "accuracy": _with_errors(rows, "accuracy"),
            "forgetting": _with_errors(rows, "forgetting"),
            "capacity": [names.number(value, 2) for value in rows["capacity"]],
            "seconds": [names.number(value) for value in rows["seconds"]],
            "paper AUROC": [names.score(value, 4) for value in rows["published"]],
        }
    )
    return text if rows["published"].notna().any() else text.drop(columns="paper AUROC")


def paper(tables: Tables, stream: str) -> pd.DataFrame:
    """Return the paper's final average AUROC beside the measured one, as text; empty where the paper has none."""
    rows = summary(tables).set_index("method")
    theirs = published("final", stream).set_index("method")
    both = [method for method in names.ordered(theirs.index) if method in rows.index]
    return pd.DataFrame(
        {
            "method": both,
            "paper": [names.score(theirs["value"][method], 4) for method in both],
            "measured": [names.with_error(rows["auroc"][method], rows["auroc_error"][method], 4) for method in both],
            "difference": [names.signed(rows["auroc"][method] - theirs["value"][method], 4) for method in both],
            "read from": [theirs["read_from"][method] for method in both],
        }
    )


def cells(tables: Tables) -> pd.DataFrame:
    """Return where one stream's numbers come from, as text: a row a cell."""
    rows = pd.concat(
        [tables.cells[tables.cells["method"] == method] for method in names.ordered(tables.cells["method"])]
    )
    return pd.DataFrame(
        {
            "method": rows["method"],
            "seed": rows["seed"].astype(str),
            "identity": rows["identity"],
            "weights": [names.number(value) for value in rows["parameters"]],
            "non-zero": [names.number(value) for value in rows["nonzero"]],
            "FLOPs": [names.number(value) for value in rows["flops"]],
            "seconds": [names.number(value) for value in rows["train_seconds"]],
            "commit": rows["commit"].str.replace(r"^([0-9a-f]{7})[0-9a-f]*", r"\1", regex=True),
            "stream hash": rows["stream_hash"].str.slice(0, 8),
        }
    )


def markdown(frame: pd.DataFrame) -> str:
    """Return a table of text as Markdown, methods by their labels."""
    labelled = frame.assign(method=[names.method(method) for method in frame["method"]])
    sides = ["left" if column in ("method", "read from") else "right" for column in frame]
    return labelled.to_markdown(index=False, disable_numparse=True, colalign=sides)


def _with_errors(rows: pd.DataFrame, column: str) -> list[str]:
    return [names.with_error(*pair) for pair in zip(rows[column], rows[f"{column}_error"], strict=True)]
