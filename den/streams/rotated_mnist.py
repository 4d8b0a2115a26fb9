"""Rotated MNIST: ten classes a task, and in each of five tasks the digits turned by an angle of its own."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt

from den import config
from den.streams import limits, pixels, rotation, standard
from den.streams.lazy import Lazy
from den.tasks import Split, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"orders"})
NAME = "rotated_mnist"

Degrees = Annotated[float, Field(ge=-360, le=360)]


class Preparation(config.Params):
    """What the prepared files depend on: the angle of each task, in degrees, counter-clockwise."""

    angles: tuple[Degrees, ...] = Field((0.0, 36.0, 72.0, 108.0, 144.0), min_length=1)


class Params(standard.Params):
    """What is chosen when the stream is opened."""

    tasks: PositiveInt = 5


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return in words what the prepared files are made from."""
    return standard.SOURCE


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images of every task, rotated: images_1, images_2, ..."""
    angles = [np.array([rotation.from_degrees(degrees)]) for degrees in preparation.angles]
    turned = {f"images_{task}": rotation.rotate(raw["images"], angle) for task, angle in enumerate(angles, 1)}
    return {**turned, "labels": raw["labels"], "orders": standard.orders(seeds)}


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError where more is asked than was prepared."""
    rows = standard.rows(NAME, params, arrays, seed)
    limits.tasks(NAME, params.tasks, sum(name.startswith("images_") for name in arrays))

    def split(task: int, part: str) -> Split:
        return standard.split(arrays[f"images_{task + 1}"], arrays["labels"], rows[part], params)

    tasks = Lazy(params.tasks, lambda task: Task(task, split(task, "train"), split(task, "validation")))
    tests = Lazy(params.tasks, lambda task: split(task, "test"))
    return Stream(NAME, (pixels.features(arrays["images_1"], params),), pixels.CLASSES, tasks, tests)
