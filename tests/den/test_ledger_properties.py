"""No sequence of adds, runs, kills and index losses changes or drops what was written, or what the index has of it."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import synthetic
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from den.ledger import Answer, Asked, Begun, Ended, Ledger, Measurement, Places, Planned
from den.ledger.index import VERSION

START = datetime(2026, 1, 30, tzinfo=UTC)
RESULTS = [
    synthetic.result(
        "blobs",
        method,
        seed,
        tasks=2,
        started=(START + timedelta(days=seed)).isoformat(),
        ended=(START + timedelta(days=seed, hours=1)).isoformat(),
    )
    for method in ("den", "l2")
    for seed in range(4)
]
TABLES = ("measurements", "settings", "runs", "files", "about")


def rows(index: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that an index holds."""
    connection = sqlite3.connect(index)
    try:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}
    finally:
        connection.close()


def garbage(index: Path) -> None:
    index.write_bytes(b"no database at all" * 500)


def truncated(index: Path) -> None:
    with index.open("r+b") as file:
        file.truncate(index.stat().st_size // 3)


def emptied(index: Path) -> None:
    index.write_bytes(b"")


def overwritten(index: Path) -> None:
    """Damage all pages of the file but the first."""
    size = index.stat().st_size
    with index.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * max(0, size - 4096))


def older(index: Path) -> None:
    connection = sqlite3.connect(index)
    connection.execute(f"PRAGMA user_version = {VERSION - 1}")
    connection.close()


def without_tables(index: Path) -> None:
    connection = sqlite3.connect(index)
    connection.execute("DROP TABLE measurements")
    connection.commit()
    connection.close()


LOSSES: list[Callable[[Path], None]] = [
    Path.unlink, garbage, truncated, emptied, overwritten, older, without_tables,
]  # fmt: skip


