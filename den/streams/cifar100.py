"""CIFAR-100: each task separates ten classes. The seed draws the classes and their order."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from den.streams import cifar, draws, limits
from den.tasks import Stream

RAW: str | None = cifar.RAW
IMAGES = True
SEEDED = frozenset({"orders"})
NAME = "cifar100"
Preparation = cifar.Preparation


class Params(cifar.Params):
    """Settings for opening the stream. Images are counted per class."""

    tasks: int = Field(10, ge=1, le=cifar.CLASSES)
    classes_per_task: int = Field(10, ge=1, le=cifar.CLASSES)


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared."""
    return cifar.SOURCE


def prepare(preparation: cifar.Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, their orders, and per seed an order of the classes: (seeds, 100) int32."""
    classes = [draws.permutation(cifar.CLASSES, NAME, "classes", seed) for seed in range(seeds)]
    return {**cifar.prepare(raw, seeds), "classes": np.array(classes, np.int32)}


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError if the settings ask for more than is prepared."""
    classes, group = limits.of_seed(NAME, arrays["classes"], seed), params.classes_per_task
    remedy = f"ask for fewer, or for fewer classes_per_task than {group}"
    limits.at_most(f"streams.{NAME}.tasks", params.tasks, cifar.CLASSES // group, remedy)
    groups = classes[: params.tasks * group].reshape(params.tasks, group)
    return cifar.stream(NAME, params, arrays, seed, groups.tolist())
