"""Accepted results: measurements in git, one folder per suite. Reading them needs neither data nor a GPU."""

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from den import files, paths
from den.config import SettingsError, alternatives
from den.ledger import CellResult, LedgerError, Measurement, sealed
from den.ledger.store import archive, unarchived
from reports import tables
from reports.analysis import orders
from reports.stream_results import STATISTICS, StreamResults
from reports.tables import Tables

logger = logging.getLogger(__name__)

ACCEPTED = Path("reports/accepted")
MEASUREMENTS = "measurements.xz"  # an export that `den ledger import` takes
METRICS = "metrics.json"


def suites() -> list[str]:
    """Return the names of all accepted suites; a folder whose name no suite can have, such as a copy, is left out."""
    folders = (path.parent.name for path in ACCEPTED.glob("*/cells.csv"))
    return sorted(filter(paths.is_part, folders))


def read_tables(suite: str) -> Tables:
    """Return the tables of a suite's accepted results. Raises as `results` does."""
    return tables.collect(results(suite), suite)


def results(suite: str) -> list[CellResult]:
    """Return a suite's accepted results, in the order of its table of cells.

    Raises SettingsError if there are none, LedgerError for a missing or damaged archive.
    """
    folder = _folder(suite)
    path = folder / MEASUREMENTS
    if not path.exists():
        raise LedgerError(f"{path} is missing; restore {folder} from git, or write it with `den accept`")
    lines = {sealed.identifier(line): line for line in unarchived(path)}
    cells = tables.read_one(folder, "cells")
    if differing := sorted(set(cells["measurement"]) ^ lines.keys()):
        raise LedgerError(f"{path} and cells.csv differ in measurement {differing[0]}; restore {folder} from git")
    return [
        CellResult(str(name), _read(path, lines[id]), "accepted")
        for name, id in zip(cells["method"], cells["measurement"], strict=True)
    ]


def on_streams(streams: Collection[str]) -> list[CellResult]:
    """Return the accepted results of all suites on these streams."""
    return [
        result
        for suite in suites()
        if not set(streams).isdisjoint(tables.read_one(ACCEPTED / suite, "cells")["stream"])
        for result in results(suite)
        if result.measurement.stream in streams
    ]


def find(prefix: str) -> list[tuple[str, Measurement]]:
    """Return suite and measurement of all accepted ones whose id, or identity of version 0.5.0, begins with `prefix`.

    A damaged archive is skipped with a warning.
    """
    return [(suite, measurement) for suite in suites() for measurement in _matching(suite, prefix)]


def write(accepted: Iterable[CellResult], suite: str) -> Path:
    """Write a suite's accepted folder, completely or not at all; return it.

    It holds the measurements, a table of their cells, and for `dvc metrics` and `dvc plots` the means and each
    stream's curves.
    """
    accepted = [replace(result, how="accepted") for result in accepted]
    folder = ACCEPTED / paths.part(suite)
    ACCEPTED.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=ACCEPTED, prefix=f".{suite}.") as scratch:
        fresh, stale = Path(scratch) / "fresh", Path(scratch) / "stale"
        _fill(fresh, accepted, tables.collect(accepted, suite))
        if folder.exists():
            folder.replace(stale)
        try:
            fresh.replace(folder)
        except OSError:
            if stale.exists():
                stale.replace(folder)
            raise
    return folder


def metrics(collected: Tables) -> dict[str, dict[str, dict[str, float]]]:
    """Return the metrics by stream and method that do not depend on the machine: all but times.

    A method that was measured in several orders of tasks has its robustness, too, as `den over orders`.
    """
    rows = collected.summary.set_index(["stream", "method"])[[*STATISTICS, "capacity"]]
    return {
        results.stream: {name: row.dropna().to_dict() for name, row in rows.loc[results.stream].iterrows()}
        | {f"{method.method} over orders": method.metrics for method in orders.robustness(results, results.main_score)}
        for results in collected.per_stream
    }


def _folder(suite: str) -> Path:
    folder = ACCEPTED / paths.part(suite)
    if not folder.exists():
        accepted = alternatives(suite, suites())
        raise SettingsError(f"{suite!r} has no accepted results ({accepted}); `den accept` accepts those of a run")
    return folder


def _fill(folder: Path, accepted: Sequence[CellResult], collected: Tables) -> None:
    tables.write_one(collected.cells, folder, "cells")
    files.write(folder / METRICS, json.dumps(metrics(collected), indent=1) + "\n")
    for results in collected.per_stream:
        curves = _curves(results).to_csv(index=False, lineterminator="\n")
        files.write(folder / f"{paths.part(results.stream)}.csv", curves)
    lines = {sealed.identifier(line): line for line in (sealed.seal(result.measurement) for result in accepted)}
    ordered = (lines[id] for id in dict.fromkeys(collected.cells["measurement"]))
    files.write(folder / MEASUREMENTS, archive(ordered))


def _curves(results: StreamResults) -> pd.DataFrame:
    """Return the learning curves of one stream, means over seeds: one row per number of tasks learned."""
    means = {method: mean for method, (mean, _) in results.learning_curves.items()}
    return pd.DataFrame({"after_task": range(1, 1 + max(map(len, means.values()))), **means})


def _matching(suite: str, prefix: str) -> Iterator[Measurement]:
    """Yield the measurements of a suite whose id begins with `prefix`; only these lines are parsed."""
    path, former = ACCEPTED / suite / MEASUREMENTS, f'"identity":"{prefix}'
    try:
        for line in unarchived(path):
            if line.startswith(prefix) or former in line:
                yield _read(path, line)
    except LedgerError as error:
        logger.warning("%s", error)


def _read(path: Path, line: str) -> Measurement:
    try:
        return sealed.read_as(Measurement, line)
    except sealed.Damaged as error:
        raise LedgerError(f"{path}: measurement {sealed.identifier(line)}: {error}; restore it from git") from None
