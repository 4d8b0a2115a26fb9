"""Where this project keeps things: data, the ledger and its index, checkpoints."""

import os
from pathlib import Path

from den.config import SettingsError
from den.ledger import Places

REPORTS = Path("reports/out")
LEDGER = "DEN_LEDGER"  # names a folder that several machines may share
LONGEST = 470  # bytes of the project's path: SQLite opens no file whose path, with its journal's, has more than 511


def here() -> Places:
    """Return the places of the project in the working folder; LEDGER may name another ledger.

    Raises SettingsError for a folder whose path is too long for the databases in it.
    """
    if (length := len(os.fsencode(Path.cwd()))) > LONGEST:
        raise SettingsError(
            f"the project's path has {length} bytes, and at most {LONGEST} work; move it to a shorter one"
        )
    folder = os.environ.get(LEDGER)
    return Places(ledger=Path(folder)) if folder else Places()
