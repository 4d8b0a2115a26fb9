"""`den history`: a metric of a stream over all runs in the ledger, as a table of sparklines and as a figure."""

from collections.abc import Sequence

import pandas as pd

from den import files
from den.config import SettingsError
from den.ledger import Places, read_record
from flows import terminal
from reports import drawings, history, names, shelf
from reports.shelf import OUT

NOTE = "A run is all splits of a method under the same settings, on one kind of device. Figure: {figure}"


def remember(stream: str, methods: Sequence[str], metric: str) -> None:
    """Print a metric's history, a row a method, or a row a run of the methods asked for. Raises SettingsError."""
    if metric not in history.METRICS:
        raise SettingsError(f"metric {metric!r} is unknown; there are {', '.join(history.METRICS)}")
    found = history.runs(_records(stream, methods), metric, shelf.accepted_cells())
    path = OUT / "history" / f"{stream}-{'-'.join([*methods, metric])}.png"
    figure = history.draw(found, metric)
    files.write(path, drawings.png(figure))
    files.write(path.with_suffix(".svg"), drawings.svg(figure))
    title = f"{names.stream(stream)}: {history.label(metric)} over {len(found)} runs"
    rows = _runs(found) if methods else _methods(found)
    terminal.show_table(title, rows, note=NOTE.format(figure=path))


def _records(stream: str, methods: Sequence[str]) -> list[dict[str, object]]:
    folder = Places().results / stream
    if not folder.is_dir():
        there = ", ".join(sorted(path.name for path in Places().results.glob("*") if path.name != "studies"))
        raise SettingsError(f"stream {stream!r} has no results here; there are those of {there or 'none'}")
    there = sorted(path.name for path in folder.iterdir())
    if unknown := sorted(set(methods) - set(there)):
        raise SettingsError(f"{', '.join(unknown)}: no results on {stream}; there are those of {', '.join(there)}")
    return [read_record(path) for name in methods or there for path in sorted((folder / name).glob("*.json"))]


def _methods(found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame([_summary(rows) for rows in history.alike(found)])


def _summary(rows: pd.DataFrame) -> dict[str, str]:
    marked = rows[rows["accepted"] != ""]
    return {
        "method": rows["method"].iloc[0],
        "device": rows["device"].iloc[0],
        "runs": str(len(rows)),
        "over time": history.sparkline(rows["mean"]),
        "lowest": names.score(rows["mean"].min()),
        "highest": names.score(rows["mean"].max()),
        "last": names.with_error(*rows.iloc[-1][["mean", "error"]]),
        "last accepted": names.with_error(*marked.iloc[-1][["mean", "error"]]) if len(marked) else "",
    }


def _runs(found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": found["method"],
            "finished": [f"{when:%Y-%m-%d %H:%M}" for when in found["when"]],
            "commit": found["commit"],
            "device": found["device"],
            "splits": found["splits"].astype(str),
            "value": [names.with_error(*pair) for pair in zip(found["mean"], found["error"], strict=True)],
            "accepted": found["accepted"],
        }
    )
