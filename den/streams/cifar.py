"""What the CIFAR-100 streams share: how images are held out by seed, and tasks that tell some classes apart."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from den import config
from den.config import SettingsError
from den.streams import draws, limits
from den.streams.lazy import Lazy
from den.tasks import Split, Stream, Task

RAW = "cifar-100"
SOURCE = "CIFAR-100: 50,000 training and 10,000 test images"
CLASSES = 100
TRAINING = 50_000  # the first images of the raw set are the published training set, the rest the published test set
LEARNING, TEST = 500, 100  # published images of a class


class Preparation(config.Params):
    """Nothing to choose: the published images, and draws for each seed."""


class Params(config.Params):
    """What is chosen when the stream is opened. Images are counted per class."""

    training_images: int = Field(400, ge=1, le=LEARNING)
    validation_images: int = Field(100, ge=0, lt=LEARNING)
    test_images: int = Field(TEST, ge=1, le=TEST)


def prepare(raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, their labels, and for each seed an order of each class's training images.

    orders: (seeds, 100, 500) int32, rows of `images`; validation images are taken from the end.
    """
    members = _members(raw["fine"][:TRAINING])
    orders = np.stack([_order(members, seed) for seed in range(seeds)])
    return {**{name: raw[name] for name in ("images", "fine", "coarse")}, "orders": orders.astype(np.int32)}


def stream(
    name: str, params: Params, arrays: Mapping[str, np.ndarray], seed: int, groups: Sequence[Sequence[int]]
) -> Stream:
    """Return the stream whose task i tells the classes of group i apart, by its images alone.

    Raises SettingsError where more is asked than was prepared.
    """
    rows = _rows(name, params, arrays, seed)
    fine = np.asarray(arrays["fine"])

    def split(task: int, part: str) -> Split:
        chosen = rows[part][list(groups[task])].ravel()
        chosen = chosen[draws.permutation(len(chosen), name, part, seed, task)]
        return Split(torch.from_numpy(np.asarray(arrays["images"][chosen])), _targets(fine[chosen], groups[task]))

    tasks = Lazy(len(groups), lambda task: Task(task, split(task, "train"), split(task, "validation")))
    tests = Lazy(len(groups), lambda task: split(task, "test"))
    return Stream(name, arrays["images"].shape[1:], CLASSES, tasks, tests)


def _rows(name: str, params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the images of the three splits, for each class: (100, images)."""
    order = limits.of_seed(name, arrays["orders"], seed)
    if params.training_images + params.validation_images > LEARNING:
        raise SettingsError(
            f"streams.{name}.training_images and validation_images: {params.training_images} and "
            f"{params.validation_images} asked, {LEARNING} images of a class to share; ask for fewer"
        )
    return {
        "train": order[:, : params.training_images],
        "validation": order[:, LEARNING - params.validation_images :],
        "test": TRAINING + _members(np.asarray(arrays["fine"])[TRAINING:])[:, : params.test_images],
    }


def _targets(fine: np.ndarray, classes: Sequence[int]) -> Tensor:
    """Return one output a class, in the order of `classes`: (images, classes) uint8."""
    return torch.from_numpy((fine[:, None] == np.array(classes)).astype(np.uint8))


def _members(fine: np.ndarray) -> np.ndarray:
    """Return the images of each class: (100, images), in their order; every class has as many."""
    return np.argsort(fine, kind="stable").reshape(CLASSES, -1)


def _order(members: np.ndarray, seed: int) -> np.ndarray:
    """Return each class's images in an order drawn for `seed`."""
    drawn = [draws.permutation(members.shape[1], RAW, "order", seed, one) for one in range(CLASSES)]
    return np.take_along_axis(members, np.stack(drawn), axis=1)
