"""Advice for an MLflow that cannot be written. The ledger has all results in any case."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from den.config import SettingsError
from flows.runtime import addresses
from flows.tracking import stores

REBUILD = "move it away, and `den sync` makes a new one from the ledger"
SYNC = "then `den sync` adds the results"


class Trashed(RuntimeError):
    """The experiment of a stream is in MLflow's trash; the message has the command that restores it."""

    def __init__(self, name: str, id: str, address: str) -> None:
        command = f"MLFLOW_TRACKING_URI={addresses.shown(address)} mlflow experiments restore --experiment-id {id}"
        super().__init__(
            f"the experiment {name!r} was deleted in MLflow; `{command}` restores it, then `den sync` completes it"
        )


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Raise SettingsError with advice if MLflow is unreachable or damaged."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise SettingsError(f"MLflow: {line(error, address)}") from None


def line(error: Exception, address: str) -> str:
    """Return one line with an error of the MLflow at an address and advice, without secrets."""
    if isinstance(error, Trashed):
        return str(error)
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    return addresses.without_secrets(f"{type(error).__name__}: {reason}; {_remedy(error, address)}")


def _remedy(error: Exception, address: str) -> str:
    causes, place = list(_causes(error)), addresses.shown(address)
    database = stores.file_of(address)
    if any(isinstance(cause, sqlite3.Error) and _is_passing(cause) for cause in causes):
        return f"make sure that {database} is writable and that no other program holds it; {SYNC}"
    if any(isinstance(cause, sqlite3.Error) for cause in causes) or "out-of-date database schema" in str(error):
        kind = "damaged, incomplete, or of another version of MLflow"
        return f"{database or place} is {kind}: {REBUILD}"
    if any(isinstance(cause, ModuleNotFoundError) for cause in causes):
        return f"install the driver of {place} (PostgreSQL: `pip install psycopg2-binary`); {SYNC}"
    if database is None:
        return f"make sure that {place} runs and accepts your login (MLFLOW_TRACKING_USERNAME, _PASSWORD); {SYNC}"
    return "when MLflow works again, `den sync` adds the results"


def _is_passing(error: sqlite3.Error) -> bool:
    """Return whether an error concerns access to the database, not its content."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
