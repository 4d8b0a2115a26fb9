"""Where the files of a ledger lie: `YYYY/MM/ID.PART.json.gz`, under the month, in UTC, in which it began or ended."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

MEASUREMENT, BEGUN, ENDED = "measurement", "begun", "ended"
ENDING = ".json.gz"


class File(NamedTuple):
    """A file's path inside the ledger, and its size and modification time, by which a changed one is recognised."""

    path: str
    size: int
    modified: int


def place(moment: datetime, id: str, part: str) -> str:
    """Return where a file lies inside the ledger."""
    return f"{moment.astimezone(UTC):%Y/%m}/{id}.{part}{ENDING}"


def part_of_end(moment: datetime) -> str:
    """Return the part that the name of a run's end says: a retried run ends more than once, and keeps every end."""
    return f"{ENDED}-{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"


def name_of(path: str) -> tuple[str, str]:
    """Return the id and the part that a file's name says."""
    id, _, part = Path(path).name.removesuffix(ENDING).partition(".")
    return id, part


def listed(folder: Path) -> Iterator[File]:
    """Yield the files that lie in a ledger; unfinished ones, whose names begin with a dot, are none."""
    for year in _folders(folder):
        for month in _folders(year):
            inside = f"{Path(year).name}/{Path(month).name}/"
            with os.scandir(month) as listing:
                for entry in listing:
                    name = entry.name
                    if name.endswith(ENDING) and name[0] != ".":
                        status = entry.stat()
                        yield File(inside + name, status.st_size, status.st_mtime_ns)


def stamped(folder: Path, path: str) -> File | None:
    """Return one file as it is now; None if it is gone."""
    try:
        status = (folder / path).stat()
    except FileNotFoundError:
        return None
    return File(path, status.st_size, status.st_mtime_ns)


def _folders(folder: Path | str) -> list[str]:
    try:
        with os.scandir(folder) as listing:
            return sorted(entry.path for entry in listing if entry.is_dir() and entry.name.isdigit())
    except FileNotFoundError:
        return []
