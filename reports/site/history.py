"""The history of accepted results: what each measured, when and where, and what was accepted before it."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from den import git
from den.ledger import CellResult
from reports import accepted_results, labels, published_numbers
from reports.accepted_results import ACCEPTED, METRICS


@dataclass(frozen=True)
class Measured:
    """The cells of a suite that were measured at one commit on one kind of machine. first, last: days, in UTC."""

    suite: str
    first: str
    last: str
    cells: int
    commit: str
    torch: str
    machine: str


@dataclass(frozen=True)
class Accepted:
    """An acceptance of a stream's results in git: its day, commit and subject, and DEN's score and capacity then."""

    suite: str
    stream: str
    day: str
    commit: str
    subject: str
    methods: int
    score: float
    capacity: float


def measured(suite: str) -> list[Measured]:
    """Return how a suite's accepted results were measured, the newest first. Raises LedgerError for a damaged file."""
    results = sorted(accepted_results.results(suite), key=_origin)
    rows = [_measured(suite, origin, list(cells)) for origin, cells in groupby(results, _origin)]
    return sorted(rows, key=lambda row: (row.last, row.first, row.commit), reverse=True)


def accepted(suite: str) -> list[Accepted]:
    """Return every acceptance of a suite that git remembers, the newest first; none without git."""
    path = (ACCEPTED / suite / METRICS).as_posix()
    log = git.output("log", "--format=%H%x09%cs%x09%s", "--", path) or ""
    rows = (line.split("\t", 2) for line in log.splitlines())
    return [row for commit, day, subject in rows for row in _accepted(suite, path, commit, day, subject)]


def _origin(result: CellResult) -> tuple[str, str, str]:
    origin = result.measurement.origin
    return labels.commit(origin.commit, bool(origin.dirty)), origin.torch, origin.machine.label


def _measured(suite: str, origin: tuple[str, str, str], cells: list[CellResult]) -> Measured:
    days = sorted(f"{result.measurement.origin.ended:%Y-%m-%d}" for result in cells)
    return Measured(suite, days[0], days[-1], len(cells), *origin)


def _accepted(suite: str, path: str, commit: str, day: str, subject: str) -> Iterator[Accepted]:
    """Yield a row per stream; none if the commit removed the results."""
    text = git.output("show", f"{commit}:{path}")
    for stream, methods in json.loads(text or "{}").items():
        den = methods.get(labels.PAPER_METHOD, {})
        score = den.get(published_numbers.main_score(stream), math.nan)
        capacity = den.get("capacity", math.nan)
        yield Accepted(suite, stream, day, labels.commit(commit), subject, len(methods), score, capacity)
