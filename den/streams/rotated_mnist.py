"""Rotated MNIST: ten classes a task, and in each task the digits turned by an angle of its own.

The angles are the same for every seed, or drawn for each, as in Lopez-Paz and Ranzato 2017 (MNIST Rotations).
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from den import config
from den.streams import draws, limits, pixels, rotation, standard
from den.streams.lazy import Lazy
from den.tasks import Split, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"orders", "angles"})
NAME = "rotated_mnist"
DRAWN = 100  # angles of a seed, and so the most tasks that can be opened

Degrees = Annotated[float, Field(ge=-360, le=360)]
Angles = Annotated[tuple[Degrees, ...], Field(min_length=1)]


class Preparation(config.Params):
    """What the prepared files depend on: the angle of each task, in degrees, counter-clockwise.

    random: every seed draws its own, uniform from 0 to 180 degrees, for the first task, too.
    """

    angles: Angles | Literal["random"] = (0.0, 36.0, 72.0, 108.0, 144.0)


class Params(standard.Params):
    """What is chosen when the stream is opened."""

    tasks: PositiveInt = 5


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return in words what the prepared files are made from."""
    return standard.SOURCE


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images of every task, rotated: images_1, images_2, ...

    Of random angles return the images as published and the angles: (seeds, 100) int32, in 65,536ths of a turn.
    """
    shared = {"labels": raw["labels"], "orders": standard.orders(seeds)}
    if preparation.angles == "random":
        return {"images": raw["images"], "angles": np.stack([drawn(seed) for seed in range(seeds)]), **shared}
    angles = [np.array([rotation.from_degrees(degrees)]) for degrees in preparation.angles]
    turned = {f"images_{task}": rotation.rotate(raw["images"], angle) for task, angle in enumerate(angles, 1)}
    return {**turned, **shared}


def drawn(seed: int) -> np.ndarray:
    """Return the angles of a seed's tasks: (100,) int32, in 65,536ths of a turn, uniform over half a turn."""
    return (draws.words(DRAWN, NAME, "angles", seed) % (rotation.TURN // 2)).astype(np.int32)


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError where more is asked than was prepared.

    Random angles turn images when a split is first asked for, about two seconds a task. They are kept, a byte a pixel.
    """
    rows = standard.rows(NAME, params, arrays, seed)
    random = "angles" in arrays
    angles = limits.of_seed(NAME, arrays["angles"], seed) if random else np.empty(0)
    limits.tasks(NAME, params.tasks, len(angles) if random else sum(name.startswith("images_") for name in arrays))

    def prepared(task: int, part: str) -> Split:
        return standard.split(arrays[f"images_{task + 1}"], arrays["labels"], rows[part], params)

    @cache
    def turned(task: int, part: str) -> Split:
        images = rotation.rotate(arrays["images"][rows[part]], angles[task : task + 1])
        return standard.split(images, arrays["labels"][rows[part]], np.arange(len(images)), params)

    split = turned if random else prepared
    tasks = Lazy(params.tasks, lambda task: Task(task, split(task, "train"), split(task, "validation")))
    tests = Lazy(params.tasks, lambda task: split(task, "test"))
    features = pixels.features(arrays["images" if random else "images_1"], params)
    return Stream(NAME, (features,), pixels.CLASSES, tasks, tests)
