"""How a benchmark ended, against the accepted results, and what has changed since they were made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from den.ledger import Places, Record, read_record
from den.runs import unnamed
from flows.tracing import changed_files, commit_of
from reports import judgement, tables
from reports.judgement import Judgement
from reports.printed import Table
from reports.shelf import ACCEPTED

FAILED = "failed"
VERSIONS = {
    "stream_hash": "data", "python": "Python", "torch": "torch", "cuda": "CUDA", "device": "device", "host": "machine",
    "lock_hash": "requirements.txt",
}  # fmt: skip
SHOWN = 8  # characters of a hash


@dataclass(frozen=True)
class Verdict:
    """What is made of a benchmark: a word for all of it, its judgements, and what changed under those that differ."""

    word: str
    judgements: Sequence[Judgement] = ()
    changes: Sequence[str] = ()

    def of(self, stream: str) -> str:
        """Return the gravest judgement on one stream; `new` where nothing is accepted."""
        return judgement.overall([one for one in self.judgements if one.stream == stream])

    def table(self, stream: str) -> Table | None:
        """Return the judgements on a stream as a table, its note with what changed; None where nothing is accepted."""
        found = [one for one in self.judgements if one.stream == stream]
        if not found:
            return None
        said = judgement.table(found)
        since = f" Changed since: {'; '.join(self.changes)}." if self.changes else ""
        return replace(said, note=said.note + since)


UNJUDGED = Verdict("new")


def verdict(suite: str, records: Sequence[Record], failures: Mapping[str, str] | None = None) -> Verdict:
    """Return the verdict on a suite's finished cells: `failed` where cells failed, or the gravest judgement.

    `new` where nothing of it is accepted.
    """
    if not (ACCEPTED / suite).exists() or not records:
        return Verdict(FAILED) if failures else UNJUDGED
    accepted = tables.read(ACCEPTED / suite)
    judgements = judgement.judge(accepted, tables.collect(records, suite))
    differing = {(one.stream, one.method) for one in judgements if one.outcome not in ("unchanged", "new")}
    changes = since(accepted, [record for record in records if _place(record)[:2] in differing])
    return Verdict(FAILED if failures else judgement.overall(judgements), judgements, changes)


def since(accepted: tables.Tables, records: Iterable[Record]) -> list[str]:
    """Return in words what is different from when the accepted results of these records' cells were made."""
    rows = accepted.cells.set_index(["stream", "method", "seed"])["identity"]
    before = {place: str(found) for record in records if (found := rows.get(place := _place(record))) is not None}
    pairs = [(_stored(before[place]), record) for record in records if (place := _place(record)) in before]
    known = [(old, record) for old, record in pairs if old is not None]
    said = dict.fromkeys(change for old, record in known for change in changes(old, record))
    lost = [f"{len(pairs) - len(known)} accepted cells have no record here to compare with"]
    return [*said, *lost * (len(pairs) > len(known))]


def changes(old: Record, new: Record) -> Iterator[str]:
    """Yield in words what two records of a cell were not made alike in: settings, data, versions, code."""
    before, after = _settings(old), _settings(new)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield f"{key} is {after.get(key)}, it was {before.get(key)}"
    for key, name in VERSIONS.items():
        was, now = (str(record["provenance"].get(key))[:SHOWN] for record in (old, new))
        if was != now:
            yield f"{name} is {now}, it was {was}"
    yield from _code(commit_of(old), commit_of(new))
    if new["provenance"]["dirty"]:
        yield "den/ has changes that are not committed"


def _place(record: Record) -> tuple[str, str, int]:
    return record["cell"]["stream"], tables.method(record), record["cell"]["seed"]


def _stored(identity: str) -> Record | None:
    found = next(Places().results.rglob(f"{identity}.json"), None)
    return read_record(found) if found else None


def _settings(record: Record) -> dict[str, Any]:
    """Return the settings of a record's cell by their dotted keys."""
    (found,) = pd.json_normalize(unnamed(record)["cell"]).to_dict("records")
    return {str(key): value for key, value in found.items()}


def _code(old: str | None, new: str | None) -> Iterator[str]:
    if old == new:
        return
    if (files := changed_files(old, new)) is None:
        yield f"the commits {str(old)[:SHOWN]} and {str(new)[:SHOWN]} are not both here to compare"
    elif files:
        yield f"{', '.join(files)} from {str(old)[:SHOWN]} to {str(new)[:SHOWN]}"
