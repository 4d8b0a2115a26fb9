"""The paper's numbers in the form that a figure and a table beside it share."""

from collections.abc import Mapping

import pandas as pd

from reports.summaries import published

Numbers = Mapping[str, Mapping[str, float]]
"What was measured, then the method."

WHOLE = "finetune"
PARTIAL = ("den_constant", "den_dynamic")


def retraining(stream: str) -> Numbers:
    """Return "auroc" by method, and "seconds" relative to those of training the whole network; empty where not told."""
    rows = published("selective", stream)
    found = {measure: part.set_index("method")["value"] for measure, part in rows.groupby("measure")}
    if not found:
        return {"auroc": {}, "seconds": {}}
    return {"auroc": dict(found["auroc"]), "seconds": dict(found["seconds"] / found["seconds"][WHOLE])}


def selected(stream: str, layer: int) -> Mapping[str, float]:
    """Return the units that a task selects in a hidden layer, by method; empty where not told."""
    rows = published("selective", stream)
    rows = rows[(rows["measure"] == "selected units") & (rows["layer"] == layer)]
    return dict(rows.set_index("method")["value"])


def later(stream: str) -> pd.DataFrame:
    """Return what later papers have for a stream: a row a method, its score, value and capacity, which may be nan."""
    return published("later", stream, source="")


def points(stream: str) -> pd.DataFrame:
    """Return the published points of a stream, the paper's and later ones: method, capacity and value."""
    return pd.concat([published("capacity", stream), later(stream).dropna(subset="capacity")])


def ablation(stream: str) -> Numbers:
    """Return "value", which is AUROC, and "capacity" of each variant of DEN and of DEN itself; empty where not told."""
    variants = published("ablation", stream).set_index("method")
    den = published("capacity", stream).set_index("method").loc[lambda rows: rows.index == "den"]
    return {column: {**variants[column], **den[column]} for column in ("value", "capacity")}
