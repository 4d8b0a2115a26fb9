"""MNIST-Variation: digits at arbitrary angles on a noisy background, one task a class, that class against the rest.

Regenerated after Larochelle et al. 2007 (mnist-back-image-rot), or made of their own files where those are there.
"""

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from torch import Tensor

from den import config
from den.streams import draws, limits, pixels, rotation
from den.streams.lazy import Lazy
from den.tasks import Split, Stream, Task

RAW: str | None = "mnist"
SEEDED = frozenset({"splits"})
NAME = "mnist_variation"
TRAINING, VALIDATION, TEST = 1_000, 200, 5_000  # images of a class
ABSENT = -1  # fills the index table of a class that has too few images


class Preparation(config.Params):
    """What the prepared files depend on. noise: the brightest background, as a part of the brightest digit."""

    noise: float = Field(0.9, ge=0, le=1)


class Params(pixels.Look):
    """What is chosen when the stream is opened. Images are counted per class."""

    tasks: int = Field(pixels.CLASSES, ge=1, le=pixels.CLASSES)
    training_images: int = Field(TRAINING, ge=1, le=TRAINING)
    validation_images: int = Field(VALIDATION, ge=0, le=VALIDATION)
    test_images: int = Field(TEST, ge=1, le=TEST)


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return in words what the prepared files are made from."""
    if "amat_images" in raw:
        return "mnist_all_background_images_rotation_normalized_*.amat, the original files"
    return "MNIST, all 70,000 images, each rotated by an arbitrary angle over uniform noise"


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, the same for all seeds, and the splits of each seed: (seeds, classes, 6200) int32."""
    if "amat_images" in raw:
        images, labels = raw["amat_images"], raw["amat_labels"]
    else:
        images, labels = vary(raw["images"], preparation.noise), raw["labels"]
    return {"images": images, "labels": labels, "splits": np.stack([_table(labels, seed) for seed in range(seeds)])}


def vary(images: np.ndarray, noise: float) -> np.ndarray:
    """Return the images, each rotated by an angle of its own, and nowhere darker than a uniformly noisy background."""
    angles = (draws.words(len(images), NAME, "angles") % rotation.TURN).astype(np.int64)
    digits = rotation.rotate(images, angles)
    level = round(noise * 256)
    uniform = draws.octets(images.size, NAME, "noise").reshape(images.shape)
    return np.maximum(digits, (uniform.astype(np.uint16) * level >> 8).astype(np.uint8))


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`, its tasks over the same images. Raises SettingsError for a seed not prepared."""
    rows = _rows(params, limits.of_seed(NAME, arrays["splits"], seed), seed)
    labels = {part: np.asarray(arrays["labels"])[chosen] for part, chosen in rows.items()}
    images: dict[str, Tensor] = {}

    def split(task: int, part: str) -> Split:
        if part not in images:
            images[part] = pixels.examples(arrays["images"], rows[part], params)
        return pixels.split(images[part], pixels.targets(labels[part], range(task, task + 1)), params)

    tasks = Lazy(params.tasks, lambda task: Task(task, split(task, "train"), split(task, "validation")))
    tests = Lazy(params.tasks, lambda task: split(task, "test"))
    return Stream(NAME, (pixels.features(arrays["images"], params),), pixels.CLASSES, tasks, tests)


def _table(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return for each class its images of training, validation and test, one after another: (classes, 6200) int32."""
    table = np.full((pixels.CLASSES, TRAINING + VALIDATION + TEST), ABSENT, np.int32)
    for one in range(pixels.CLASSES):
        members = np.flatnonzero(labels == one)
        chosen = members[draws.permutation(len(members), NAME, "split", seed, one)][: table.shape[1]]
        table[one, : len(chosen)] = chosen
    return table


def _rows(params: Params, table: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the images of the three splits, the classes mixed."""
    train, validation, test = np.split(table, [TRAINING, TRAINING + VALIDATION], axis=1)
    parts = {
        "train": train[:, : params.training_images],
        "validation": validation[:, : params.validation_images],
        "test": test[:, : params.test_images],
    }
    return {part: _mixed(table[table != ABSENT], part, seed) for part, table in parts.items()}


def _mixed(rows: np.ndarray, part: str, seed: int) -> np.ndarray:
    return rows[draws.permutation(len(rows), NAME, part, seed)]
