"""What each task adds to a network that expands: units kept of an expansion, copies made by splits, both together."""

import pandas as pd

from reports import names
from reports.printed import number, present
from reports.summary import Estimate
from reports.tables import Tables

PARTS = ["kept", "split", "added", "units"]
"What is told of a layer; `added` is by how much it has more `units` than after the task before."
_MEASURES = {"kept units": "kept", "split units": "split", "units": "units"}
_LAYER = ["method", "layer", "seed"]


def growth(tables: Tables) -> pd.DataFrame:
    """Return PARTS of one stream's methods that expand: a row a method, layer and task but the first.

    Each is a pair of columns, mean and sem: over seeds, sem is nan for one seed. Empty where no method expands.
    """
    rows = tables.measures[tables.measures["measure"].isin(_MEASURES)]
    wide = rows.pivot_table(index=[*_LAYER, "after_task"], columns="measure", values="value").rename(columns=_MEASURES)
    if "kept" not in wide:
        return pd.DataFrame()
    wide["added"] = wide["units"].groupby(_LAYER).diff()
    expanded = wide.reindex(columns=PARTS).dropna(subset="kept")
    return expanded.groupby(["method", "layer", "after_task"]).agg(["mean", "sem"])


def printed(tables: Tables) -> pd.DataFrame:
    """Return the growth as text, a row a method and task, the layers side by side."""
    found = growth(tables)
    places = found.index.droplevel("layer").unique() if len(found) else []
    layers = found.index.unique("layer") if len(found) else []
    rows = [
        {"method": method, "task": str(task)}
        | {f"layer {layer}: {part}": _text(found, (method, layer, task), part) for layer in layers for part in PARTS}
        for method in names.ordered(method for method, _ in places)
        for task in sorted(task for other, task in places if other == method)
    ]
    return present(rows)


def _text(found: pd.DataFrame, place: tuple[str, int, int], part: str) -> str:
    mean, error = found.loc[place, part]
    return number(Estimate(mean, error, 0), 1)
