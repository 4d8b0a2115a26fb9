"""MLflow as a mirror of the ledger: written afterwards, never waited for, and rebuilt from the ledger at will."""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from den.ledger import CellResult, Places, Run
from flows.tracking import stores

logger = logging.getLogger("den")

FOLDER = Path(".mlflow")
OURS = {"mlflow.source.name": "den"}  # tags by which the runs of this project are recognised
ABOVE = "mlflow.parentRunId"
NEWEST, YES, NO = "newest", "yes", "no"
PRUNED = "pruned"  # tag of an experiment: the milliseconds before which its runs were removed on purpose

Progress = Callable[[str], None]
"Called with a line on what is shown next."


def address() -> str:
    """Return where MLflow keeps its runs: MLFLOW_TRACKING_URI, or else a file of the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or stores.address_of(FOLDER / "mlflow.db")


def artifacts() -> str:
    """Return the folder of artifacts as MLflow names it, if no server has its own: beside its SQLite database."""
    return stores.artifacts(address(), FOLDER / "artifacts")


def track(run: Run, results: Sequence[CellResult], report: Path | None = None) -> bool:
    """Show an ended run in MLflow; twice shows it once.

    Returns False, with a warning that says what to do, if MLflow cannot be written: the ledger has everything.
    """

    def show() -> None:
        from flows.tracking import syncing

        syncing.show_run(run, results, report)

    return _attempted(show)


def sync(places: Places, progress: Progress = lambda line: None) -> bool:
    """Show in MLflow what the ledger and the accepted results have and it lacks; an interrupted sync is continued.

    Returns False, with a warning that says what to do, if MLflow cannot be written.
    """

    def show() -> None:
        from flows.tracking import syncing

        syncing.show_all(places, progress)

    return _attempted(show)


def store() -> AbstractContextManager[object]:
    """Return the lock of MLflow's store, which exists from now on if it is a file; one writer at a time."""
    return stores.opened(address())


def _attempted(show: Callable[[], None]) -> bool:
    try:
        show()
    except Exception as error:  # whatever ails a tracker, results are safe and the benchmark goes on
        from flows.tracking import remedies

        reason = remedies.line(error, address())
        logger.warning("MLflow was not updated, the results are in the ledger: %s", reason)
        return False
    return True
