"""MLflow as a mirror of the ledger: told afterwards, never waited for, and rebuilt from the ledger at will."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

FOLDER = Path(".mlflow")


def address() -> str:
    """Return where MLflow keeps its runs: MLFLOW_TRACKING_URI, or else a file of the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(FOLDER / 'mlflow.db').absolute()}"


def artifacts() -> str:
    """Return the folder of the project's own MLflow artifacts, as MLflow names it."""
    return (FOLDER / "artifacts").absolute().as_uri()


def track(suite: str, records: Sequence[dict[str, Any]], report: Path | None = None, verdict: str = "") -> bool:
    """Show the records of a suite in MLflow; twice shows them once.

    verdict: how its benchmark ended, in one word; nothing where it is not known.
    Returns False, with a warning, where MLflow cannot be told: the ledger has everything, the next run tells it again.
    """
    try:
        with store():
            from flows import mirror

            mirror.show(suite, records, report, verdict)
    except Exception as error:  # whatever ails a tracker, results are safe and the benchmark goes on
        reason = str(error).strip().splitlines()
        logging.getLogger("den").warning(
            "MLflow was not told (%s: %s); the results are in the ledger, and the next run tells it",
            type(error).__name__, reason[0] if reason else "no reason given",
        )  # fmt: skip
        return False
    return True


def store() -> FileLock:
    """Return the lock of the project's own store, which exists from now on; one writer at a time."""
    FOLDER.mkdir(exist_ok=True)
    with FileLock(FOLDER / "creation.lock"):
        if "MLFLOW_TRACKING_URI" not in os.environ and not (FOLDER / "mlflow.db").exists():
            _create(FOLDER / "mlflow.db")
    return FileLock(FOLDER / "writing.lock")


def _create(database: Path) -> None:
    """Make an empty store beside its place, then move it there: one left half made by a kill would fail for ever."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    temporary = database.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    made = SqlAlchemyStore(f"sqlite:///{temporary.absolute()}", artifacts())
    made.engine.dispose()
    os.replace(temporary, database)
