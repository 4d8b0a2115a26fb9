"""Permuted MNIST: ten classes a task, and in every task, the first included, the pixels in an order of its own."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, PositiveInt

from den import config
from den.streams import draws, limits, pixels, standard
from den.streams.lazy import Lazy
from den.tasks import Split, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"orders", "permutations"})
NAME = "permuted_mnist"
PADDING = 2  # the widest that the permutations reach
PIXELS = (28 + 2 * PADDING) ** 2


class Preparation(config.Params):
    """What the prepared files depend on: the number of tasks that can be opened."""

    tasks: PositiveInt = 10


class Params(standard.Params):
    """What is chosen when the stream is opened."""

    tasks: PositiveInt = 10
    padding: int = Field(0, ge=0, le=PADDING)


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return in words what the prepared files are made from."""
    return standard.SOURCE


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images once, and one permutation a seed and task: (seeds, tasks, 1024) int16."""
    tasks = preparation.tasks
    permutations = [draws.permutation(PIXELS, NAME, seed, task) for seed in range(seeds) for task in range(tasks)]
    return {
        "images": raw["images"],
        "labels": raw["labels"],
        "orders": standard.orders(seeds),
        "permutations": np.array(permutations, np.int16).reshape(seeds, tasks, PIXELS),
    }


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError where more is asked than was prepared."""
    rows = standard.rows(NAME, params, arrays, seed)
    permutations = limits.of_seed(NAME, arrays["permutations"], seed)
    limits.tasks(NAME, params.tasks, len(permutations))
    features = pixels.features(arrays["images"], params)

    def split(task: int, part: str) -> Split:
        # What a permutation of many leaves of the first few is a permutation of those.
        order = permutations[task][permutations[task] < features].astype(np.int64)
        return standard.split(arrays["images"], arrays["labels"], rows[part], params, order)

    tasks = Lazy(params.tasks, lambda task: Task(task, split(task, "train"), split(task, "validation")))
    return Stream(NAME, (features,), pixels.CLASSES, tasks, Lazy(params.tasks, lambda task: split(task, "test")))
