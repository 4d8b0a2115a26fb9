"""What a kind of file gives: the columns that divide its rows, and its features batch by batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from den.streams.own_data import Preparation
from den.streams.prepared import DataError

TOKENS = ("", "nan", "NaN", "None", "null", "<NA>")
"Texts that mean a missing value."


@dataclass(frozen=True, eq=False)
class Divisions:
    """The columns that divide rows, each (rows,) of text. task: None if lists of classes make tasks. part: may lack."""

    label: np.ndarray
    task: np.ndarray | None
    part: np.ndarray | None


class Source(Protocol):
    """A file that has been opened; it is read twice, first for its divisions, then for its features."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row."""

    @property
    def dtype(self) -> np.dtype:
        """The type in which features are stored: float32, or uint8 for images."""

    def divisions(self) -> Divisions:
        """Return the columns that divide rows. Raises DataError, which names file, row and column of a fault."""

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the features in the order of rows: (rows, *shape). Raises DataError for what is no finite number."""

    def place(self, row: int) -> str:
        """Return file and line of a row, for messages; rows count from 0."""


def divided(columns: Mapping[str, np.ndarray], settings: Preparation) -> Divisions:
    """Return the columns of `divisions_of`, by name, as divisions."""
    task = columns.get(settings.task) if settings.classes is None else None  # lists of classes win over a column
    return Divisions(columns[settings.label], task, columns.get(settings.part))


def place_of(path: Path, row: int) -> str:
    """Return file and row for a message, in which rows count from 1."""
    return f"{path}, row {row + 1:,}"


def finite(batch: np.ndarray) -> np.ndarray:
    """Return numbers as float32. Raises ValueError, with row and feature from 0, for one that is not finite."""
    with np.errstate(over="ignore"):
        numbers = batch.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(tuple(int(place) for place in np.argwhere(~np.isfinite(numbers))[0]))
    return numbers


def columns_of(path: str, names: list[str], settings: Preparation) -> tuple[list[str], list[str]]:
    """Return the columns that divide rows, and those that are features.

    Raises DataError for a missing or repeated column, and for a file without features.
    """
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path}: column {repeated[0]} is there twice; name each column once")
    dividing = divisions_of(path, names, settings, "column")
    if lacking := sorted(set(settings.leave_out) - set(names)):
        raise DataError(f"{path}: column {lacking[0]} of leave_out is missing; it has {listed(names)}")
    features = [name for name in names if name not in {*dividing, settings.task, *settings.leave_out}]
    if not features:
        raise DataError(f"{path}: no column is left for features; it has {listed(names)}")
    return dividing, features


def divisions_of(path: str, names: list[str], settings: Preparation, what: str) -> list[str]:
    """Return the names of the columns or arrays that divide rows. Raises DataError if one is missing."""
    if settings.label not in names:
        raise DataError(
            f"{path}: {what} {settings.label} with the labels is missing; it has {listed(names)}; "
            f"the setting label of data.streams.NAME names another"
        )
    dividing = [settings.label]
    if settings.classes is None:
        if settings.task not in names:
            raise DataError(
                f"{path}: {what} {settings.task} with the tasks is missing; it has {listed(names)}; the setting task "
                "of data.streams.NAME names another, and --classes 2 or --classes 'a b, c d' makes tasks of classes"
            )
        dividing.append(settings.task)
    return dividing + [settings.part] * (settings.part in names)


def listed(names: list[str], most: int = 8) -> str:
    """Return the first names in words."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
