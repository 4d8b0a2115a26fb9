"""What each task adds to a network that expands: units kept of an expansion, copies made by splits, both together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from den import measures
from reports import labels, layer_labels
from reports.spacing import stride
from reports.summaries import Estimate
from reports.tables import Tables
from reports.text_tables import number, present

PARTS = ["kept", "split", "added", "units"]
"What is told of a layer; `added` is by how much it has more `units` than after the task before."
_MEASURES = {measures.KEPT_UNITS: "kept", measures.SPLIT_UNITS: "split", measures.UNITS: "units"}
ABREAST = 2
"Layers side by side in a table."
_LAYER = ["method", "layer", "seed"]


def growth(tables: Tables) -> pd.DataFrame:
    """Return PARTS of one stream's methods that expand: a row per method, layer and task but the first.

    Where tasks are many, a row is several, named after the last of them: sums over them, and the units after it. Each
    part is a pair of columns, mean and sem: over seeds, sem is nan for one seed. Empty where no method expands.
    """
    rows = tables.measures[tables.measures["measure"].isin(_MEASURES)]
    wide = rows.pivot_table(index=[*_LAYER, "after_task"], columns="measure", values="value").rename(columns=_MEASURES)
    if "kept" not in wide:
        return pd.DataFrame()
    wide["added"] = wide["units"].groupby(_LAYER).diff()
    return _together(_expanding(wide)).groupby(["method", "layer", "after_task"]).agg(["mean", "sem"])


def printed(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return the growth as text, a row per method and task, by what a title says of the layers: nothing, if all."""
    found = growth(tables)
    numbers = sorted(found.index.unique("layer")) if len(found) else []
    abreast = [numbers[at : at + ABREAST] for at in range(0, len(numbers), ABREAST)]
    return {_named(tables, some) if len(abreast) > 1 else "": _rows(tables, found, some) for some in abreast}


def _named(tables: Tables, numbers: Sequence[int]) -> str:
    return ": " + ", ".join(layer_labels.layer(tables, number) for number in numbers)


def _rows(tables: Tables, found: pd.DataFrame, numbers: Sequence[int]) -> pd.DataFrame:
    every = stride(int(tables.scores["task"].max()))
    columns = [(number, part) for number in numbers for part in PARTS]
    places = found.index.droplevel("layer").unique()
    rows = [
        {"method": method, "task": _span(task, every)}
        | {
            f"{layer_labels.column(tables, number)}: {part}": _text(found, (method, number, task), part)
            for number, part in columns
        }
        for method in labels.ordered(method for method, _ in places)
        for task in sorted(task for other, task in places if other == method)
    ]
    return present(rows)


def _expanding(wide: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of methods that expand, of all tasks but the first; what did not expand has kept nothing."""
    expand = wide["kept"].groupby("method").transform("count") > 0
    later = wide.index.get_level_values("after_task") > 1
    return wide[expand & later].reindex(columns=PARTS).fillna({"kept": 0.0})


def _together(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, those of tasks that go together made one."""
    tasks = rows.index.get_level_values("after_task")
    every = stride(tasks.max())
    last = np.minimum(-(-tasks // every) * every, tasks.max())
    groups = rows.groupby([*(rows.index.get_level_values(level) for level in _LAYER), last])
    return groups.sum(min_count=1).assign(units=groups["units"].last())


def _span(last: int, every: int) -> str:
    """Return the tasks of a row, as 2 or 6–10; `last` is the last of them."""
    first = max(2, (last - 1) // every * every + 1)
    return str(last) if first == last else f"{first}–{last}"


def _text(found: pd.DataFrame, place: tuple[str, int, int], part: str) -> str:
    mean, error = found.loc[place, part]
    return number(Estimate(mean, error, 0), 1)
