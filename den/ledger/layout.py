"""The layout of a ledger: `YYYY/MM/ID.PART.json.gz`, under the month, in UTC, in which the content began or ended."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

MEASUREMENT, BEGUN, ENDED = "measurement", "begun", "ended"
ENDING = ".json.gz"


class File(NamedTuple):
    """A file's path inside the ledger, with size and modification time, which reveal a change."""

    path: str
    size: int
    modified: int


def place(moment: datetime, id: str, part: str) -> str:
    """Return the path of a file inside the ledger."""
    return f"{moment.astimezone(UTC):%Y/%m}/{id}.{part}{ENDING}"


def part_of_end(moment: datetime) -> str:
    """Return the part in the name of a run's end. A retried run ends more than once, and each end keeps its file."""
    return f"{ENDED}-{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"


def name_of(path: str) -> tuple[str, str]:
    """Return the id and the part in a file's name."""
    id, _, part = Path(path).name.removesuffix(ENDING).partition(".")
    return id, part


def listed(folder: Path) -> Iterator[File]:
    """Yield the files of a ledger, except unfinished ones, whose names begin with a dot."""
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
    """Return a file with its present size and modification time; None if it is gone."""
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
