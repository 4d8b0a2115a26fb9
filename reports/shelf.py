"""Where a suite's tables lie: the accepted ones, and those of its last run or report here."""

from pathlib import Path

import pandas as pd

from den.config import SettingsError
from reports import tables
from reports.tables import Tables

ACCEPTED, OUT = Path("reports/accepted"), Path("reports/out")


def accepted(suite: str) -> Tables:
    """Return a suite's accepted tables. Raises SettingsError where there are none."""
    if not (ACCEPTED / suite).exists():
        raise SettingsError(f"{ACCEPTED / suite} is missing; `den accept --suite {suite}` makes it")
    return tables.read(ACCEPTED / suite)


def accepted_cells() -> pd.DataFrame:
    """Return the accepted cells of all suites; none where nothing is accepted."""
    folders = sorted(path.parent for path in ACCEPTED.glob("*/cells.csv"))
    return pd.concat([pd.DataFrame(columns=list(tables.CELLS)), *(tables.read(folder).cells for folder in folders)])


def latest(suite: str) -> Tables:
    """Return the tables of a suite's last run or report here, or else its accepted ones. Raises SettingsError."""
    if (OUT / suite / "cells.csv").exists():
        return tables.read(OUT / suite)
    if (ACCEPTED / suite).exists():
        return accepted(suite)
    raise SettingsError(f"no results of suite {suite!r} are here; `den run --suite {suite}` makes them")
