"""Repeated measurements: whether two of a cell are the same to the bit, and where they first differ.

Only scores and measures that both have are compared: a newer version that adds one still repeats the older one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from den import measures
from den.ledger import Entry, Measurement
from den.ledger.measurement import Row


class Place(NamedTuple):
    """The place of a number in a measurement. occurrence: from 1, if a stage reports a measure more than once."""

    task: int
    stage: str | None
    layer: int | None
    measure: str
    occurrence: int

    def __str__(self) -> str:
        layer = "" if self.layer is None else f" of layer {self.layer}"
        return f"task {self.task} · {self.stage or 'after its stages'} · {self.measure}{layer}"


class Deviation(NamedTuple):
    """The first number in which two measurements differ; None if a measurement lacks it."""

    place: Place
    before: float | None
    after: float | None

    def __str__(self) -> str:
        before, after = ("none" if value is None else repr(value) for value in (self.before, self.after))
        return f"{self.place}: {after} now, {before} before"


class Tally(NamedTuple):
    """How many numbers of two measurements are the same to the bit, and how many there are."""

    same: int
    total: int


@dataclass(frozen=True)
class Streak:
    """How many earlier runs in a row gave the same bits on this kind of machine. code: the last had the same code."""

    runs: int
    code: bool


def same_bits(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Return whether two measurements have the same bits, by the digests of their scores and measures."""
    names = before.keys() & after.keys()
    return bool(names) and all(before[name] == after[name] for name in names)


def names_of_both(before: Measurement, after: Measurement) -> set[str]:
    """Return the scores and measures that both measurements have, without times."""
    return (_names(before) & _names(after)) - set(measures.TIMES)


def numbers(measurement: Measurement, names: Collection[str] = ()) -> dict[Place, float | None]:
    """Return the numbers of a measurement in the order of their computation, by task and stage.

    names: the scores and measures to return; by default all but times.
    """
    names = names or _names(measurement) - set(measures.TIMES)
    taken = [row for row in measurement.measures.rows() if row.measure in names]
    rows = sorted([*taken, *_scores(measurement, names)], key=lambda row: row.task)
    seen: Counter[tuple[object, ...]] = Counter()
    placed = {}
    for row in rows:
        seen[row[:4]] += 1
        placed[Place(*row[:4], seen[row[:4]])] = row.value
    return placed


def tally(before: Measurement, after: Measurement) -> Tally:
    """Return how many numbers are the same, of the names that both have; a number that one lacks is not."""
    old, new = _numbers_of_both(before, after)
    same = sum(place in new and new[place] == value for place, value in old.items())
    return Tally(same, len(old.keys() | new.keys()))


def deviation(before: Measurement, after: Measurement) -> Deviation | None:
    """Return the first number in which two measurements differ; None if they are the same."""
    old, new = _numbers_of_both(before, after)
    places = [*new, *(place for place in old if place not in new)]
    places.sort(key=lambda place: place.task)
    for place in places:
        if place not in old or place not in new or old[place] != new[place]:
            return Deviation(place, old.get(place), new.get(place))
    return None


def alike(measurement: Measurement, earlier: Iterable[Entry]) -> list[Entry]:
    """Return the earlier measurements by the same torch on the same kind of machine for bits; none if not recorded."""
    bits = measurement.origin.bits
    return [entry for entry in earlier if bits and entry.bits == bits]


def must_agree(measurement: Measurement, earlier: Sequence[Entry]) -> Entry | None:
    """Return the newest earlier measurement that must have the same bits, which includes the same code; else None.

    Only the newest counts: a wrong measurement then alarms twice, when it appears and when it is gone, not forever.
    """
    fingerprint = measurement.origin.fingerprint
    same = [entry for entry in alike(measurement, earlier) if fingerprint and entry.fingerprint == fingerprint]
    return same[-1] if same else None


def same_versions(before: Measurement, after: Measurement) -> bool:
    """Return whether Python, numpy and torch are the same; entries of the index do not hold all of them."""
    return _versions(before) == _versions(after)


def streak(measurement: Measurement, earlier: Sequence[Entry]) -> Streak:
    """Return how many of the newest runs in a row gave the bits of this measurement. earlier: the oldest first."""
    newest_first = alike(measurement, earlier)[::-1]
    digests = measurement.digests
    same = list(takewhile(lambda entry: same_bits(entry.digests, digests), newest_first))
    code = bool(same) and same[0].fingerprint == measurement.origin.fingerprint
    return Streak(len({entry.run or entry.id for entry in same}), code)


def _numbers_of_both(*pair: Measurement) -> Iterator[dict[Place, float | None]]:
    names = names_of_both(*pair)
    return (numbers(measurement, names) for measurement in pair)


def _versions(measurement: Measurement) -> tuple[str | None, ...]:
    origin = measurement.origin
    return origin.python, origin.numpy, origin.torch


def _names(measurement: Measurement) -> set[str]:
    return {*measurement.scores, *measurement.measures.measure}


def _scores(measurement: Measurement, names: Collection[str]) -> Iterator[Row]:
    """Yield scores as measures of the evaluation after each task."""
    for score, matrix in ((score, matrix) for score, matrix in measurement.scores.items() if score in names):
        for after, row in enumerate(matrix, start=1):
            for task, value in enumerate(row, start=1):
                if value is not None:
                    yield Row(after, measures.EVALUATION, None, f"{score} of task {task}", value)
