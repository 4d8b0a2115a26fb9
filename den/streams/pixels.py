"""The common part of the MNIST streams: the conversion of images and labels to examples."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from den import config
from den.tasks import Examples

CLASSES = 10
TRAINING = 60_000  # the raw set holds the published training images first, then the published test images
SCALES = {"unit": (0.0, 255.0), "standard": (0.1307 * 255, 0.3081 * 255)}


class Look(config.Params):
    """How images are presented to a network.

    padding: pixels of zeros on each side. normalisation: unit scales to [0, 1]; standard uses the mean and deviation of
    MNIST's pixels.
    """

    padding: int = Field(0, ge=0, le=16)
    normalisation: Literal["unit", "standard"] = "unit"


def features(images: np.ndarray, look: Look) -> int:
    """Return the number of pixels of one padded image."""
    height, width = images.shape[-2:]
    return (height + 2 * look.padding) * (width + 2 * look.padding)


def flat(images: np.ndarray, rows: np.ndarray, look: Look) -> Tensor:
    """Return the chosen images, padded and flattened: (rows, features) uint8."""
    chosen = np.asarray(images)[rows]
    if look.padding:
        sides = (look.padding, look.padding)
        chosen = np.pad(chosen, ((0, 0), sides, sides))
    return torch.from_numpy(chosen).flatten(1)


def targets(labels: np.ndarray, classes: range | np.ndarray) -> Tensor:
    """Return targets with one output per class: (labels, classes) uint8, 1 where the label is the class."""
    return torch.from_numpy((np.asarray(labels)[:, None] == np.asarray(classes)).astype(np.uint8))


def examples(x: Tensor, y: Tensor, look: Look) -> Examples:
    """Return inputs and targets as examples with the chosen normalisation."""
    mean, deviation = SCALES[look.normalisation]
    return Examples(x, y, mean, deviation)
