"""Rotated MNIST: ten classes per task; each task rotates the digits by its own angle.

The angles are the same for all seeds, or drawn per seed, as in Lopez-Paz and Ranzato 2017 (MNIST Rotations).
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from den import config
from den.streams import draws, limits, pixels, rotation, standard
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"orders", "angles"})
NAME = "rotated_mnist"
DRAWN = 100  # angles per seed: the most tasks that can be opened

Degrees = Annotated[float, Field(ge=-360, le=360)]
Angles = Annotated[tuple[Degrees, ...], Field(min_length=1)]


class Preparation(config.Params):
    """Settings of the prepared files. angles: of each task, in degrees, counter-clockwise.

    random: each seed draws its own angles, uniform from 0 to 180 degrees, also for the first task.
    """

    angles: Angles | Literal["random"] = (0.0, 36.0, 72.0, 108.0, 144.0)


class Params(standard.Params):
    """Settings for opening the stream."""

    tasks: PositiveInt = 5


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared."""
    return standard.SOURCE


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the rotated images of every task: images_1, images_2, ...

    With random angles, return the published images and the angles: (seeds, 100) int32, in 65,536ths of a turn.
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
    """Return the stream of `seed`. Raises SettingsError if the settings ask for more than is prepared.

    With random angles, the first access to a task's data rotates its images, in about two seconds per task. The rotated
    images stay in memory, one byte per pixel.
    """
    rows = standard.rows(NAME, params, arrays, seed)
    random = "angles" in arrays
    angles = limits.of_seed(NAME, arrays["angles"], seed) if random else np.empty(0)
    limits.tasks(NAME, params.tasks, len(angles) if random else sum(name.startswith("images_") for name in arrays))

    def prepared(task: int, part: str) -> Examples:
        return standard.examples(arrays[f"images_{task + 1}"], arrays["labels"], rows[part], params)

    @cache
    def turned(task: int, part: str) -> Examples:
        images = rotation.rotate(arrays["images"][rows[part]], angles[task : task + 1])
        return standard.examples(images, arrays["labels"][rows[part]], np.arange(len(images)), params)

    examples = turned if random else prepared
    tasks = Lazy(params.tasks, lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
    tests = Lazy(params.tasks, lambda task: examples(task, "test"))
    features = pixels.features(arrays["images" if random else "images_1"], params)
    return Stream(NAME, (features,), pixels.CLASSES, tasks, tests)
