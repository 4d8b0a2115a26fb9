"""`den sync`: bring MLflow up to date with the ledger and the accepted results."""

import sys

from flows.places import of_project
from flows.tracking import tracker


def sync_mlflow() -> int:
    """Show in MLflow what it lacks, with a line of progress per run; return the exit code, 1 if MLflow fails."""
    return 0 if tracker.sync(of_project(), lambda line: print(line, file=sys.stderr)) else 1
