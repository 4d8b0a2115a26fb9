"""The entry point to MLflow, a mirror of the ledger that is written after a run and can be rebuilt at any time."""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from den.ledger import CellResult, Places, Run
from flows.tracking import stores

logger = logging.getLogger("den")

FOLDER = Path(".mlflow")
OURS = {"mlflow.source.name": "den"}  # tags that identify the runs of this project
ABOVE = "mlflow.parentRunId"
NEWEST, YES, NO = "newest", "yes", "no"
PRUNED = "pruned"  # tag of an experiment: the time, in milliseconds, before which `den prune` removed its runs

Progress = Callable[[str], None]
"Receives a line about each item before it is added."


def address() -> str:
    """Return the address of MLflow's store: MLFLOW_TRACKING_URI, or else a file of the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or stores.address_of(FOLDER / "mlflow.db")


def artifacts() -> str:
    """Return the address of the folder of artifacts, for a store that has no server."""
    return stores.artifacts(address(), FOLDER / "artifacts")


def track(run: Run, results: Sequence[CellResult], report: Path | None = None) -> bool:
    """Add an ended run to MLflow, unless it is there; return whether that succeeded.

    If MLflow cannot be written, logs a warning with advice: the ledger has all results.
    """

    def show() -> None:
        from flows.tracking import syncing

        syncing.show_run(run, results, report)

    return _attempted(show)


def sync(places: Places, progress: Progress = lambda line: None) -> bool:
    """Add the runs and accepted results that MLflow lacks; return whether that succeeded.

    If MLflow cannot be written, logs a warning with advice. A sync continues one that was interrupted.
    """

    def show() -> None:
        from flows.tracking import syncing

        syncing.show_all(places, progress)

    return _attempted(show)


def store() -> AbstractContextManager[object]:
    """Create MLflow's store if it is a missing file; return its lock, which admits one writer at a time."""
    return stores.opened(address())


def _attempted(show: Callable[[], None]) -> bool:
    try:
        show()
    except Exception as error:  # no error of a tracker may stop the benchmark: the results are safe
        from flows.tracking import remedies

        reason = remedies.line(error, address())
        logger.warning("MLflow was not updated, the results are in the ledger: %s", reason)
        return False
    return True