class LedgerMachine(RuleBasedStateMachine):
    """A ledger that two processes keep open, and a copy of every file as it was written."""

    @initialize()
    def begin_empty(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.places = Places(ledger=self.root / "ledger", index=self.root / "index.sqlite")
        self.ledgers = [Ledger.of(self.places), Ledger.of(self.places)]
        self.written: dict[Path, bytes] = {}
        self.measurements: dict[str, Measurement] = {}
        self.begun: list[Begun] = []
        self.ended: set[str] = set()

    @rule(at=st.integers(0, 1), number=st.integers(0, len(RESULTS) - 1))
    def add(self, at: int, number: int) -> None:
        measurement = RESULTS[number].measurement
        self.measurements[self.ledgers[at].add(measurement)] = measurement

    @rule(at=st.integers(0, 1), number=st.integers(0, 3))
    def begin(self, at: int, number: int) -> None:
        cell = Planned(
            key=RESULTS[number].measurement.key, stream="blobs", name="den", seed=number, fingerprint="f" * 64
        )
        begun = Begun(
            id=f"20260131-{len(self.begun):06}",
            asked=Asked(suite="smoke"),
            cells=(cell,),
            started=START + timedelta(days=number),
            trigger="hand",
            process="host 1 1",
            machine=RESULTS[0].measurement.origin.machine,
            load=None,
            slots=None,
            torch="2",
            commit=None,
            dirty=None,
        )
        self.ledgers[at].begin(begun)
        self.begun.append(begun)

    @precondition(lambda self: len(self.begun) > len(self.ended))
    @rule(at=st.integers(0, 1), days=st.integers(0, 3))
    def end(self, at: int, days: int) -> None:
        begun = next(begun for begun in self.begun if begun.id not in self.ended)
        answers = tuple(
            Answer(title=begun.cells[0].title, measurement=id, how="measured") for id in list(self.measurements)[:1]
        )
        self.ledgers[at].end(
            Ended(id=begun.id, ended=START + timedelta(days=3 + days), answers=answers, verdict="unchanged")
        )
        self.ended.add(begun.id)

    @rule(number=st.integers(0, len(RESULTS) - 1), share=st.floats(0, 1))
    def kill_while_writing(self, number: int, share: float) -> None:
        """Leave what a process that was killed leaves: a part of a file under a name that is not its own yet."""
        id = RESULTS[number].measurement.id
        month = self.places.ledger / "2026/01"
        month.mkdir(parents=True, exist_ok=True)
        content = RESULTS[number].measurement.model_dump_json().encode()
        (month / f".{id}.measurement.json.gz.x{number}").write_bytes(content[: int(share * len(content))])

    @rule(number=st.integers(0, len(RESULTS) - 1))
    def kill_before_the_index(self, number: int) -> None:
        """Write a file and end before the index hears of it, as another machine does."""
        elsewhere = Ledger(self.places.ledger, self.root / "other.sqlite")
        measurement = RESULTS[number].measurement
        self.measurements[elsewhere.add(measurement)] = measurement

    @precondition(lambda self: self.places.index.exists())
    @rule(loss=st.sampled_from(LOSSES))
    def lose_the_index(self, loss: Callable[[Path], None]) -> None:
        if self.places.index.stat().st_size:
            loss(self.places.index)

    @rule(at=st.integers(0, 1))
    def reopen(self, at: int) -> None:
        self.ledgers[at] = Ledger.of(self.places)

    @rule()
    def export_and_import(self) -> None:
        self.ledgers[0].refresh()
        self.ledgers[0].export(self.root / "all.xz")
        taken = self.ledgers[1].take(self.root / "all.xz")
        assert taken.added == 0
        assert not taken.faults

    @precondition(lambda self: self.measurements)
    @rule(data=st.data())
    def damage_and_restore(self, data: st.DataObject) -> None:
        """Damage a file: it is named and left out, everything else stays; put back, it is there again."""
        id = data.draw(st.sampled_from(sorted(self.measurements)))
        (path,) = self.places.ledger.rglob(f"{id}.*")
        content = path.read_bytes()
        path.write_bytes(content[:-9])
        self.ledgers[0].refresh()
        assert list(self.ledgers[0].faults()) == [str(path)]
        assert {entry.id for entry in self.ledgers[0].entries()} == self.measurements.keys() - {id}
        assert self.ledgers[1].add(self.measurements[id]) == id

    @invariant()
    def every_file_is_as_it_was_written(self) -> None:
        files = {path: path.read_bytes() for path in self.places.ledger.rglob("*.json.gz") if path.name[0] != "."}
        assert {path: files.get(path) for path in self.written} == self.written
        self.written = files

    @invariant()
    def everything_is_there_and_an_index_rebuilt_equals_the_index_kept(self) -> None:
        digests = {id: measurement.digest for id, measurement in self.measurements.items()}
        for ledger in self.ledgers:
            ledger.refresh()
            assert {entry.id: entry.digest for entry in ledger.entries()} == digests
            assert {run.id for run in ledger.runs() if run.ended} == self.ended
            assert len(ledger.runs()) == len(self.begun)
            assert ledger.faults() == {}
            assert len(ledger.settings(entry.series for entry in ledger.entries())) <= len(RESULTS)
        assert rows(self.places.index) == _rebuilt(self.ledgers[0], self.root)

    def teardown(self) -> None:
        self.ledgers[0].refresh()
        for id, measurement in self.measurements.items():
            assert self.ledgers[0].load(id) == measurement
        shutil.rmtree(self.root)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(
    max_examples=6, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return a ledger with measurements in it."""
    ledger = Ledger(tmp_path / "ledger", tmp_path / "index.sqlite")
    for result in RESULTS:
        ledger.add(result.measurement)
    return ledger


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "question",
    [
        lambda ledger: len(ledger.entries()) == len(RESULTS),
        lambda ledger: ledger.load(RESULTS[0].measurement.id) == RESULTS[0].measurement,
        lambda ledger: ledger.runs() == [] and len(ledger.entries()) == len(RESULTS),
        lambda ledger: ledger.faults() == {} and len(ledger.entries()) == len(RESULTS),
        lambda ledger: bool(ledger.add(RESULTS[0].measurement)) and len(ledger.entries()) == len(RESULTS),
        lambda ledger: Ledger(ledger.folder, ledger.folder.parent / "index.sqlite").check() == {},
    ],
    ids=["entries", "load", "runs", "faults", "add", "open"],
)
def test_an_index_lost_under_an_open_ledger_heals(
    ledger: Ledger, loss: Callable[[Path], None], question: Callable[[Ledger], bool]
) -> None:
    loss(ledger.folder.parent / "index.sqlite")
    assert question(ledger)


def test_an_index_of_another_ledger_is_made_anew(ledger: Ledger, tmp_path: Path) -> None:
    assert Ledger(tmp_path / "other", tmp_path / "index.sqlite").entries() == []
    assert len(ledger.entries()) == len(RESULTS)


def test_a_disk_that_refuses_is_reported_and_nothing_is_removed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from den.ledger import LedgerError, index

    monkeypatch.setattr(index, "PATIENCE", 0.1)
    holder = sqlite3.connect(ledger.folder.parent / "index.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError, match="cannot be used: database is locked"):
        ledger.entries()
    holder.close()
    assert len(ledger.entries()) == len(RESULTS)


def test_a_copy_in_a_wrong_place_takes_nothing_with_it_when_it_goes(ledger: Ledger) -> None:
    (path,) = ledger.folder.rglob(f"{RESULTS[0].measurement.id}.*")
    wrong = ledger.folder / "2020/01" / path.name
    wrong.parent.mkdir(parents=True)
    shutil.copy(path, wrong)
    ledger.refresh()
    assert list(ledger.faults()) == [str(wrong)]
    wrong.unlink()
    ledger.refresh()
    assert len(ledger.entries()) == len(RESULTS)


def test_an_import_restores_a_damaged_file(ledger: Ledger, tmp_path: Path) -> None:
    ledger.export(tmp_path / "all.xz")
    (path,) = ledger.folder.rglob(f"{RESULTS[0].measurement.id}.*")
    content = path.read_bytes()
    path.write_bytes(content[:50])
    taken = ledger.take(tmp_path / "all.xz")
    assert (taken.added, taken.present) == (1, len(RESULTS) - 1)
    assert path.read_bytes() == content
    assert ledger.faults() == {}


WRITER = """
import sys
sys.path.insert(0, {support!r})
from pathlib import Path
import synthetic
from den.ledger import Ledger
ledger = Ledger(Path("ledger"), Path("index.sqlite"))
for number in range({count}):
    ledger.add(synthetic.result("blobs", "den", {first} + number, tasks=2).measurement)
"""


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_two_processes_that_add_at_once_lose_nothing(tmp_path: Path, count: int) -> None:
    """While both write, the index is deleted three times."""
    support = str(Path(synthetic.__file__).parent)
    writers = [
        subprocess.Popen(
            (sys.executable, "-c", WRITER.format(support=support, count=count, first=first)),
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1000)
    ]
    for _ in range(3):
        with suppress(subprocess.TimeoutExpired):
            writers[0].wait(1.5)
        (tmp_path / "index.sqlite").unlink(missing_ok=True)
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], errors
    ledger = Ledger(tmp_path / "ledger", tmp_path / "index.sqlite")
    assert sorted(entry.seed for entry in ledger.entries()) == [*range(count), *range(1000, 1000 + count)]
    assert ledger.faults() == {}
    assert rows(tmp_path / "index.sqlite") == _rebuilt(ledger, tmp_path)


def _rebuilt(ledger: Ledger, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    fresh = folder / "fresh.sqlite"
    fresh.unlink(missing_ok=True)
    Ledger(ledger.folder, fresh)
    return rows(fresh)
