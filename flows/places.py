"""Where the project keeps its data, its ledger and index, its checkpoints and its reports."""

import os
from pathlib import Path

from den.config import SettingsError
from den.ledger import Places

REPORTS = Path("reports/out")
PARAMS = Path("params.yaml")
LEDGER = "DEN_LEDGER"  # variable with the folder of the ledger, which several machines may share
LONGEST = 470  # bytes of the project's path: SQLite opens a file only if its journal's path has at most 511


def here() -> Places:
    """Return the places of the project in the working folder; the variable LEDGER may name another ledger.

    Raises SettingsError if the working folder's path is too long for SQLite.
    """
    if (length := len(os.fsencode(Path.cwd()))) > LONGEST:
        raise SettingsError(
            f"the project's path has {length} bytes, and at most {LONGEST} work; move it to a shorter one"
        )
    folder = os.environ.get(LEDGER)
    return Places(ledger=Path(folder)) if folder else Places()


def of_project() -> Places:
    """Return the places of the project in the working folder. Raises SettingsError if the folder is no project."""
    if not PARAMS.exists():
        raise SettingsError(f"{PARAMS} is missing: no project is here; run the command in the project's folder")
    return here()
