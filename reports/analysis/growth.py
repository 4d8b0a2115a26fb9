"""How each task makes a network wider: units kept of an expansion, copies made by splits, and their sum."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from den import measures
from reports import labels, layer_labels
from reports.estimates import Estimate
from reports.spacing import stride
from reports.stream_results import StreamResults
from reports.text_tables import compact, number

PARTS = ["kept", "split", "added", "units"]
"The quantities of a layer; `added` is how many more `units` it has than after the task before."
_MEASURES = {measures.KEPT_UNITS: "kept", measures.SPLIT_UNITS: "split", measures.UNITS: "units"}
ABREAST = 2
"Layers side by side in a table."
_LAYER = ["method", "layer", "seed"]


def by_task(results: StreamResults) -> pd.DataFrame:
    """Return PARTS of the methods that expand: one row per method, layer and task but the first.

    If there are many tasks, a row stands for several and is named after the last of them: sums over them, and the
    units after it. Each part is a pair of columns: the mean over seeds and its standard error (sem), nan for one seed.
    The frame is empty if no method expands.
    """
    rows = results.measures[results.measures["measure"].isin(_MEASURES)]
    wide = rows.pivot_table(index=[*_LAYER, "after_task"], columns="measure", values="value").rename(columns=_MEASURES)
    if "kept" not in wide:
        return pd.DataFrame()
    wide["added"] = wide["units"].groupby(_LAYER).diff()
    return _grouped(_expanding(wide)).groupby(["method", "layer", "after_task"]).agg(["mean", "sem"])


def as_text(results: StreamResults) -> dict[str, pd.DataFrame]:
    """Return the growth as text, one row per method and task; several tables, by their layers, if there are many."""
    growth = by_task(results)
    layers = sorted(growth.index.unique("layer")) if len(growth) else []
    groups = [layers[first : first + ABREAST] for first in range(0, len(layers), ABREAST)]
    return {_heading(results, group) if len(groups) > 1 else "": _rows(results, growth, group) for group in groups}


def _heading(results: StreamResults, layers: Sequence[int]) -> str:
    return ": " + ", ".join(layer_labels.layer(results, layer) for layer in layers)


def _rows(results: StreamResults, growth: pd.DataFrame, layers: Sequence[int]) -> pd.DataFrame:
    every = stride(results.tasks)
    columns = [(layer, part) for layer in layers for part in PARTS]
    tasks = growth.index.droplevel("layer").unique().to_frame(index=False).groupby("method")["after_task"]
    rows = [
        {"method": method, "task": _span(task, every)}
        | {
            f"{layer_labels.column(results, layer)}: {part}": _text(growth, (method, layer, task), part)
            for layer, part in columns
        }
        for method in labels.ordered(tasks.groups)
        for task in sorted(tasks.get_group(method))
    ]
    return compact(rows)


def _expanding(wide: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of methods that expand, without the first task; a layer that did not expand kept 0 units."""
    expand = wide["kept"].groupby("method").transform("count") > 0
    later = wide.index.get_level_values("after_task") > 1
    return wide[expand & later].reindex(columns=PARTS).fillna({"kept": 0.0})


def _grouped(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per group of tasks that are shown together."""
    tasks = rows.index.get_level_values("after_task")
    every = stride(tasks.max())
    last = np.minimum(-(-tasks // every) * every, tasks.max())
    groups = rows.groupby([*(rows.index.get_level_values(level) for level in _LAYER), last])
    return groups.sum(min_count=1).assign(units=groups["units"].last())


def _span(last: int, every: int) -> str:
    """Return the tasks of a row, as 2 or 6–10; `last` is the last of them."""
    first = max(2, (last - 1) // every * every + 1)
    return str(last) if first == last else f"{first}–{last}"


def _text(growth: pd.DataFrame, place: tuple[str, int, int], part: str) -> str:
    mean, error = growth.loc[place, part]
    return number(Estimate(mean, error, 0), 1)
