"""The ledger: a folder of measurements and runs. Files are added to it, and never changed."""

import logging
import lzma
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from den import files
from den.ledger import layout, sealed
from den.ledger.entry import Entry
from den.ledger.index import Index, NotReady
from den.ledger.layout import BEGUN, MEASUREMENT, place
from den.ledger.measurement import CellResult, Measurement
from den.ledger.reading import is_sound, place_of, read_measurement, read_run_part, read_runs
from den.ledger.run import Begun, Ended, Run
from den.ledger.sealed import Damaged, LedgerError

logger = logging.getLogger(__name__)

Reply = TypeVar("Reply")
NAMED = 3  # the most damaged files that warnings name
ATTEMPTS = 5  # to rebuild an index
UNUSABLE = {3, 5, 6, 7, 8, 13, 14}  # SQLite's permission, busy, locked, memory, read-only, full, cannot open


@dataclass(frozen=True)
class Places:
    """The paths of a project.

    data: the folder of prepared streams. ledger, index: the ledger and its index. work: checkpoints and logs.
    """

    data: Path = Path("data/streams")
    ledger: Path = Path(".den/ledger")
    index: Path = Path(".den/index.sqlite")
    work: Path = Path(".den/work")


class Imported(NamedTuple):
    """The outcome of an import: the number of files added, the number already present, and the damaged lines."""

    added: int
    present: int
    faults: tuple[str, ...]


