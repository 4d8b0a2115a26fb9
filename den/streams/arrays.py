"""Arrays: a stream whose tasks are blocks of consecutive rows; training, validation and test data given or drawn.

`Stream` makes one in memory. `own_data` opens one from memory-mapped files.
"""

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from den import tasks
from den.config import SettingsError
from den.streams import draws, pixels
from den.streams.lazy import Lazy
from den.streams.tables import PARTS, standard
from den.tasks import Examples, Scale, Task

NAME = "arrays"  # of the draws
DRAWN = len(PARTS)
"The value in `parts` of a row whose part the data do not give: the seed draws it."


@dataclass(frozen=True)
class Shares:
    """Shares of each class of a task that the seed draws for validation and test data."""

    validation: float = 0.2
    test: float = 0.2


@dataclass(frozen=True, eq=False)
class Blocks:
    """Rows in the order of their tasks.

    x: (rows, features) float32, or images (rows, channels, height, width) uint8 or float32. classes: (rows,) int32,
    each row's class, from 0. parts: (rows,) uint8, an index of PARTS, or DRAWN. ends: (tasks,) int64, the end of each
    task's rows. names, task_names: texts, for messages.
    """

    x: np.ndarray
    classes: np.ndarray
    parts: np.ndarray
    ends: np.ndarray
    names: np.ndarray
    task_names: np.ndarray

    @cached_property
    def starts(self) -> np.ndarray:
        """The first row of each task: (tasks,) int64."""
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])

    def block(self, task: int) -> slice:
        """Return the rows of a task."""
        return slice(int(self.starts[task]), int(self.ends[task]))

    def classes_of(self, task: int) -> np.ndarray:
        """Return the classes of a task, ascending: (outputs,) int32."""
        return np.unique(self.classes[self.block(task)])


