"""A machine's clock may be set back: nothing is lost, and what was begun goes on."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from small import cell

from den import execution
from den.execution import Execution, execute, finish
from den.ledger import Asked, Ledger, Order, Places
from flows.runtime import run_records
from flows.runtime.run_records import Circumstances

BEFORE, LATER = datetime(2026, 11, 29, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)

SetTo = Callable[[datetime], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetTo]:
    """Return what sets the clock by which runs and measurements are dated."""
    now = [LATER]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            now[0] += timedelta(seconds=1)
            return now[0]

    for module in (execution, run_records):
        monkeypatch.setattr(module, "datetime", Clock)

    def set_to(moment: datetime) -> None:
        now[0] = moment

    return set_to


@pytest.mark.parametrize("moments", [(LATER, BEFORE), (LATER, LATER), (BEFORE, LATER)])
def test_every_measurement_is_kept_and_the_cell_is_current(
    moments: tuple[datetime, ...], places: Places, clock: SetTo
) -> None:
    for moment in moments:
        clock(moment)
        execute(cell(), places, Order(again=True))
    entries = Ledger.of(places).entries()
    assert len(entries) == len(moments)
    assert len({entry.digest for entry in entries}) == 1
    assert [entry.ended for entry in entries] == sorted(entry.ended for entry in entries)
    execute(cell(), places)
    assert len(Ledger.of(places).entries()) == len(moments)
    assert not Ledger.of(places).check()


def test_a_cell_during_which_the_clock_is_set_back_is_whole(places: Places, clock: SetTo) -> None:
    straight = execute(cell(), places)
    run = Execution.resume(cell(), places, Order(run="some-run", again=True))
    next(run.steps()).run()
    clock(BEFORE)
    resumed = Execution.resume(cell(), places, Order(run="some-run", again=True))
    assert len(resumed.result.done) == 1
    for step in resumed.steps():
        step.run()
    measured = finish(resumed)
    assert measured.origin.ended < measured.origin.started
    assert measured.digest == straight.digest
    assert measured.train_seconds > 0
    assert Ledger.of(places).load(measured.id) == measured


def test_an_interrupted_run_goes_on_after_the_clock_was_set_back(places: Places, here: Path, clock: SetTo) -> None:
    asked = Asked(suite="tiny")

    def begin() -> str:
        with run_records.begun(asked, [cell()], places, Circumstances(slots=1)) as begun:
            return begun.id

    first = begin()
    clock(BEFORE)
    assert begin() == first
    with run_records.begun(asked, [cell()], places, Circumstances(slots=1), fresh=True) as other:
        assert other.id != first
        run_records.end(other, [], {}, "nothing measured", [], places)
    assert begin() == first
    assert [run.id for run in Ledger.of(places).runs()] == [other.id, first]
