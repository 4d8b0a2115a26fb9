"""The ledger: a folder of measurements and runs, to which files are only ever added."""

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
NAMED = 3  # damaged files that a warning names
ATTEMPTS = 5  # to mend an index
UNUSABLE = {3, 5, 6, 7, 8, 13, 14}  # SQLite's permission, busy, locked, memory, read-only, full, cannot open


@dataclass(frozen=True)
class Places:
    """Where prepared streams, the ledger and its index, and checkpoints and logs lie."""

    data: Path = Path("data/streams")
    ledger: Path = Path(".den/ledger")
    index: Path = Path(".den/index.sqlite")
    work: Path = Path(".den/work")


class Imported(NamedTuple):
    """How many measurements and run files an import added, how many were there, and which lines were damaged."""

    added: int
    present: int
    faults: tuple[str, ...]


class Ledger:
    """Measurements and runs in a folder, which several machines may share; it alone knows where they lie.

    A damaged or edited file is named in a warning and left out.
    """

    def __init__(self, folder: Path, index: Path) -> None:
        self.folder, self._index = folder, Index(index, folder)
        self._warned: set[str] = set()
        self.refresh()

    @classmethod
    def of(cls, places: Places) -> "Ledger":
        """Return the ledger of these places."""
        return cls(places.ledger, places.index)

    def add(self, measurement: Measurement) -> str:
        """Write a measurement; return its id. The same content twice is one file."""
        line = sealed.seal(measurement)
        self._write(place(measurement.origin.started, sealed.identifier(line), MEASUREMENT), line)
        return sealed.identifier(line)

    def begin(self, begun: Begun) -> None:
        """Write how a run began."""
        self._write(place(begun.started, begun.id, BEGUN), sealed.seal(begun))

    def end(self, ended: Ended) -> None:
        """Write how a run ended; of a run that was continued after its end, the newest end counts."""
        self._write(place(ended.ended, ended.id, layout.part_of_end(ended.ended)), sealed.seal(ended))

    def load(self, id: str) -> Measurement:
        """Return the measurement of an id. Raises LedgerError for one that is missing or damaged."""
        entries = self.entries(id=id)
        if not entries:
            raise LedgerError(f"{self.folder} has no measurement {id}")
        path = self.folder / place(datetime.fromisoformat(entries[0].started), id, MEASUREMENT)
        try:
            return read_measurement(path, sealed.unpack(path.read_bytes()))
        except (Damaged, OSError) as error:
            raise LedgerError(f"{path}: {error}; restore it from a copy, or delete it") from None

    def loaded(self, id: str) -> Measurement | None:
        """Return the measurement of an id; None, with a warning, if its file was damaged or lost meanwhile."""
        try:
            return self.load(id)
        except LedgerError as error:
            logger.warning("%s", error)
            return None

    def entries(self, prefix: str = "", since: str = "", **where: Any) -> list[Entry]:
        """Return the entries of measurements, the oldest first.

        prefix: the beginning of an id, or of an identity of version 0.5.0; since: the earliest end, ISO 8601;
        where: values of an entry's fields, as in entries(key=…), entries(run=…).
        """
        return self._asked(lambda: self._index.entries(where, prefix, since))

    def settings(self, series: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the settings of these series, the seed left out."""
        return self._asked(lambda: self._index.settings(series))

    def measurements(self, **where: Any) -> Iterator[Measurement]:
        """Yield measurements, the oldest first; a file that was damaged meanwhile is named and left out."""
        for entry in self.entries(**where):
            if (measurement := self.loaded(entry.id)) is not None:
                yield measurement

    def run(self, id: str) -> Run:
        """Return a run. Raises LedgerError for one that is not there."""
        runs = self.runs(id=id)
        if not runs:
            raise LedgerError(f"{self.folder} has no run {id}")
        return runs[0]

    def runs(self, suite: str = "", id: str = "") -> list[Run]:
        """Return all runs, those of a suite, or the one of an id if it is there; the oldest first."""
        runs = self._asked(lambda: read_runs(self._index.run_lines(id)))
        return [run for run in runs if suite in ("", run.suite)]

    def results(self, run: Run) -> list[CellResult]:
        """Return the results of an ended run; what the ledger has lost is named in a warning and left out."""
        names = {cell.title: cell.name for cell in run.begun.cells}
        return [
            CellResult(names[title], measurement, answer.how)
            for title, answer in run.answers.items()
            if (measurement := self.loaded(answer.measurement)) is not None
        ]

    def faults(self) -> dict[str, str]:
        """Return what is wrong with damaged files, by path."""
        return {str(self.folder / path): fault for path, fault in self._asked(self._index.faults).items()}

    def check(self) -> dict[str, str]:
        """Read every file anew; return what is wrong with damaged ones, by path."""
        self._asked(lambda: self._update(anew=True))
        self._warn()
        return self.faults()

    def refresh(self) -> None:
        """Bring the index up to what lies in the folder, which other processes and machines may have added to."""
        self._asked(self._update)
        self._warn()

    def _update(self, anew: bool = False) -> None:
        there = set(layout.listed(self.folder))
        if not anew and self._index.holds(there):
            return
        with self._index.writing(make=True) as connection:
            if anew:
                self._index.clear(connection)
            known = self._index.files(connection)
            for path in sorted({file.path for file in there.symmetric_difference(known.values())}):
                file = layout.stamped(self.folder, path)  # again, since others may have written since it was listed
                if file != known.get(path):
                    self._enter(connection, path, file)

    def export(self, path: Path, run: str = "") -> int:
        """Write all measurements and runs, or a run with what answers it, as one file; return how many lines."""
        lines = list(self._lines(run))
        files.write(path, archive(lines))
        return len(lines)

    def take(self, path: Path) -> Imported:
        """Add what an export holds; damaged lines are named and left out. Raises LedgerError for another file."""
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
        for _, _, line in self._asked(lambda: self._index.run_lines(run)):
            yield line
        answers = {answer.measurement for answer in chosen.answers.values()} if chosen else set()
        for entry in self.entries():
            if not run or entry.run == run or entry.id in answers:
                yield sealed.seal(self.load(entry.id))

    def _asked(self, question: Callable[[], Reply]) -> Reply:
        """Return the reply of the index, made anew if it is missing, of another version, or damaged."""
        try:
            return question()
        except (sqlite3.DatabaseError, Damaged) as error:
            self._refuse_unusable(error)
        with self._index.mending():  # others that met the same damage wait here, and find it mended
            for _ in range(ATTEMPTS):
                try:
                    self._update()
                    return question()
                except NotReady:
                    continue
                except (sqlite3.DatabaseError, Damaged) as error:
                    self._refuse_unusable(error)
                    self._index.discard()
        raise LedgerError(f"the index {self._index.path} is damaged or removed again and again; see what else uses it")

    def _refuse_unusable(self, error: Exception) -> None:
        """Raise LedgerError if the disk or its permissions are at fault, which a new index does not mend."""
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in UNUSABLE and code != sqlite3.SQLITE_READONLY_DBMOVED:
            raise LedgerError(f"the index {self._index.path} cannot be used: {error}") from None

    def _write(self, path: str, line: str) -> bool:
        """Write and enter a file, unless it is there and sound; return whether it was written."""
        missing = not is_sound(self.folder / path)
        if missing:
            files.write(self.folder / path, sealed.pack(line))
        self._asked(lambda: self._enter_alone(path))
        return missing

    def _enter_alone(self, path: str) -> None:
        with self._index.writing() as connection:
            self._enter(connection, path, layout.stamped(self.folder, path))

    def _enter(self, connection: sqlite3.Connection, path: str, file: layout.File | None) -> None:
        """Make the index hold what a file holds now, or what is wrong with it; nothing if it is gone."""
        self._index.forget(connection, path)
        if file is None:
            return
        whole, fault = self.folder / path, ""
        id, part = layout.name_of(path)
        try:
            line = sealed.unpack(whole.read_bytes())
            if part == MEASUREMENT:
                measurement = read_measurement(whole, line)
                self._index.add_measurement(connection, Entry.of(measurement, id), measurement.settings)
            else:
                self._index.add_run(connection, path, read_run_part(whole, line), line)
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
    """Return the lines of an export. Raises LedgerError for a file that is none."""
    try:
        text = lzma.decompress(path.read_bytes()).decode()
        return [f"{line}\n" for line in text.split("\n") if line]  # splitlines would part a line at U+2028, too
    except FileNotFoundError:
        raise LedgerError(f"{path} is not here") from None
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise LedgerError(f"{path} is no export of a ledger: {error}; `den ledger export FILE` makes one") from None