@dataclass(frozen=True, eq=False)
class Stream(tasks.Stream):
    """A stream of one's own arrays or torch data sets, for any method of the benchmark.

    Images are read by convolutions. What the data do not give, a seed draws.
    """

    @classmethod
    def from_blocks(
        cls,
        name: str,
        blocks: Blocks,
        seed: int,
        shares: Shares | None = None,
        standardise: bool = True,
        count: int | None = None,
    ) -> Self:
        """Return the stream of these blocks; a task's examples are read on access.

        A task has one output per class of its rows. seed: draws the rows that belong to no part yet. standardise: scale
        features by mean and deviation of the first task's training data; pixels of type uint8 are scaled to [0, 1].
        count: the number of tasks, the first ones; None for all.
        Raises SettingsError if a class has too few rows for a part.
        """
        count, given = count or len(blocks.ends), shares or Shares()
        rows = [_rows(name, blocks, task, seed, given) for task in range(count)]  # refuses one before any is learned
        first = torch.from_numpy(blocks.x[rows[0]["train"]]) if standardise and blocks.x.ndim == 2 else None
        scale = _scale(blocks.x, first)

        def examples(task: int, part: str) -> Examples:
            chosen = rows[task][part]
            targets = pixels.targets(blocks.classes[chosen], blocks.classes_of(task))
            return Examples(torch.from_numpy(blocks.x[chosen]), targets, *scale)

        made = Lazy(count, lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
        classes = len(np.unique(blocks.classes[: blocks.ends[count - 1]]))
        return cls(name, blocks.x.shape[1:], classes, made, Lazy(count, lambda task: examples(task, "test")))

    @classmethod
    def from_arrays(
        cls,
        x: ArrayLike,
        labels: ArrayLike,
        task: ArrayLike,
        part: ArrayLike | None = None,
        *,
        seed: int = 0,
        shares: Shares | None = None,
        standardise: bool = True,
        name: str = "arrays",
    ) -> Self:
        """Return a stream of arrays in memory.

        x: (examples, features) numbers, or images (examples, channels, height, width). labels, task: (examples,)
        integers or strings; tasks and classes are taken in sorted order. part: (examples,) train, validation or test;
        None lets the seed draw shares of each class. standardise: features, as the first task's training data are.
        Raises ValueError for other arrays, SettingsError for a class of too few examples.
        """
        table = _numbers(np.asarray(x))
        columns = {"labels": np.asarray(labels), "task": np.asarray(task)}
        for key, column in columns.items():
            if column.shape != table.shape[:1] or column.dtype.kind not in "biuU":
                raise ValueError(f"{key} is {column.dtype} {column.shape}; give {len(table)} integers or strings")
        order = np.argsort(columns["task"], kind="stable")
        task_names, counts = np.unique(columns["task"], return_counts=True)
        names, classes = np.unique(columns["labels"], return_inverse=True)
        parts = np.full(len(table), DRAWN, np.uint8) if part is None else _parts(np.asarray(part), len(table))
        blocks = Blocks(
            x=table[order],
            classes=classes.astype(np.int32)[order],
            parts=parts[order],
            ends=np.cumsum(counts),
            names=names.astype(str),
            task_names=task_names.astype(str),
        )
        return cls.from_blocks(name, blocks, seed, shares, standardise)

    @classmethod
    def from_datasets(
        cls,
        train: Sequence[Iterable[Any]],
        test: Sequence[Iterable[Any]],
        validation: Sequence[Iterable[Any]] | None = None,
        *,
        seed: int = 0,
        shares: Shares | None = None,
        standardise: bool = True,
        name: str = "arrays",
    ) -> Self:
        """Return a stream of torch data sets, a training and a test set per task, read into memory once.

        An item is an example (a tensor or an array) and its label, an integer. validation: None draws it from the
        training data. Raises ValueError for unequal numbers of sets or unequal shapes, SettingsError as `from_arrays`.
        """
        sets = {"train": train, "validation": validation, "test": test}
        if any(chosen is not None and len(chosen) != len(train) for chosen in sets.values()):
            sizes = ", ".join(f"{len(chosen)} for {part}" for part, chosen in sets.items() if chosen is not None)
            raise ValueError(f"{sizes}; give one data set per task for each part")
        read = [
            (np.asarray(example), int(label), task, part)
            for part, chosen in sets.items()
            for task, items in enumerate(chosen or ())
            for example, label in _items(items)
        ]
        examples, labels, task, part = zip(*read, strict=True)
        if len(shapes := sorted({example.shape for example in examples})) > 1:
            raise ValueError(f"examples have unequal shapes: {', '.join(map(str, shapes))}")
        x = np.stack(examples)
        return cls.from_arrays(x, labels, task, part, seed=seed, shares=shares, standardise=standardise, name=name)


def _items(items: Iterable[Any]) -> Iterable[Any]:
    """Return the items of a data set; torch's have a length, and need not end an iteration by themselves."""
    return (items[index] for index in range(len(items))) if isinstance(items, Sized) else items  # type: ignore[index]


def _numbers(x: np.ndarray) -> np.ndarray:
    """Return a table as float32, images of bytes as they are. Raises ValueError for anything else."""
    if x.ndim not in (2, 4) or x.size == 0 or x.dtype.kind not in "biuf":
        raise ValueError(
            f"x is {x.dtype} {x.shape}; give numbers, (examples, features) or (examples, channels, height, width)"
        )
    if x.ndim == 4 and x.dtype == np.uint8:
        return x
    with np.errstate(over="ignore"):
        table = x.astype(np.float32)
    if len(places := np.argwhere(~np.isfinite(table))):
        raise ValueError(f"x holds a number that is not finite as float32 at {tuple(map(int, places[0]))}")
    return table


def _parts(part: np.ndarray, count: int) -> np.ndarray:
    names = part.astype(str)
    if part.shape != (count,) or not np.isin(names, PARTS).all():
        raise ValueError(f"part is {part.dtype} {part.shape}; give {', '.join(PARTS)} per example")
    return np.array([PARTS.index(name) for name in names], np.uint8)


def _scale(x: np.ndarray, first: Tensor | None) -> tuple[Scale, Scale]:
    if first is not None:
        return standard(first)
    return (0.0, 255.0) if x.dtype == np.uint8 else (0.0, 1.0)


def _rows(name: str, blocks: Blocks, task: int, seed: int, shares: Shares) -> Mapping[str, np.ndarray]:
    """Return the rows of each part of a task, mixed. Raises SettingsError if a part lacks examples."""
    block = blocks.block(task)
    parts, classes = np.array(blocks.parts[block]), np.asarray(blocks.classes[block])
    _draw(parts, classes, DRAWN, {"validation": shares.validation, "test": shares.test}, task, seed)
    if not (parts == PARTS.index("validation")).any():
        _draw(parts, classes, PARTS.index("train"), {"validation": shares.validation}, task, seed)
    chosen = {part: np.flatnonzero(parts == index) for index, part in enumerate(PARTS)}
    _refuse_lack(name, blocks, task, {part: np.unique(classes[rows]) for part, rows in chosen.items()})
    return {
        part: block.start + rows[draws.permutation(len(rows), NAME, part, seed, task)] for part, rows in chosen.items()
    }


def _draw(
    parts: np.ndarray, classes: np.ndarray, among: int, shares: Mapping[str, float], task: int, seed: int
) -> None:
    """Assign shares of each class's rows of part `among` to other parts, and the rest to training, in place."""
    chosen = parts == among
    for present in np.unique(classes[chosen]):
        members = np.flatnonzero(chosen & (classes == present))
        order = members[draws.permutation(len(members), NAME, "parts", seed, task, int(present))]
        sizes = [_size(share, len(members)) for share in shares.values()]
        pieces = np.split(order, np.cumsum(sizes))
        for part, piece in zip([*shares, "train"], pieces, strict=True):
            parts[piece] = PARTS.index(part)


def _size(share: float, count: int) -> int:
    """Return the size of a share of `count` rows: one at least if each part can have one."""
    return max(round(share * count), 1 if count >= len(PARTS) else 0)


def _refuse_lack(name: str, blocks: Blocks, task: int, classes: Mapping[str, np.ndarray]) -> None:
    """Raise SettingsError for a task whose parts hold too few classes. classes: of each part."""
    place, of_task = f"{name}, task {blocks.task_names[task]}", blocks.classes_of(task)
    if len(of_task) < 2:
        raise SettingsError(
            f"{place}: its only class is {blocks.names[of_task[0]]}; give it examples of a second class"
        )
    if len(lacking := np.setdiff1d(of_task, classes["train"])):
        raise SettingsError(
            f"{place}: class {blocks.names[lacking[0]]} has no training data; add some, or leave it out"
        )
    for part in ("validation", "test"):
        if len(classes[part]) < 2:
            raise SettingsError(
                f"{place}: its {part} data hold {len(classes[part])} classes, and a score needs two; add examples"
            )
