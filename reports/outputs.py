"""Where reports are written, and the newest tables of a suite."""

from pathlib import Path

from den.config import SettingsError
from reports import accepted_results, tables
from reports.tables import Tables

OUT = Path("reports/out")


def latest(suite: str) -> Tables:
    """Return the tables of a suite's last run or report here, or else its accepted ones. Raises SettingsError."""
    if (OUT / suite / "cells.csv").exists():
        return tables.read(OUT / suite)
    if suite in accepted_results.suites():
        return accepted_results.read_tables(suite)
    raise SettingsError(f"there are no results of suite {suite!r}; `den run --suite {suite}` makes them")
