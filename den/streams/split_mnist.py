"""Split MNIST: five tasks, each tells two digits apart: 0 from 1, 2 from 3, and so on."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from den import config
from den.streams import limits, pixels, standard
from den.streams.lazy import Lazy
from den.tasks import Split, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"orders"})
NAME = "split_mnist"
EACH = 2  # classes of a task


class Preparation(config.Params):
    """Nothing to choose: the published images, and a split of them for each seed."""


class Params(pixels.Look):
    """What is chosen when the stream is opened. Images are counted per class; null takes all there are."""

    tasks: int = Field(pixels.CLASSES // EACH, ge=1, le=pixels.CLASSES // EACH)
    training_images: PositiveInt | None = None
    validation_images: NonNegativeInt = 500
    test_images: PositiveInt | None = None


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return in words what the prepared files are made from."""
    return standard.SOURCE


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, and for each seed the order in which images are taken for training."""
    return {"images": raw["images"], "labels": raw["labels"], "orders": standard.orders(seeds)}


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError where more is asked than was prepared."""
    images, labels = arrays["images"], np.asarray(arrays["labels"])
    rows = _rows(params, labels, limits.of_seed(NAME, arrays["orders"], seed))

    def split(task: int, part: str) -> Split:
        classes = range(EACH * task, EACH * (task + 1))
        chosen = rows[part][np.isin(labels[rows[part]], classes)]
        return pixels.split(pixels.examples(images, chosen, params), pixels.targets(labels[chosen], classes), params)

    tasks = Lazy(params.tasks, lambda task: Task(task, split(task, "train"), split(task, "validation")))
    tests = Lazy(params.tasks, lambda task: split(task, "test"))
    return Stream(NAME, (pixels.features(images, params),), pixels.CLASSES, tasks, tests)


def _rows(params: Params, labels: np.ndarray, order: np.ndarray) -> dict[str, np.ndarray]:
    """Return the images of the three splits, of all classes; validation comes from the end of the order."""
    backwards = order[::-1]
    validation = _first(backwards, labels, params.validation_images, "validation_images")
    left = order[~np.isin(order, validation)]
    test = np.arange(pixels.TRAINING, len(labels))
    return {
        "train": _first(left, labels, params.training_images, "training_images"),
        "validation": validation,
        "test": _first(test, labels, params.test_images, "test_images"),
    }


def _first(rows: np.ndarray, labels: np.ndarray, count: int | None, key: str) -> np.ndarray:
    """Return the rows that are among the first `count` of their class, in their order."""
    if count is None:
        return rows
    smallest = int(np.bincount(labels[rows], minlength=pixels.CLASSES).min())
    limits.at_most(f"streams.{NAME}.{key}", count, smallest, "ask for fewer, or null for all")
    places = np.concatenate([np.flatnonzero(labels[rows] == one)[:count] for one in range(pixels.CLASSES)])
    return rows[np.sort(places)]
