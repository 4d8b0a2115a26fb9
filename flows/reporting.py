"""From the ledger to what a person sees: the report's folder, the table in the terminal, the tidy rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from den import suites
from den.ledger import Places
from den.runs import Cell, finished
from reports import page, tables

OUT = Path("reports/out")

Records = Sequence[Mapping[str, Any]]


def write(suite: str, found: Records) -> Path:
    """Write tables, figures and the page of a suite; returns their folder."""
    page.write(tables.collect(found, suite), OUT / suite)
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


def _finished(cells: Sequence[Cell]) -> list[Mapping[str, Any]]:
    found = (finished(cell, Places()) for cell in cells)
    return [record for record in found if record is not None]
