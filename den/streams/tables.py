"""Tables: a stream from your own arrays, with features standardised on the training data of the first task.

The draw of the examples depends on labels and seed alone; draws.py makes it the same on every machine.
"""

from functools import cache
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field, model_validator
from torch import Tensor

from den import config
from den.config import SettingsError
from den.streams import draws, pixels
from den.tasks import Examples, Scale, Stream, Task

NAME = "table"
PARTS = ("train", "validation", "test")


class Params(config.Params):
    """The settings that turn a table into tasks.

    classes_per_task: each task holds the examples of that many classes and separates them; null: one task per class,
    which separates it from the rest over all examples. validation, test: shares of the examples of each class.
    standardise: shift and scale each feature to mean 0 and deviation 1 on the training data of the first task.
    """

    classes_per_task: int | None = Field(2, ge=2)
    validation: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    standardise: bool = True

    @model_validator(mode="after")
    def leave_some(self) -> Self:
        """Refuse shares that leave nothing to learn from."""
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave no training data; their sum must be below 1")
        return self


def build(params: Params, features: ArrayLike, labels: ArrayLike, seed: int, name: str = NAME) -> Stream:
    """Return the stream of a table; its tasks take the classes in sorted order.

    features: (examples, features), finite numbers, converted to float32. labels: (examples,), integers or strings.
    seed: draws training, validation and test data. name: of the stream, for messages.
    Raises ValueError for other arrays, or for a class with too few examples. Raises SettingsError if classes_per_task
    does not divide the number of classes.
    """
    x = _numbers(features)
    names, classes = _classes(labels, len(x))
    tasks = _tasks(params, len(names), name)
    parts = _parts(params, names, classes, seed)
    all_classes = range(len(names))

    @cache
    def drawn(part: str, present: range) -> tuple[Tensor, np.ndarray]:
        rows = np.concatenate([parts[part][index] for index in present])
        mixed = rows[draws.permutation(len(rows), NAME, part, seed, present.start)]
        return torch.from_numpy(x[mixed]), classes[mixed]

    def of_task(task: int, part: str) -> tuple[Tensor, np.ndarray]:
        return drawn(part, tasks[task] if params.classes_per_task else all_classes)

    scale: tuple[Scale, Scale] = standard(of_task(0, "train")[0]) if params.standardise else (0.0, 1.0)

    def examples(task: int, part: str) -> Examples:
        chosen, owners = of_task(task, part)
        return Examples(chosen, pixels.targets(owners, tasks[task]), *scale)

    made = [Task(task, examples(task, "train"), examples(task, "validation")) for task in range(len(tasks))]
    return Stream(name, x.shape[1:], len(names), made, [examples(task, "test") for task in range(len(tasks))])


def standard(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each feature of x (examples, features): (features,) float32, computed in float64.

    A constant feature has deviation 1.
    """
    wide = x.double()
    mean = wide.mean(dim=0)
    deviation = (wide - mean).square().mean(dim=0).sqrt().to(torch.float32)
    return mean.to(torch.float32), torch.where(deviation > 0, deviation, 1.0)


def _numbers(features: ArrayLike) -> np.ndarray:
    """Return features as float32. Raises ValueError if they are not a table of finite numbers."""
    table = np.asarray(features)
    if table.ndim != 2 or table.size == 0 or table.dtype.kind not in "biuf":
        raise ValueError(f"features are {table.dtype} {table.shape}; give numbers, (examples, features)")
    with np.errstate(over="ignore"):
        x = table.astype(np.float32)
    if len(places := np.argwhere(~np.isfinite(x))):
        example, feature = places[0]
        raise ValueError(
            f"{len(places)} features are not finite as float32, the first in example {example}, feature {feature}, "
            "counted from 0; fill them in, or leave their examples or features out"
        )
    return x


def _classes(labels: ArrayLike, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct labels, sorted, and per example the index of its label among them, int64."""
    column = np.asarray(labels)
    if column.shape != (examples,) or column.dtype.kind not in "biuU":
        raise ValueError(
            f"labels are {column.dtype} {column.shape}; give integers or strings, one per example: ({examples},); "
            "labels.astype(str) converts others to strings"
        )
    names, classes = np.unique(column, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"all labels are {names[0]}; give examples of two classes or more")
    return names, classes


def _tasks(params: Params, classes: int, name: str) -> list[range]:
    """Return the classes of each task. Raises SettingsError if classes_per_task does not divide their number."""
    size = params.classes_per_task or 1
    if classes % size:
        divisors = ", ".join(str(count) for count in range(2, classes + 1) if classes % count == 0)
        raise SettingsError(
            f"{name}.classes_per_task: {classes} classes do not divide into tasks of {size}; ask for {divisors} or "
            "null (each class against the rest), or leave classes out"
        )
    return [range(first, first + size) for first in range(0, classes, size)]


def _parts(params: Params, names: np.ndarray, classes: np.ndarray, seed: int) -> dict[str, list[np.ndarray]]:
    """Return, per part of the data, the examples of each class."""
    drawn = [
        _drawn(params, name, np.flatnonzero(classes == index), "split", seed, index) for index, name in enumerate(names)
    ]
    return {part: [of_class[place] for of_class in drawn] for place, part in enumerate(PARTS)}


def _drawn(params: Params, name: object, members: np.ndarray, *key: str | int) -> list[np.ndarray]:
    """Return the training, validation and test examples of the class `name`, drawn from its members."""
    held = [round(share * len(members)) for share in (params.validation, params.test)]
    sizes = [len(members) - sum(held), *held]
    if min(sizes) < 1:
        shares = ", ".join(f"{size} for {part}" for size, part in zip(sizes, PARTS, strict=True))
        raise ValueError(
            f"class {name} has {len(members)} examples: {shares}; each part takes one or more, so add examples, "
            "leave the class out, or change the shares validation and test"
        )
    order = members[draws.permutation(len(members), NAME, *key)]
    return np.split(order, np.cumsum(sizes)[:-1])
