"""MNIST-Variation: digits at arbitrary angles on a noisy background; each task separates one class from the rest.

The images are generated after Larochelle et al. 2007 (mnist-back-image-rot), or taken from the original files if the
raw set has them.
"""

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from torch import Tensor

from den import config
from den.streams import draws, limits, pixels, rotation
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"splits"})
NAME = "mnist_variation"
TRAINING, VALIDATION, TEST = 1_000, 200, 5_000  # images per class
ABSENT = -1  # fills the row of a class that has too few images


class Preparation(config.Params):
    """Settings of the prepared files. noise: the brightest background, relative to the brightest digit."""

    noise: float = Field(0.9, ge=0, le=1)


class Params(pixels.Look):
    """Settings for opening the stream. Images are counted per class."""

    tasks: int = Field(pixels.CLASSES, ge=1, le=pixels.CLASSES)
    training_images: int = Field(TRAINING, ge=1, le=TRAINING)
    validation_images: int = Field(VALIDATION, ge=0, le=VALIDATION)
    test_images: int = Field(TEST, ge=1, le=TEST)


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared."""
    if "amat_images" in raw:
        return "mnist_all_background_images_rotation_normalized_*.amat, the original files"
    return "MNIST, all 70,000 images, each rotated by an arbitrary angle over uniform noise"


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, the same for all seeds, and a draw of them per seed: splits (seeds, classes, 6200) int32."""
    if "amat_images" in raw:
        images, labels = raw["amat_images"], raw["amat_labels"]
    else:
        images, labels = vary(raw["images"], preparation.noise), raw["labels"]
    return {"images": images, "labels": labels, "splits": np.stack([_table(labels, seed) for seed in range(seeds)])}


def vary(images: np.ndarray, noise: float) -> np.ndarray:
    """Return the images, each rotated by a random angle, and each pixel at least as bright as a random background."""
    angles = (draws.words(len(images), NAME, "angles") % rotation.TURN).astype(np.int64)
    digits = rotation.rotate(images, angles)
    level = round(noise * 256)
    uniform = draws.octets(images.size, NAME, "noise").reshape(images.shape)
    return np.maximum(digits, (uniform.astype(np.uint16) * level >> 8).astype(np.uint8))


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`; its tasks use the same images. Raises SettingsError if the seed is not prepared."""
    rows = _rows(params, limits.of_seed(NAME, arrays["splits"], seed), seed)
    labels = {part: np.asarray(arrays["labels"])[chosen] for part, chosen in rows.items()}
    images: dict[str, Tensor] = {}

    def examples(task: int, part: str) -> Examples:
        if part not in images:
            images[part] = pixels.flat(arrays["images"], rows[part], params)
        return pixels.examples(images[part], pixels.targets(labels[part], range(task, task + 1)), params)

    tasks = Lazy(params.tasks, lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
    tests = Lazy(params.tasks, lambda task: examples(task, "test"))
    return Stream(NAME, (pixels.features(arrays["images"], params),), pixels.CLASSES, tasks, tests)


def _table(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the images of each class for training, then validation, then test data: (classes, 6200) int32."""
    table = np.full((pixels.CLASSES, TRAINING + VALIDATION + TEST), ABSENT, np.int32)
    for label in range(pixels.CLASSES):
        members = np.flatnonzero(labels == label)
        chosen = members[draws.permutation(len(members), NAME, "split", seed, label)][: table.shape[1]]
        table[label, : len(chosen)] = chosen
    return table


def _rows(params: Params, table: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the images of training, validation and test data, each with the classes mixed."""
    train, validation, test = np.split(table, [TRAINING, TRAINING + VALIDATION], axis=1)
    parts = {
        "train": train[:, : params.training_images],
        "validation": validation[:, : params.validation_images],
        "test": test[:, : params.test_images],
    }
    return {part: _mixed(table[table != ABSENT], part, seed) for part, table in parts.items()}


def _mixed(rows: np.ndarray, part: str, seed: int) -> np.ndarray:
    return rows[draws.permutation(len(rows), NAME, part, seed)]
