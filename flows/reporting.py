"""From the ledger to what a person sees: the report's folder, the table in the terminal, the tidy rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from den import suites
from den.ledger import Places
from den.runs import Cell, finished
from reports import files, page, summary, tables

OUT = Path("reports/out")

Records = Sequence[Mapping[str, Any]]


def write(suite: str, found: Records) -> Path:
    """Write tables, figures and the page of a suite, and its metrics for DVC; returns their folder."""
    collected = tables.collect(found, suite)
    page.write(collected, OUT / suite)
    files.write(OUT / suite / "metrics.json", json.dumps(_metrics(collected), indent=1) + "\n")
    return OUT / suite


def refresh(suite: str) -> Path:
    """Write the report of a suite's finished cells; returns its folder."""
    plan = suites.load()
    found = _finished(plan.cells(suite))
    if not found:
        raise suites.SettingsError(f"no cell of suite {suite} is finished; `den run --suite {suite}` runs them")
    return write(suite, found)


def scores(suite: str | None, form: str) -> str:
    """Return the tidy scores of finished cells, of one suite or of all, as a table, JSON or CSV."""
    plan = suites.load()
    names = [suite] if suite else plan.suites
    frame = pd.concat([tables.collect(_finished(plan.cells(name)), name).scores for name in names])
    if form == "csv":
        return frame.to_csv(index=False, lineterminator="\n")
    if form == "json":
        return frame.to_json(orient="records", indent=1, double_precision=15) + "\n"
    return frame.to_string(index=False) + "\n"


def _metrics(collected: tables.Tables) -> dict[str, dict[str, dict[str, float]]]:
    """Return the metrics by stream and method that are the same wherever they are measured: no times."""
    rows = summary.summary(collected).set_index(["stream", "method"])[[*summary.STATISTICS, "capacity"]]
    streams = rows.index.unique("stream")
    return {stream: {name: row.dropna().to_dict() for name, row in rows.loc[stream].iterrows()} for stream in streams}


def _finished(cells: Sequence[Cell]) -> list[Mapping[str, Any]]:
    found = (finished(cell, Places()) for cell in cells)
    return [record for record in found if record is not None]
