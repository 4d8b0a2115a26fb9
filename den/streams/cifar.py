"""The common part of the CIFAR-100 streams: draws of images per seed, and tasks that separate some classes."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from den import config
from den.config import SettingsError
from den.streams import draws, limits
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task

RAW = "cifar-100"
SOURCE = "CIFAR-100: 50,000 training and 10,000 test images"
CLASSES = 100
TRAINING = 50_000  # the raw set holds the published training images first, then the published test images
LEARNING, TEST = 500, 100  # published training and test images per class


class Preparation(config.Params):
    """No settings: the published images, and draws per seed."""


class Params(config.Params):
    """Settings for opening the stream. Images are counted per class."""

    training_images: int = Field(400, ge=1, le=LEARNING)
    validation_images: int = Field(100, ge=0, lt=LEARNING)
    test_images: int = Field(TEST, ge=1, le=TEST)


def prepare(raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, their labels, and per seed an order of the training images of each class.

    orders: (seeds, 100, 500) int32, rows of `images`. Validation images come from the end.
    """
    members = _members(raw["fine"][:TRAINING])
    orders = np.stack([_order(members, seed) for seed in range(seeds)])
    return {**{name: raw[name] for name in ("images", "fine", "coarse")}, "orders": orders.astype(np.int32)}


def stream(
    name: str, params: Params, arrays: Mapping[str, np.ndarray], seed: int, groups: Sequence[Sequence[int]]
) -> Stream:
    """Return the stream whose task i separates the classes of group i, on their images alone.

    Raises SettingsError if the settings ask for more than is prepared.
    """
    rows = _rows(name, params, arrays, seed)
    fine = np.asarray(arrays["fine"])

    def examples(task: int, part: str) -> Examples:
        chosen = rows[part][list(groups[task])].ravel()
        chosen = chosen[draws.permutation(len(chosen), name, part, seed, task)]
        return Examples(torch.from_numpy(np.asarray(arrays["images"][chosen])), _targets(fine[chosen], groups[task]))

    tasks = Lazy(len(groups), lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
    tests = Lazy(len(groups), lambda task: examples(task, "test"))
    return Stream(name, arrays["images"].shape[1:], CLASSES, tasks, tests)


def _rows(name: str, params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the images of training, validation and test data per class: (100, images) each."""
    order = limits.of_seed(name, arrays["orders"], seed)
    if params.training_images + params.validation_images > LEARNING:
        raise SettingsError(
            f"streams.{name}.training_images and validation_images: {params.training_images} and "
            f"{params.validation_images} requested, {LEARNING} images of a class to share; ask for fewer"
        )
    return {
        "train": order[:, : params.training_images],
        "validation": order[:, LEARNING - params.validation_images :],
        "test": TRAINING + _members(np.asarray(arrays["fine"])[TRAINING:])[:, : params.test_images],
    }


def _targets(fine: np.ndarray, classes: Sequence[int]) -> Tensor:
    """Return targets with one output per class, in the order of `classes`: (images, classes) uint8."""
    return torch.from_numpy((fine[:, None] == np.array(classes)).astype(np.uint8))


def _members(fine: np.ndarray) -> np.ndarray:
    """Return the images of each class, in their order: (100, images). All classes have equally many."""
    return np.argsort(fine, kind="stable").reshape(CLASSES, -1)


def _order(members: np.ndarray, seed: int) -> np.ndarray:
    """Return the images of each class in an order drawn for `seed`."""
    drawn = [draws.permutation(members.shape[1], RAW, "order", seed, label) for label in range(CLASSES)]
    return np.take_along_axis(members, np.stack(drawn), axis=1)
