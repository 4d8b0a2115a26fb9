"""Giving records the identity of other code that comes to the same numbers, as benchmarks/same.py --carry does.

A record stays what it was: its numbers, its times, the commit and the machine that it was measured with. Its file, its
identity and the tables that name it follow the code, and its provenance says so.
"""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from den import files
from den.ledger import Record, identities, read_record, write_record

COMPARED = "cpu"  # the device that the cells were compared on
IDENTITY = re.compile(r"\b[0-9a-f]{16}\b")

Settings = Mapping[str, Any]
Answer = Mapping[str, Any]
Ask = Callable[..., Answer]  # of a cell's settings: its identity and complete settings, or {"failed": reason}


def carry(root: Path, old: Ask, new: Ask, cells: Sequence[Settings], note: Settings) -> Iterator[str]:
    """Carry the records of the project in `root` from old code to new; yield in lines how many, and why not others.

    cells: those that came to the same under both. note: what a carried record's provenance shall say of it.
    """
    moved, left = 0, Counter[str]()
    for path in sorted(path for path in (root / "results").glob("*/*/*.json")):
        record = read_record(path)
        known = new(cell=record["cell"])
        target = path.with_name(f"{known.get('identity')}.json")
        if reason := refusal(record, old(cell=record["cell"]), known, cells) or occupied(target, record):
            left[reason] += 1
        else:
            move(path, target, carried(record, known, note))
            shutil.rmtree(root / ".den" / record["identity"], ignore_errors=True)  # its checkpoints name their owner
            moved += 1
    yield f"{moved} records carried"
    yield from (f"{count} left: {reason}" for reason, count in left.most_common())
    yield f"{rename(root)} accepted tables name carried records, and follow"


def refusal(record: Record, old: Answer, new: Answer, cells: Collection[Settings]) -> str | None:
    """Return why a record is left as it is, by what both codes make of its cell; None where it may be carried."""
    if new.get("identity") == record["identity"]:
        return "of the new code already"
    if old.get("identity") != record["identity"]:
        return old.get("failed") or "of code, data or versions other than the old ones"
    if "failed" in new:
        return f"no cell under the new code: {new['failed']}"
    if record["provenance"]["device"] != COMPARED:
        return f"not measured on the {COMPARED}, where the cells were compared"
    if any(record["cell"][key] not in {cell[key] for cell in cells} for key in ("stream", "method")):
        return "of a stream or method of which no cell was compared"
    return None if holds(new["cell"], record["cell"]) else "of settings that the new code reads otherwise"


def occupied(target: Path, record: Record) -> str | None:
    """Return why a record cannot go where another lies; its own copy, left by a carrying that was killed, is none."""
    if target.exists() and record["identity"] not in identities(read_record(target)):
        return "measured anew by the new code"
    return None


def carried(record: Record, new: Answer, note: Settings) -> Record:
    """Return the record under its new identity, its settings complete, its provenance longer by `note`."""
    origin = record["provenance"]
    steps = [*origin.get("carried", []), {"from": record["identity"], **note}]
    own = {"identity": new["identity"], "cell": new["cell"], "provenance": {**origin, "carried": steps}}
    return {**record, **own}


def move(path: Path, target: Path, record: Record) -> None:
    """Write the record to its new place, whole, before it leaves the old one."""
    write_record(target, record)
    path.unlink()


def rename(root: Path) -> int:
    """Give the accepted tables the identities that their records have now; return how many tables that changes."""
    records = [read_record(path) for path in sorted((root / "results").glob("*/*/*.json"))]
    now = {former: record["identity"] for record in records for former in identities(record)}
    now |= {record["identity"]: record["identity"] for record in records}
    changed = 0
    for path in sorted((root / "reports/accepted").glob("*/cells.csv")):
        before = path.read_text(encoding="utf-8")
        after = IDENTITY.sub(lambda found: now.get(found[0], found[0]), before)
        if after != before:
            files.write(path, after)
            changed += 1
    return changed


def holds(settings: Any, part: Any) -> bool:
    """Tell whether settings have all that `part` has, and the same."""
    if not isinstance(part, Mapping):
        return bool(settings == part)
    return isinstance(settings, Mapping) and all(key in settings and holds(settings[key], part[key]) for key in part)
