"""What the MNIST streams share: how images become examples, and how the standard set is split."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from den import config
from den.tasks import Split

CLASSES = 10
TRAINING = 60_000  # the first images of the raw set are the standard training set, the rest the standard test set
SCALES = {"unit": (0.0, 255.0), "standard": (0.1307 * 255, 0.3081 * 255)}


class Look(config.Params):
    """How an image is shown to a network.

    padding: pixels of zeros on every side. normalisation: to [0, 1], or by mean and deviation of MNIST's pixels.
    """

    padding: int = Field(0, ge=0, le=16)
    normalisation: Literal["unit", "standard"] = "unit"


def features(images: np.ndarray, look: Look) -> int:
    """Return the number of pixels of one padded image."""
    height, width = images.shape[-2:]
    return (height + 2 * look.padding) * (width + 2 * look.padding)


def examples(images: np.ndarray, rows: np.ndarray, look: Look) -> Tensor:
    """Return the chosen images, padded and flat: (rows, features) uint8."""
    chosen = np.asarray(images)[rows]
    if look.padding:
        sides = (look.padding, look.padding)
        chosen = np.pad(chosen, ((0, 0), sides, sides))
    return torch.from_numpy(chosen).flatten(1)


def targets(labels: np.ndarray, classes: range) -> Tensor:
    """Return one output a class: (labels, classes) uint8, one where the label is the class."""
    return torch.from_numpy((np.asarray(labels)[:, None] == np.array(classes)).astype(np.uint8))


def split(x: Tensor, y: Tensor, look: Look) -> Split:
    """Return examples and targets with the chosen normalisation."""
    mean, deviation = SCALES[look.normalisation]
    return Split(x, y, mean, deviation)
