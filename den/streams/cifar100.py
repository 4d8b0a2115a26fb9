"""CIFAR-100: ten classes a task, each class against the task's others; which classes, and when, is drawn by seed."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from den.streams import cifar, draws, limits
from den.tasks import Stream

RAW: str | None = cifar.RAW
SEEDED = frozenset({"orders"})
NAME = "cifar100"
Preparation = cifar.Preparation


class Params(cifar.Params):
    """What is chosen when the stream is opened. Images are counted per class."""

    tasks: int = Field(10, ge=1, le=cifar.CLASSES)
    classes_per_task: int = Field(10, ge=1, le=cifar.CLASSES)


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return in words what the prepared files are made from."""
    return cifar.SOURCE


def prepare(preparation: cifar.Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, their splits, and for each seed the order of the classes: (seeds, 100) int32."""
    classes = [draws.permutation(cifar.CLASSES, NAME, "classes", seed) for seed in range(seeds)]
    return {**cifar.prepare(raw, seeds), "classes": np.array(classes, np.int32)}


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError where more is asked than was prepared."""
    classes, each = limits.of_seed(NAME, arrays["classes"], seed), params.classes_per_task
    mend = f"ask for fewer, or for fewer classes_per_task than {each}"
    limits.at_most(f"streams.{NAME}.tasks", params.tasks, cifar.CLASSES // each, mend)
    groups = classes[: params.tasks * each].reshape(params.tasks, each)
    return cifar.stream(NAME, params, arrays, seed, groups.tolist())
