"""Where this project keeps things: data, the ledger and its index, checkpoints."""

import os
from pathlib import Path

from den.ledger import Places

REPORTS = Path("reports/out")
LEDGER = "DEN_LEDGER"  # names a folder that several machines may share


def here() -> Places:
    """Return the places of the project in the working folder; LEDGER may name another ledger."""
    folder = os.environ.get(LEDGER)
    return Places(ledger=Path(folder)) if folder else Places()
