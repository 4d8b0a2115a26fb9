"""The ledger: one small JSON record for every finished cell, the source of truth."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from den import files

VERSION = 1
FIELDS = ("identity", "cell", "scores", "measures", "capacity", "train_seconds", "provenance")
Record = dict[str, Any]


class LedgerError(RuntimeError):
    """A record cannot be read; the message names the file and what to do."""


@dataclass(frozen=True)
class Places:
    """Where prepared streams, records, and checkpoints and logs lie."""

    data: Path = Path("data/streams")
    results: Path = Path("results")
    work: Path = Path(".den")


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record, whole or not at all; numbers that are none become null."""
    files.write(path, json.dumps(_plain(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(path: Path) -> Record:
    """Return a record. Raises LedgerError for a file that is not one."""
    try:
        record: Record = json.loads(path.read_text(encoding="utf-8"))
        reason = _fault(record)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it is damaged ({type(error).__name__}: {error})"
    if not reason:
        return record
    raise LedgerError(f"{path}: {reason}; restore it from git, or delete it to run the cell again")


def identities(record: Record) -> list[str]:
    """Return the identity of a record, and before it those it had before it was carried to other code."""
    return [*(step["from"] for step in record["provenance"].get("carried", [])), record["identity"]]


def _fault(record: Record) -> str:
    """Return why a record cannot be used, or nothing where it can."""
    if record["version"] != VERSION:
        return f"it has version {record['version']}, this code reads {VERSION}"
    lacking = [field for field in FIELDS if field not in record]
    return f"it is damaged (it lacks {', '.join(lacking)})" if lacking else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
