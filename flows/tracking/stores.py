"""MLflow's store at an address: its files, its creation, and the lock for writing to it.

One process at a time creates or writes an SQLite database, from any checkout: the lock file is beside it. MLflow
itself creates tables without a lock, and two first uses at once break a database for good.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def is_database(address: str) -> bool:
    """Return whether MLflow's client writes the database itself, and so chooses the folder of artifacts."""
    return address.partition("://")[0].partition("+")[0] in DATABASES


def file_of(address: str) -> Path | None:
    """Return the file of an SQLite database; None for another database, a server, or a database in memory."""
    if not address.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    name = make_url(address).database
    return Path(name).absolute() if name and name != ":memory:" else None


def address_of(database: Path) -> str:
    """Return the address of an SQLite file: absolute, unless a `?` in the project's path would end the address."""
    path = database.absolute()
    return f"sqlite:///{os.path.relpath(path) if '?' in str(path) else path}"


def opened(address: str) -> AbstractContextManager[object]:
    """Create a store if it does not exist; return its lock, which admits one writer at a time."""
    if (database := file_of(address)) is None:
        return _claimed(address)
    database.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{database}.lock")
    if not _is_made(database):
        with lock:
            if not _is_made(database):  # another process may have been faster
                _create(database)
    return lock


def warm_up(address: str) -> None:
    """Load what the first use of a database needs, in more than a second; connect to nothing."""
    if is_database(address):
        from mlflow.store.tracking import sqlalchemy_store  # noqa: F401  # it declares the tables
        from sqlalchemy.orm import configure_mappers

        configure_mappers()


def artifacts(address: str, otherwise: Path) -> str:
    """Return the address of the folder of a database's artifacts: beside an SQLite file, or else `otherwise`."""
    database = file_of(address)
    return (database.with_name("artifacts") if database else otherwise.absolute()).as_uri()


@contextmanager
def _claimed(address: str) -> Iterator[None]:
    from mlflow import MlflowClient

    from flows.tracking import claims

    with claims.claimed(MlflowClient(address)):
        yield


def _is_made(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


def _create(database: Path) -> None:
    """Create an empty store beside its place, then move it there: a kill must not leave an incomplete store."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    temporary = database.with_name(f"{database.name}.new")
    temporary.unlink(missing_ok=True)
    store = SqlAlchemyStore(address_of(temporary), database.with_name("artifacts").as_uri())
    with store.engine.begin() as connection:  # without an index by value a search reads the tag of every run
        connection.exec_driver_sql("CREATE INDEX index_tags_key_value ON tags (key, value)")
    store.engine.dispose()
    os.replace(temporary, database)
