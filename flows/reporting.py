"""From the ledger to what a person sees: the report's folder, the table in the terminal, the tidy rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from den import files, suites
from den.ledger import Places, read_record
from den.runs import Cell, finished
from den.streams import prepared
from flows import verdicts
from flows.verdicts import UNJUDGED, Verdict
from reports import page, shelf, summary, tables
from reports.shelf import ACCEPTED, OUT

EARLIER = "earlier"

Records = Sequence[Mapping[str, Any]]


def write(suite: str, found: Records, verdict: Verdict) -> Path:
    """Write tables, figures and the page of a suite, and its metrics for DVC; returns their folder."""
    return _draw(suite, tables.collect(found, suite), verdict)


def refresh(suite: str) -> Path:
    """Write the report of a suite's finished cells; returns its folder."""
    found = _some(suite, suites.load().cells(suite))
    return write(suite, found, verdicts.verdict(suite, found))


def accept(suite: str, partial: bool) -> Path:
    """Write the tables of a suite's finished cells, from which its published figures are drawn; returns their folder.

    Beside them, for `dvc metrics` and `dvc plots`: means of the metrics, and each stream's curves over tasks.

    Raises SettingsError where cells are not finished, unless `partial`.
    """
    cells = suites.load().cells(suite)
    found = _some(suite, cells)
    if len(found) < len(cells) and not partial:
        unfinished = f"{len(cells) - len(found)} of {len(cells)} cells of suite {suite} are not finished"
        raise suites.SettingsError(f"{unfinished}; `den run --suite {suite}` runs them, --partial does without them")
    collected, folder = tables.collect(found, suite), ACCEPTED / suite
    tables.write(collected, folder)
    files.write(folder / "metrics.json", json.dumps(_metrics(collected), indent=1) + "\n")
    for stream in collected.streams:
        curves = summary.curves(collected.of(stream=stream))
        files.write(folder / f"{stream}.csv", curves.to_csv(index=False, lineterminator="\n"))
    return folder


def redraw(suite: str) -> Path:
    """Write the report of a suite's accepted tables, without records or data; returns its folder."""
    return _draw(suite, shelf.accepted(suite), UNJUDGED, f"den report --accepted --suite {suite}")


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


def ledger() -> dict[str, Records]:
    """Return all records, by the suites that show them.

    Those of no suite's present cells are `earlier`, and so are all of a stream that is not prepared here.
    """
    plan, places = suites.load(), Places()
    there = {path.parent.name for path in places.data.glob(f"*/{prepared.MANIFEST}")}
    found = {name: _finished([cell for cell in plan.cells(name) if cell.stream in there]) for name in plan.suites}
    known = {record["identity"] for records in found.values() for record in records}
    paths = sorted(path for path in places.results.rglob("*.json"))
    earlier = [record for path in paths if (record := read_record(path))["identity"] not in known]
    return {name: records for name, records in (found | {EARLIER: earlier}).items() if records}


def _draw(suite: str, collected: tables.Tables, verdict: Verdict, again: str = "") -> Path:
    judged = {stream: verdict.table(stream) for stream in collected.streams}
    page.write(collected, OUT / suite, judged, again)
    files.write(OUT / suite / "metrics.json", json.dumps(_metrics(collected), indent=1) + "\n")
    return OUT / suite


def _some(suite: str, cells: Sequence[Cell]) -> Records:
    """Return the records of a suite's finished cells. Raises SettingsError where there is none."""
    if not (found := _finished(cells)):
        raise suites.SettingsError(f"no cell of suite {suite} is finished; `den run --suite {suite}` runs them")
    return found


def _metrics(collected: tables.Tables) -> dict[str, dict[str, dict[str, float]]]:
    """Return the metrics by stream and method that are the same wherever they are measured: no times."""
    rows = summary.summary(collected).set_index(["stream", "method"])[[*summary.STATISTICS, "capacity"]]
    streams = rows.index.unique("stream")
    return {stream: {name: row.dropna().to_dict() for name, row in rows.loc[stream].iterrows()} for stream in streams}


def _finished(cells: Sequence[Cell]) -> list[Mapping[str, Any]]:
    found = (finished(cell, Places()) for cell in cells)
    return [record for record in found if record is not None]
