"""MLflow as a mirror of the ledger: written afterwards, never waited for, and rebuilt from the ledger at will."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from den.ledger import CellResult, Places, Run

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
    return os.environ.get("MLFLOW_TRACKING_URI") or _database(FOLDER / "mlflow.db")


def artifacts() -> str:
    """Return the folder of the project's own MLflow artifacts, as MLflow names it."""
    return (FOLDER / "artifacts").absolute().as_uri()


def track(run: Run, results: Sequence[CellResult], report: Path | None = None) -> bool:
    """Show an ended run in MLflow; twice shows it once.

    Returns False, with a warning, if MLflow cannot be written: the ledger has everything, and `den sync` shows it.
    """

    def show() -> None:
        from flows import syncing

        syncing.show_run(run, results, report)

    return _attempted(show)


def sync(places: Places, progress: Progress = lambda line: None) -> bool:
    """Show in MLflow what the ledger and the accepted results have and it lacks; an interrupted sync is continued.

    Returns False, with a warning, if MLflow cannot be written.
    """

    def show() -> None:
        from flows import syncing

        syncing.show_all(places, progress)

    return _attempted(show)


def store() -> FileLock:
    """Return the lock of the project's own store, which exists from now on; one writer at a time."""
    FOLDER.mkdir(exist_ok=True)
    with FileLock(FOLDER / "creation.lock"):
        if "MLFLOW_TRACKING_URI" not in os.environ and not (FOLDER / "mlflow.db").exists():
            _create(FOLDER / "mlflow.db")
    return FileLock(FOLDER / "writing.lock")


def _attempted(show: Callable[[], None]) -> bool:
    try:
        show()
    except Exception as error:  # whatever ails a tracker, results are safe and the benchmark goes on
        reason = str(error).strip().splitlines()
        logger.warning(
            "MLflow was not updated (%s: %s); the results are in the ledger, and `den sync` shows them in MLflow",
            type(error).__name__, reason[0] if reason else "no reason given",
        )  # fmt: skip
        return False
    return True


def _database(path: Path) -> str:
    """Return the address of an SQLite file: absolute, unless a `?` in the project's path would end it."""
    whole = path.absolute()
    return f"sqlite:///{path if '?' in str(whole) else whole}"


def _create(database: Path) -> None:
    """Make an empty store beside its place, then move it there: one left half made by a kill would fail for ever."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    temporary = database.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    made = SqlAlchemyStore(_database(temporary), artifacts())
    with made.engine.begin() as connection:  # MLflow has none by value: a search would read the tag of every run
        connection.exec_driver_sql("CREATE INDEX index_tags_key_value ON tags (key, value)")
    made.engine.dispose()
    os.replace(temporary, database)
