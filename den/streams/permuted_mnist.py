"""Permuted MNIST: ten classes per task; each task, also the first, has its own order of the pixels."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, PositiveInt

from den import config
from den.streams import draws, limits, pixels, standard
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"orders", "permutations"})
NAME = "permuted_mnist"
PADDING = 2  # the widest padding that the permutations cover
PIXELS = (28 + 2 * PADDING) ** 2


class Preparation(config.Params):
    """Settings of the prepared files. tasks: the most that can be opened."""

    tasks: PositiveInt = 10


class Params(standard.Params):
    """Settings for opening the stream."""

    tasks: PositiveInt = 10
    padding: int = Field(0, ge=0, le=PADDING)


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared."""
    return standard.SOURCE


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images once, and one permutation per seed and task: (seeds, tasks, 1024) int16."""
    tasks = preparation.tasks
    permutations = [draws.permutation(PIXELS, NAME, seed, task) for seed in range(seeds) for task in range(tasks)]
    return {
        "images": raw["images"],
        "labels": raw["labels"],
        "orders": standard.orders(seeds),
        "permutations": np.array(permutations, np.int16).reshape(seeds, tasks, PIXELS),
    }


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError if the settings ask for more than is prepared."""
    rows = standard.rows(NAME, params, arrays, seed)
    permutations = limits.of_seed(NAME, arrays["permutations"], seed)
    limits.tasks(NAME, params.tasks, len(permutations))
    features = pixels.features(arrays["images"], params)

    def examples(task: int, part: str) -> Examples:
        # The indices below `features` of a longer permutation are a permutation of those features.
        order = permutations[task][permutations[task] < features].astype(np.int64)
        return standard.examples(arrays["images"], arrays["labels"], rows[part], params, order)

    tasks = Lazy(params.tasks, lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
    return Stream(NAME, (features,), pixels.CLASSES, tasks, Lazy(params.tasks, lambda task: examples(task, "test")))
