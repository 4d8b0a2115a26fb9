"""Split MNIST: five tasks; each separates two digits: 0 from 1, 2 from 3, and so on."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from den import config
from den.streams import limits, pixels, standard
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"orders"})
NAME = "split_mnist"
EACH = 2  # classes per task


class Preparation(config.Params):
    """No settings: the published images, and a draw of them per seed."""


class Params(pixels.Look):
    """Settings for opening the stream. Images are counted per class; null takes all."""

    tasks: int = Field(pixels.CLASSES // EACH, ge=1, le=pixels.CLASSES // EACH)
    training_images: PositiveInt | None = None
    validation_images: NonNegativeInt = 500
    test_images: PositiveInt | None = None


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared."""
    return standard.SOURCE


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, and per seed the order in which they are taken for training."""
    return {"images": raw["images"], "labels": raw["labels"], "orders": standard.orders(seeds)}


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError if the settings ask for more than is prepared."""
    images, labels = arrays["images"], np.asarray(arrays["labels"])
    rows = _rows(params, labels, limits.of_seed(NAME, arrays["orders"], seed))

    def examples(task: int, part: str) -> Examples:
        classes = range(EACH * task, EACH * (task + 1))
        chosen = rows[part][np.isin(labels[rows[part]], classes)]
        return pixels.examples(pixels.flat(images, chosen, params), pixels.targets(labels[chosen], classes), params)

    tasks = Lazy(params.tasks, lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
    tests = Lazy(params.tasks, lambda task: examples(task, "test"))
    return Stream(NAME, (pixels.features(images, params),), pixels.CLASSES, tasks, tests)


def _rows(params: Params, labels: np.ndarray, order: np.ndarray) -> dict[str, np.ndarray]:
    """Return the images of training, validation and test data over all classes; validation takes the order's end."""
    backwards = order[::-1]
    validation = _first(backwards, labels, params.validation_images, "validation_images")
    remaining = order[~np.isin(order, validation)]
    test = np.arange(pixels.TRAINING, len(labels))
    return {
        "train": _first(remaining, labels, params.training_images, "training_images"),
        "validation": validation,
        "test": _first(test, labels, params.test_images, "test_images"),
    }


def _first(rows: np.ndarray, labels: np.ndarray, count: int | None, key: str) -> np.ndarray:
    """Return the first `count` rows of each class, in their order; all rows if None."""
    if count is None:
        return rows
    smallest = int(np.bincount(labels[rows], minlength=pixels.CLASSES).min())
    limits.at_most(f"streams.{NAME}.{key}", count, smallest, "ask for fewer, or null for all")
    places = np.concatenate([np.flatnonzero(labels[rows] == label)[:count] for label in range(pixels.CLASSES)])
    return rows[np.sort(places)]
