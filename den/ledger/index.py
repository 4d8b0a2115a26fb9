"""The index of a ledger: an SQLite file, one per machine, rebuilt if it is missing, outdated or damaged."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from den import metrics
from den.ledger import entry, layout
from den.ledger.entry import NAMES, Entry
from den.ledger.layout import File

VERSION = 2
PATIENCE = 600.0  # seconds to wait for another process's update; the first update of a large ledger takes long
COLUMNS = ", ".join(f'"{name}"' for name in NAMES)  # in quotes, since one of the names is a word of SQL
INDEXED = ("key", "run", "series", "stream", "ended")

SCHEMA = [
    f"CREATE TABLE measurements ({COLUMNS}, PRIMARY KEY (id))",
    *(f"CREATE INDEX measurements_{name} ON measurements ({name})" for name in INDEXED),
    "CREATE TABLE settings (series PRIMARY KEY, settings)",
    "CREATE TABLE runs (path PRIMARY KEY, id, part, started, line)",
    "CREATE INDEX runs_id ON runs (id)",
    "CREATE TABLE files (path PRIMARY KEY, size, modified, fault)",
    "CREATE TABLE about (what)",
]
FILES = "SELECT path, size, modified FROM files"
ADD_SETTINGS = (  # the minimum, so that a series on several devices has the same settings in any order of measurements
    "INSERT INTO settings VALUES (?, ?) ON CONFLICT (series) DO UPDATE SET settings = min(settings, excluded.settings)"
)


class NotReady(sqlite3.DatabaseError):
    """The index is missing, or belongs to another version or ledger."""


class Index:
    """The index file of the ledger in `folder`."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        # An index is valid for one ledger, one set of metrics and the code of metrics and entries; else it is rebuilt.
        code = (hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (metrics.__file__, entry.__file__))
        self._about = "\n".join((str(folder.absolute()), *metrics.METRICS, *code))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for queries. Raises NotReady, or sqlite3.DatabaseError if the index is damaged."""
        with closing(self._connected()) as connection:
            if not self._fits(connection):
                raise NotReady(f"{self.path} is not ready")
            yield connection

    @contextmanager
    def writing(self, make: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield a connection for one transaction.

        make: create an index that is not ready, else raise NotReady.
        """
        with closing(self._connected()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if not self._fits(connection):
                    if not make:
                        raise NotReady(f"{self.path} is not ready")
                    self.clear(connection)
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def mending(self) -> FileLock:
        """Return the lock under which an index is created or removed; entering it waits while another process does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self.path}.lock")

    def holds(self, files: Set[File]) -> bool:
        """Return whether the index is ready and lists exactly these files."""
        with closing(self._connected()) as connection:
            return self._fits(connection) and set(connection.execute(FILES)) == files

    def files(self, connection: sqlite3.Connection) -> dict[str, File]:
        """Return every file in the index, sound or damaged, by path."""
        return {row[0]: File(*row) for row in connection.execute(FILES)}

    def faults(self) -> dict[str, str]:
        """Return the faults of damaged files, by path inside the ledger."""
        with self.reading() as connection:
            return dict(connection.execute("SELECT path, fault FROM files WHERE fault != '' ORDER BY path"))

    def entries(self, where: Mapping[str, Any], prefix: str = "", since: str = "") -> list[Entry]:
        """Return entries in the order in which their cells ended.

        where: values of columns. prefix: of an id or a former identity. since: the earliest end, ISO 8601.
        """
        clauses, values = [f'"{name}" = ?' for name in where], list(where.values())
        if prefix:
            clauses.append("(substr(id, 1, ?) = ? OR instr(former, ?) > 0)")
            values += [len(prefix), prefix, f" {prefix}"]
        if since:
            clauses.append("ended >= ?")
            values.append(since)
        condition = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        question = f"SELECT {COLUMNS} FROM measurements {condition} ORDER BY ended, id"
        with self.reading() as connection:
            return [Entry(*row) for row in connection.execute(question, values)]

    def settings(self, series: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the settings of series, the seed left out."""
        with self.reading() as connection:
            question = "SELECT settings FROM settings WHERE series = ?"
            rows = {id: connection.execute(question, (id,)).fetchone() for id in series}
        return {id: json.loads(row[0]) for id, row in rows.items() if row}

    def run_lines(self, id: str = "") -> list[tuple[str, str, str]]:
        """Return id, part and sealed line of the files of all runs, or of one run, in the order in which they began."""
        condition, values = ("WHERE id = ?", (id,)) if id else ("", ())
        question = f"SELECT id, part, line FROM runs {condition} ORDER BY started, path"
        with self.reading() as connection:
            return connection.execute(question, values).fetchall()

    def add_measurement(self, connection: sqlite3.Connection, entry: Entry, settings: Mapping[str, Any]) -> None:
        """Enter a measurement."""
        places = ", ".join("?" * len(NAMES))
        row = [getattr(entry, name) for name in NAMES]
        connection.execute(f"INSERT OR REPLACE INTO measurements VALUES ({places})", row)
        shared = json.dumps({key: value for key, value in settings.items() if key != "seed"}, sort_keys=True)
        connection.execute(ADD_SETTINGS, (entry.series, shared))

    def add_run(self, connection: sqlite3.Connection, path: str, started: str, line: str) -> None:
        """Enter one of the two files of a run."""
        row = path, *layout.name_of(path), started, line
        connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", row)

    def add_file(self, connection: sqlite3.Connection, file: File, fault: str = "") -> None:
        """Enter a file and its fault, empty if it is sound."""
        connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*file, fault))

    def forget(self, connection: sqlite3.Connection, path: str) -> None:
        """Remove a file and its content from the index. A damaged file has no content there, whatever its name."""
        row = connection.execute("SELECT fault FROM files WHERE path = ?", (path,)).fetchone()
        if row == ("",):
            self._forget_measurement(connection, layout.name_of(path)[0])
            connection.execute("DELETE FROM runs WHERE path = ?", (path,))
        connection.execute("DELETE FROM files WHERE path = ?", (path,))

    def discard(self) -> None:
        """Delete the index file, so that it is rebuilt."""
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)

    def clear(self, connection: sqlite3.Connection) -> None:
        """Empty the index, whatever its schema."""
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            connection.execute(f'DROP TABLE "{name}"')
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT INTO about VALUES (?)", (self._about,))
        connection.execute(f"PRAGMA user_version = {VERSION}")

    def _forget_measurement(self, connection: sqlite3.Connection, id: str) -> None:
        for (series,) in connection.execute("SELECT series FROM measurements WHERE id = ?", (id,)).fetchall():
            connection.execute("DELETE FROM measurements WHERE id = ?", (id,))
            unused = "series = ? AND NOT EXISTS (SELECT 1 FROM measurements WHERE series = ?)"
            connection.execute(f"DELETE FROM settings WHERE {unused}", (series, series))

    def _connected(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)

    def _fits(self, connection: sqlite3.Connection) -> bool:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return version == VERSION and connection.execute("SELECT what FROM about").fetchone() == (self._about,)
