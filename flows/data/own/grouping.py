"""The tasks, classes and parts of the rows of a file, and the place of each row in the order of tasks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import numpy as np

from den.streams.arrays import DRAWN, PARTS
from den.streams.own_data import ENDS, Preparation
from den.streams.prepared import DataError
from flows.data.own.source import Divisions, Source, listed

WHOLE = re.compile(r"-?\d+")


class Column(NamedTuple):
    """A column of text: its values, sorted, and the index of each row's value; -1 for a row that is left out."""

    names: list[str]
    codes: np.ndarray


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a file. places: (rows,) int64, where each is stored; -1 for one that is left out.

    stored: all prepared arrays but the features, as `den.streams.arrays.Blocks` names them.
    """

    path: str
    summary: str
    places: np.ndarray
    stored: dict[str, np.ndarray]


def rows_of(source: Source, settings: Preparation) -> Rows:
    """Return the rows of a file. Raises DataError for tasks, classes or parts that make no stream."""
    path, divisions = settings.file, source.divisions()
    classes = column_of(divisions.label)
    tasks = column_of(divisions.task) if divisions.task is not None else tasks_of_classes(path, classes, settings)
    if settings.exclusive:
        _refuse_shared(source, classes, tasks)
    parts = _parts(source, divisions, settings)
    _refuse_lack(path, tasks, parts, settings)
    order = _order(tasks)
    places = np.full(len(tasks.codes), -1, np.int64)
    places[order] = np.arange(len(order))
    stored_classes = _taken(classes, order)
    stored = {
        "classes": stored_classes.codes.astype(np.int32),
        "parts": parts[order],
        ENDS: np.cumsum(np.bincount(tasks.codes[order], minlength=len(tasks.names))).astype(np.int64),
        "names": np.array(stored_classes.names),
        "task_names": np.array(tasks.names),
    }
    return Rows(path, _summary(source, tasks, stored_classes, len(places)), places, stored)


def column_of(texts: np.ndarray) -> Column:
    """Return a column of text; values are sorted as numbers if all are whole numbers."""
    names, codes = np.unique(texts, return_inverse=True)
    whole = all(WHOLE.fullmatch(name) for name in names.tolist())
    order = sorted(range(len(names)), key=lambda index: (int(names[index]) if whole else 0, str(names[index])))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return Column([str(names[index]) for index in order], places[codes])


def _order(tasks: Column) -> np.ndarray:
    """Return the indices of the rows that belong to a task, task by task; within a task in the order of the file."""
    kept = np.flatnonzero(tasks.codes >= 0)
    return kept[np.argsort(tasks.codes[kept], kind="stable")]


def _taken(column: Column, rows: np.ndarray) -> Column:
    """Return the column of these rows; values that none of them has are left out, and the others count from 0."""
    codes = column.codes[rows]
    present = np.isin(np.arange(len(column.names)), codes)
    numbers = np.cumsum(present) - 1
    return Column(list(compress(column.names, present)), numbers[codes])


def tasks_of_classes(path: str, classes: Column, settings: Preparation) -> Column:
    """Return the tasks that lists of classes make; rows of other classes are left out. Raises DataError."""
    groups = _groups(path, classes.names, settings)
    of_class = np.full(len(classes.names), -1, np.int64)
    for task, group in enumerate(groups):
        for name in group:
            if name not in classes.names:
                raise DataError(f"{path}: class {name} of the lists is not there; it has {listed(classes.names)}")
            if of_class[classes.names.index(name)] >= 0:
                raise DataError(f"{path}: class {name} is in two lists; a class belongs to one task")
            of_class[classes.names.index(name)] = task
    return Column([str(task + 1) for task in range(len(groups))], of_class[classes.codes])


def _groups(path: str, names: Sequence[str], settings: Preparation) -> list[list[str]]:
    size = settings.classes
    if isinstance(size, tuple):
        return [[str(name) for name in group] for group in size]
    assert size is not None
    if size < 2 or len(names) % size:
        divisors = ", ".join(str(count) for count in range(2, len(names) + 1) if len(names) % count == 0)
        raise DataError(f"{path}: {len(names)} classes do not divide into tasks of {size}; ask for {divisors}")
    return [list(names[first : first + size]) for first in range(0, len(names), size)]


def _parts(source: Source, divisions: Divisions, settings: Preparation) -> np.ndarray:
    """Return the part of each row: (rows,) uint8, an index of PARTS, or DRAWN."""
    if divisions.part is None:
        return np.full(len(divisions.label), DRAWN, np.uint8)
    if (wrong := ~np.isin(divisions.part, PARTS)).any():
        row = int(np.argmax(wrong))
        value = f"{source.place(row)}, column {settings.part}: {str(divisions.part[row])!r}"
        raise DataError(f"{value} is no part; write {', '.join(PARTS)}, or let the setting part name another column")
    return sum((divisions.part == part).astype(np.uint8) * index for index, part in enumerate(PARTS))


def _refuse_shared(source: Source, classes: Column, tasks: Column) -> None:
    """Raise DataError for a class in two tasks."""
    for code, name in enumerate(classes.names):
        rows = np.flatnonzero(classes.codes == code)
        of_rows = tasks.codes[rows]
        if (other := of_rows != of_rows[0]).any():
            place, pair = source.place(int(rows[np.argmax(other)])), (of_rows[0], of_rows[np.argmax(other)])
            both = " and ".join(tasks.names[task] for task in pair)
            raise DataError(f"{place}: class {name} is in the tasks {both}; with exclusive a class has one task")


def _refuse_lack(path: str, tasks: Column, parts: np.ndarray, settings: Preparation) -> None:
    """Raise DataError for a task without training or test data, if a column says which rows these are."""
    for part in ("train", "test"):
        for task, name in enumerate(tasks.names):
            if not ((tasks.codes == task) & ((parts == PARTS.index(part)) | (parts == DRAWN))).any():
                raise DataError(f"{path}: task {name} has no {part} data; give it rows whose {settings.part} is {part}")


def _summary(source: Source, tasks: Column, classes: Column, rows: int) -> str:
    """Return the size of the stream in words. classes: of its rows. rows: of the file."""
    kept = len(classes.codes)
    size = " × ".join(f"{number:,}" for number in source.shape)
    left_out = f"; {rows - kept:,} rows of other classes are left out" if kept < rows else ""
    features = f"{kept:,} rows of {size} {'features' if len(source.shape) == 1 else 'pixels'}"
    megabytes = kept * int(np.prod(source.shape)) * source.dtype.itemsize / 1e6
    return f"{features}, {megabytes:,.0f} MB, {len(tasks.names)} tasks, {len(classes.names)} classes{left_out}"
