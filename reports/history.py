"""A metric over all runs of a stream's methods: which values there were, when, and which of them were accepted."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

from reports import names, style
from reports.summary import STATISTICS, estimate, statistic
from reports.tables import Record

METRICS = (*STATISTICS, "capacity", "seconds")
BARS = "▁▂▃▄▅▆▇█"
COLUMNS = ["method", "when", "commit", "device", "mean", "error", "splits", "accepted"]


def runs(records: Iterable[Record], metric: str, accepted: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run, the oldest first; `when` and `commit` are of its last cell, `accepted` are suites.

    A run is all splits of a method under the same settings on one kind of device; where a split was run again, that is
    another run. It goes by the name under which a cell of these settings was accepted, on whatever device, or else by
    the method's own.

    accepted: the accepted cells of all suites.
    """
    cells = pd.DataFrame([_cell(record, metric) for record in records if record["cell"]["evaluation"] == "test"])
    if cells.empty:
        return pd.DataFrame(columns=COLUMNS)
    cells = cells.sort_values("when", kind="stable")
    cells["name"] = _names(cells, dict(zip(accepted["identity"], accepted["method"], strict=True)))
    cells["again"] = cells.groupby(["settings", "device", "seed"]).cumcount()
    found = [
        _run(group, accepted[accepted["identity"].isin(group["identity"])])
        for _, group in cells.groupby(["settings", "device", "again"])
    ]
    return pd.DataFrame(found, columns=COLUMNS).sort_values("when", kind="stable", ignore_index=True)


def alike(found: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the runs of each method on each device, methods in the order of all tables."""
    for method in names.ordered(found["method"]):
        for _, rows in found[found["method"] == method].groupby("device", sort=False):
            yield rows


def sparkline(values: Sequence[float]) -> str:
    """Return the values as bars, the lowest one eighth high and the highest whole; all alike are half."""
    known = np.array(values, dtype=float)
    spread = np.ptp(known) if len(known) else 0.0
    if not spread:
        return BARS[3] * len(known)
    return "".join(BARS[level] for level in np.rint((known - known.min()) / spread * 7).astype(int))


def draw(found: pd.DataFrame, metric: str) -> Figure:
    """Draw a metric over the runs, a curve a method and device, bars of one standard error, accepted ones filled."""
    with style.house():
        figure, (axes,) = style.panels()
        for rows in alike(found):
            _curve(axes, rows, rows["method"].iloc[0])
        style.explain(axes, "filled: accepted", linestyle="none", marker="o", markersize=6)
        if metric in STATISTICS:
            style.scores(axes)
        axes.set_ylabel(label(metric))
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        style.legend(figure)
    return figure


def _curve(axes: style.Axes, rows: pd.DataFrame, method: str) -> None:
    look = style.look(method) | {"markeredgecolor": style.look(method)["color"], "markersize": 5}
    bare = {name: look[name] for name in ("color", "zorder")}
    axes.errorbar(rows["when"], rows["mean"], rows["error"], linewidth=0.8, alpha=0.6, label="_", **bare)
    marked = rows["accepted"] != ""
    axes.plot(rows["when"][marked], rows["mean"][marked], linestyle="none", **look)
    axes.plot(
        rows["when"][~marked],
        rows["mean"][~marked],
        linestyle="none",
        **look | {"label": "_", "markerfacecolor": "white"},
    )


def label(metric: str) -> str:
    """Return a metric as a reader knows it."""
    return names.SCORES.get(metric, metric.replace("_", " "))


def _cell(record: Record, metric: str) -> dict[str, Any]:
    cell = record["cell"]
    settings = {key: value for key, value in cell.items() if key not in ("seed", "variant")}
    settings["training"] = {key: value for key, value in cell["training"].items() if key != "device"}
    return {
        "method": cell["method"],
        "seed": cell["seed"],
        "identity": record["identity"],
        "settings": json.dumps(settings, sort_keys=True),
        "when": pd.Timestamp(record["provenance"]["finished"]),
        "commit": str(record["provenance"]["commit"])[:7],
        "device": record["provenance"]["device"],
        "value": _value(record, metric),
    }


def _names(cells: pd.DataFrame, accepted: Mapping[str, str]) -> list[str]:
    """Return what each cell's settings go by. accepted: names by identity."""
    both = zip(cells["settings"], cells["identity"], strict=True)
    known = {settings: accepted[identity] for settings, identity in both if identity in accepted}
    return [known.get(settings, method) for settings, method in zip(cells["settings"], cells["method"], strict=True)]


def _value(record: Record, metric: str) -> float:
    if metric == "capacity":
        return float(record["capacity"]["capacity"])
    if metric == "seconds":
        return float(record["train_seconds"])
    score, measure = statistic(metric, record["cell"]["stream"])
    return measure(np.array(record["scores"][score], dtype=float))


def _run(cells: pd.DataFrame, accepted: pd.DataFrame) -> dict[str, Any]:
    last, found = cells.iloc[-1], estimate(cells["value"])
    return {
        "method": last["name"],
        "when": last["when"],
        "commit": last["commit"],
        "device": last["device"],
        "mean": found.mean,
        "error": found.error,
        "splits": found.seeds,
        "accepted": ", ".join(accepted["suite"].unique()),
    }
