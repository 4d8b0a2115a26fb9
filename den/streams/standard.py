"""The published division of MNIST: 60,000 images to learn from, part of them held out per seed, and 10,000 to test."""

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt

from den.config import SettingsError
from den.streams import draws, limits, pixels
from den.tasks import Examples

SOURCE = "MNIST: 60,000 training and 10,000 test images"


class Params(pixels.Look):
    """The numbers of images of training, validation and test data, over all classes together."""

    training_images: PositiveInt = 55_000
    validation_images: NonNegativeInt = 5_000
    test_images: PositiveInt = 10_000


def orders(seeds: int) -> np.ndarray:
    """Return an order of the training set per seed: (seeds, 60000) int32. Validation takes its end."""
    drawn = [draws.permutation(pixels.TRAINING, "standard order", seed) for seed in range(seeds)]
    return np.array(drawn, np.int32)


def rows(name: str, params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the images of `seed` for train, validation and test. Raises SettingsError if too many are requested."""
    order = limits.of_seed(name, arrays["orders"], seed)
    test_images = len(arrays["labels"]) - pixels.TRAINING
    limits.at_most(f"streams.{name}.test_images", params.test_images, test_images, "ask for fewer")
    if params.training_images + params.validation_images > len(order):
        raise SettingsError(
            f"streams.{name}.training_images and validation_images: {params.training_images} and "
            f"{params.validation_images} requested, {len(order)} images to share; ask for fewer"
        )
    return {
        "train": order[: params.training_images],
        "validation": order[len(order) - params.validation_images :],
        "test": np.arange(pixels.TRAINING, pixels.TRAINING + params.test_images),
    }


def examples(
    images: np.ndarray, labels: np.ndarray, chosen: np.ndarray, params: Params, order: np.ndarray | None = None
) -> Examples:
    """Return the chosen images as examples of ten classes. order: of the pixels; None leaves them as they are."""
    x = pixels.flat(images, chosen, params)
    if order is not None:
        x = torch.gather(x, 1, torch.from_numpy(order).expand(len(x), -1))  # several times faster than x[:, order]
    return pixels.examples(x, pixels.targets(labels[chosen], range(pixels.CLASSES)), params)
