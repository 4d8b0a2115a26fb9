"""Blobs: a small synthetic stream. Each class consists of two round clouds; each task separates one from the rest."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from den import config
from den.streams import draws, limits, pixels
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task

RAW: str | None = None
SEEDED = frozenset({"orders"})
NAME = "blobs"
CLOUDS = 2  # per class, so that no class is a single direction
MIDDLE, DEVIATION = 128.0, 40.0


class Preparation(config.Params):
    """Settings of the prepared files. Examples are counted per class."""

    features: PositiveInt = 32
    classes: int = Field(10, ge=2, le=256)
    examples: PositiveInt = 200


class Params(config.Params):
    """Settings for opening the stream. Examples are counted per class."""

    tasks: PositiveInt = 10
    training_examples: PositiveInt = 50
    validation_examples: NonNegativeInt = 50
    test_examples: PositiveInt = 100


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared."""
    return "random draws"


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return x (classes, examples, features) uint8, and orders per seed and class: (seeds, classes, examples) int32."""
    classes, examples = preparation.classes, preparation.examples
    pairs = product(range(seeds), range(classes))
    orders = [draws.permutation(examples, NAME, "order", seed, label) for seed, label in pairs]
    return {"x": _clouds(preparation), "orders": np.array(orders, np.int32).reshape(seeds, classes, examples)}


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError if the settings ask for more than is prepared."""
    orders = limits.of_seed(NAME, arrays["orders"], seed)
    classes, available, features = arrays["x"].shape
    limits.tasks(NAME, params.tasks, classes)
    parts = {"train": params.training_examples, "validation": params.validation_examples, "test": params.test_examples}
    keys = ", ".join(f"{part}_examples" for part in ("training", "validation", "test"))
    limits.at_most(f"streams.{NAME}: {keys} together", sum(parts.values()), available, "ask for fewer")
    ends = np.cumsum([*parts.values()])
    slices = {part: slice(end - count, end) for (part, count), end in zip(parts.items(), ends, strict=True)}
    drawn = {part: _part(arrays["x"], orders[:, chosen], part, seed) for part, chosen in slices.items()}

    def examples(task: int, part: str) -> Examples:
        x, labels = drawn[part]
        return Examples(x, pixels.targets(labels, range(task, task + 1)), MIDDLE, DEVIATION)

    tasks = Lazy(params.tasks, lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
    return Stream(NAME, (features,), classes, tasks, Lazy(params.tasks, lambda task: examples(task, "test")))


def _clouds(preparation: Preparation) -> np.ndarray:
    """Return points (classes, examples, features) uint8 around centres; a sum of four random bytes is the noise."""
    classes, examples, features = preparation.classes, preparation.examples, preparation.features
    centres = draws.octets(classes * CLOUDS * features, NAME, "centres").reshape(classes, CLOUDS, features)
    noise = draws.octets(4 * classes * examples * features, NAME, "noise").reshape(4, classes, examples, features)
    offsets = noise.astype(np.int32).sum(axis=0) - 510
    owners = np.arange(examples) % CLOUDS
    points = int(MIDDLE) + (centres.astype(np.int32)[:, owners] - 128) // 4 + offsets // 4
    return np.clip(points, 0, 255).astype(np.uint8)


def _part(x: np.ndarray, orders: np.ndarray, part: str, seed: int) -> tuple[Tensor, np.ndarray]:
    """Return the chosen examples of all classes in random order, and their labels."""
    points = np.take_along_axis(np.asarray(x), orders[:, :, None].astype(np.int64), axis=1).reshape(-1, x.shape[2])
    labels = np.repeat(np.arange(len(x)), orders.shape[1])
    mixed = draws.permutation(len(points), NAME, part, seed)
    return torch.from_numpy(points[mixed]), labels[mixed]
