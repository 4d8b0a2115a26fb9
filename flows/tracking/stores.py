"""The store of MLflow that an address names: where its files lie, and the lock under which it is made and written.

An SQLite database is made whole by one process and written by one at a time, whatever checkout they run in: the lock
lies beside it. MLflow itself makes tables without one, and two first uses at once break a database for good.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def is_database(address: str) -> bool:
    """Return whether MLflow's client itself writes the database, and so chooses where artifacts lie."""
    return address.partition("://")[0].partition("+")[0] in DATABASES


def file_of(address: str) -> Path | None:
    """Return the file of an SQLite database; None for another database, a server, or a database in memory."""
    if not address.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    name = make_url(address).database
    return Path(name).absolute() if name and name != ":memory:" else None


def address_of(database: Path) -> str:
    """Return the address of an SQLite file: absolute, unless a `?` in the project's path would end it."""
    whole = database.absolute()
    return f"sqlite:///{os.path.relpath(whole) if '?' in str(whole) else whole}"


def opened(address: str) -> AbstractContextManager[object]:
    """Return the lock of a store, which exists from now on; one writer at a time."""
    if (database := file_of(address)) is None:
        return _claimed(address)
    database.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{database}.lock")
    if not _is_made(database):
        with lock:
            if not _is_made(database):  # another process may have been quicker
                _create(database)
    return lock


def artifacts(address: str, otherwise: Path) -> str:
    """Return the folder of a database's artifacts as MLflow names it: beside an SQLite file, or else `otherwise`."""
    database = file_of(address)
    return (database.with_name("artifacts") if database else otherwise.absolute()).as_uri()


@contextmanager
def _claimed(address: str) -> Iterator[None]:
    from mlflow import MlflowClient

    from flows.tracking import claims

    with claims.held(MlflowClient(address)):
        yield


def _is_made(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


def _create(database: Path) -> None:
    """Make an empty store beside its place, then move it there: one left half made by a kill would fail for ever."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    temporary = database.with_name(f"{database.name}.new")
    temporary.unlink(missing_ok=True)
    made = SqlAlchemyStore(address_of(temporary), database.with_name("artifacts").as_uri())
    with made.engine.begin() as connection:  # MLflow has none by value: a search would read the tag of every run
        connection.exec_driver_sql("CREATE INDEX index_tags_key_value ON tags (key, value)")
    made.engine.dispose()
    os.replace(temporary, database)