class Ledger:
    """Measurements and runs in a folder, which several machines may share.

    A damaged or edited file is left out, with a warning that names it. Methods raise LedgerError if the index cannot be
    used.
    """

    def __init__(self, folder: Path, index: Path) -> None:
        self.folder, self._index = folder, Index(index, folder)
        self._warned: set[str] = set()
        self.refresh()

    @classmethod
    def of(cls, places: Places) -> "Ledger":
        """Return the ledger at these places."""
        return cls(places.ledger, places.index)

    def add(self, measurement: Measurement) -> str:
        """Write a measurement; return its id. Writing the same content again changes nothing."""
        line = sealed.seal(measurement)
        self._write(place(measurement.origin.started, sealed.identifier(line), MEASUREMENT), line)
        return sealed.identifier(line)

    def begin(self, begun: Begun) -> None:
        """Write the beginning of a run."""
        self._write(place(begun.started, begun.id, BEGUN), sealed.seal(begun))

    def end(self, ended: Ended) -> None:
        """Write the end of a run. If a run continues after its end, the newest end counts."""
        self._write(place(ended.ended, ended.id, layout.part_of_end(ended.ended)), sealed.seal(ended))

    def load(self, id: str) -> Measurement:
        """Return a measurement. Raises LedgerError if it is missing or damaged."""
        entries = self.entries(id=id)
        if not entries:
            raise LedgerError(f"{self.folder} has no measurement {id}")
        path = self.folder / place(datetime.fromisoformat(entries[0].started), id, MEASUREMENT)
        try:
            return read_measurement(path, sealed.unpack(path.read_bytes()))
        except (Damaged, OSError) as error:
            raise LedgerError(f"{path}: {error}; restore it from a copy, or delete it") from None

    def loaded(self, id: str) -> Measurement | None:
        """Return a measurement; None, with a warning, if its file has been damaged or lost."""
        try:
            return self.load(id)
        except LedgerError as error:
            logger.warning("%s", error)
            return None

    def entries(self, prefix: str = "", since: str = "", **where: Any) -> list[Entry]:
        """Return the entries of measurements, the oldest first.

        prefix: the beginning of an id, or of an identity of version 0.5.0. since: the earliest end, ISO 8601.
        where: values of an entry's fields, as in entries(key=…) or entries(run=…).
        """
        return self._reply(lambda: self._index.entries(where, prefix, since))

    def settings(self, series: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the settings of these series, without seeds."""
        return self._reply(lambda: self._index.settings(series))

    def measurements(self, **where: Any) -> Iterator[Measurement]:
        """Yield measurements, the oldest first; one whose file has been damaged is left out, with a warning."""
        for entry in self.entries(**where):
            if (measurement := self.loaded(entry.id)) is not None:
                yield measurement

    def run(self, id: str) -> Run:
        """Return a run. Raises LedgerError if it is missing."""
        runs = self.runs(id=id)
        if not runs:
            raise LedgerError(f"{self.folder} has no run {id}")
        return runs[0]

    def runs(self, suite: str = "", id: str = "") -> list[Run]:
        """Return all runs, the oldest first. suite, id: only those that match; none if the id is missing."""
        runs = self._reply(lambda: read_runs(self._index.run_lines(id)))
        return [run for run in runs if suite in ("", run.suite)]

    def results(self, run: Run) -> list[CellResult]:
        """Return the results of an ended run; a lost measurement is left out, with a warning."""
        names = {cell.title: cell.name for cell in run.begun.cells}
        return [
            CellResult(names[title], measurement, answer.how)
            for title, answer in run.answers.items()
            if (measurement := self.loaded(answer.measurement)) is not None
        ]

    def faults(self) -> dict[str, str]:
        """Return the faults of damaged files, by path."""
        return {str(self.folder / path): fault for path, fault in self._reply(self._index.faults).items()}

    def check(self) -> dict[str, str]:
        """Read every file again; return the faults of damaged ones, by path."""
        self._reply(lambda: self._update(anew=True))
        self._warn()
        return self.faults()

    def refresh(self) -> None:
        """Update the index to the present files; other processes and machines may have added some."""
        self._reply(self._update)
        self._warn()

    def _update(self, anew: bool = False) -> None:
        present = set(layout.listed(self.folder))
        if not anew and self._index.holds(present):
            return
        with self._index.writing(make=True) as connection:
            if anew:
                self._index.clear(connection)
            indexed = self._index.files(connection)
            for path in sorted({file.path for file in present.symmetric_difference(indexed.values())}):
                file = layout.stamped(self.folder, path)  # again, since another process may have written it meanwhile
                if file != indexed.get(path):
                    self._enter(connection, path, file)

    def export(self, path: Path, run: str = "") -> int:
        """Write all measurements and runs, or one run with its answers, to a file; return the number of lines."""
        lines = list(self._lines(run))
        files.write(path, archive(lines))
        return len(lines)

    def take(self, path: Path) -> Imported:
        """Add the content of an export; damaged lines are left out. Raises LedgerError if the file is not an export."""
        added, present, faults = 0, 0, []
        for number, line in enumerate(unarchived(path), start=1):
            try:
                written = self._write(place_of(line), line)
            except Damaged as error:
                faults.append(f"{path}, line {number}: {error}")
                continue
            added, present = added + written, present + (not written)
        return Imported(added, present, tuple(faults))

    def _lines(self, run: str) -> Iterator[str]:
        chosen = self.run(run) if run else None
        for _, _, line in self._reply(lambda: self._index.run_lines(run)):
            yield line
        answers = {answer.measurement for answer in chosen.answers.values()} if chosen else set()
        for entry in self.entries():
            if not run or entry.run == run or entry.id in answers:
                yield sealed.seal(self.load(entry.id))

    def _reply(self, question: Callable[[], Reply]) -> Reply:
        """Return the reply of the index; rebuild the index first if it is missing, of another version, or damaged."""
        try:
            return question()
        except (sqlite3.DatabaseError, Damaged) as error:
            self._refuse_unusable(error)
        with self._index.mending():  # other processes with the same problem wait here, and then use the rebuilt index
            for _ in range(ATTEMPTS):
                try:
                    self._update()
                    return question()
                except NotReady:
                    continue
                except (sqlite3.DatabaseError, Damaged) as error:
                    self._refuse_unusable(error)
                    self._index.discard()
        raise LedgerError(f"the index {self._index.path} is damaged or removed again and again; find what else uses it")

    def _refuse_unusable(self, error: Exception) -> None:
        """Raise LedgerError if the disk or its permissions cause the error: a new index would not help."""
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in UNUSABLE and code != sqlite3.SQLITE_READONLY_DBMOVED:
            raise LedgerError(f"the index {self._index.path} cannot be used: {error}") from None

    def _write(self, path: str, line: str) -> bool:
        """Write and enter a file, unless a sound one exists; return whether it was written."""
        missing = not is_sound(self.folder / path)
        if missing:
            files.write(self.folder / path, sealed.pack(line))
        self._reply(lambda: self._enter_alone(path))
        return missing

    def _enter_alone(self, path: str) -> None:
        with self._index.writing() as connection:
            self._enter(connection, path, layout.stamped(self.folder, path))

    def _enter(self, connection: sqlite3.Connection, path: str, file: layout.File | None) -> None:
        """Update the index to a file's present content, or to its fault; remove the file if it is gone."""
        self._index.forget(connection, path)
        if file is None:
            return
        full_path, fault = self.folder / path, ""
        id, part = layout.name_of(path)
        try:
            line = sealed.unpack(full_path.read_bytes())
            if part == MEASUREMENT:
                measurement = read_measurement(full_path, line)
                self._index.add_measurement(connection, Entry.of(measurement, id), measurement.settings)
            else:
                self._index.add_run(connection, path, read_run_part(full_path, line), line)
        except (Damaged, OSError) as error:
            fault = str(error)
        self._index.add_file(connection, file, fault)

    def _warn(self) -> None:
        faults = {path: fault for path, fault in self.faults().items() if path not in self._warned}
        self._warned |= faults.keys()
        for path, fault in list(faults.items())[:NAMED]:
            logger.warning("%s is left out: %s", path, fault)
        if len(faults) > NAMED:
            logger.warning("and %d more files of %s are left out", len(faults) - NAMED, self.folder)


def archive(lines: Iterable[str]) -> bytes:
    """Return sealed lines as one compressed file, the same bytes each time."""
    return lzma.compress("".join(lines).encode(), preset=9)


def unarchived(path: Path) -> list[str]:
    """Return the lines of an export. Raises LedgerError if the file is missing or is not an export."""
    try:
        text = lzma.decompress(path.read_bytes()).decode()
        return [f"{line}\n" for line in text.split("\n") if line]  # splitlines would break a line at U+2028, too
    except FileNotFoundError:
        raise LedgerError(f"{path} is missing") from None
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise LedgerError(f"{path} is not an export of a ledger: {error}; `den ledger export FILE` makes one") from None
