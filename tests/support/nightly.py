"""Ended runs, as the ledger has them after each night, built around results."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from den.ledger import Answer, Asked, Begun, CellResult, Ended, Machine, Planned, Run

FIRST = datetime(2026, 11, 28, 2, tzinfo=UTC)
LENGTH = timedelta(minutes=10)


def name_of(number: int) -> str:
    """Return the id of a night's run."""
    return f"night-{number:03}"


def run_of(number: int, results: Sequence[CellResult], suite: str = "smoke", **about: Any) -> Run:
    """Return a night's run that these results answer; `about` holds fields of Asked, and of Ended."""
    start = FIRST + timedelta(days=number)
    asked = {name: about.pop(name) for name in Asked.model_fields.keys() & about.keys()}
    begun = Begun(
        id=name_of(number),
        asked=Asked(suite=suite, **asked),
        cells=tuple(map(_planned, results)),
        started=start,
        trigger="schedule",
        process="host/1/1",
        machine=Machine(system="Linux"),
        load=None,
        slots=2,
        torch="2.14.1",
        commit=None,
        dirty=None,
    )
    answers = tuple(Answer(title=one.title, measurement=one.measurement.id, how=one.how) for one in results)
    ended = {"verdict": "unchanged", "remarks": ("same bits as the last 3 runs",)} | about
    return Run(begun, Ended(id=begun.id, ended=start + LENGTH, answers=answers, **ended))


def _planned(result: CellResult) -> Planned:
    measurement = result.measurement
    return Planned(
        key=measurement.key,
        stream=measurement.stream,
        name=result.name,
        seed=measurement.seed,
        fingerprint=measurement.origin.fingerprint or "f" * 64,
    )
