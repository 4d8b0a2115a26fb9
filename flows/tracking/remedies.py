"""What to do about an MLflow that cannot be written; whatever ails it, the ledger has everything."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from den.config import SettingsError
from flows.runtime import addresses
from flows.tracking import stores

ANEW = "move it away, and `den sync` makes a new one from the ledger"
RENEWED = "`den sync` shows them when that is mended"


class Trashed(RuntimeError):
    """A stream's experiment is in MLflow's trash; the message says how to get it out of there."""

    def __init__(self, name: str, id: str, address: str) -> None:
        where = f"MLFLOW_TRACKING_URI={addresses.shown(address)}"
        super().__init__(
            f"the experiment {name!r} was deleted in MLflow; `{where} mlflow experiments restore --experiment-id {id}` "
            "brings it back, then `den sync` completes it"
        )


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Raise SettingsError, which says what to do, if the code inside finds MLflow away or damaged."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise SettingsError(f"MLflow: {line(error, address)}") from None


def line(error: Exception, address: str) -> str:
    """Return in one line what is wrong with the MLflow at an address and what to do about it, fit to show."""
    if isinstance(error, Trashed):
        return str(error)
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    return addresses.without_secrets(f"{type(error).__name__}: {reason}; {_remedy(error, address)}")


def _remedy(error: Exception, address: str) -> str:
    causes, where = list(_causes(error)), addresses.shown(address)
    database = stores.file_of(address)
    if any(isinstance(cause, sqlite3.Error) and _is_passing(cause) for cause in causes):
        return f"see that {database} can be written and that no other program holds it; {RENEWED}"
    if any(isinstance(cause, sqlite3.Error) for cause in causes) or "out-of-date database schema" in str(error):
        kind = "damaged, half made, or of another version of MLflow"
        return f"{database or where} is {kind}: {ANEW}"
    if any(isinstance(cause, ModuleNotFoundError) for cause in causes):
        return f"install the driver of {where} (PostgreSQL: `pip install psycopg2-binary`); {RENEWED}"
    if database is None:
        return f"see that {where} runs and admits you (MLFLOW_TRACKING_USERNAME, _PASSWORD); {RENEWED}"
    return RENEWED


def _is_passing(error: sqlite3.Error) -> bool:
    """Return whether an error is one of access, not of content."""
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
