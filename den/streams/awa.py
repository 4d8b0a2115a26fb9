"""Animals with Attributes: fifty tasks, each separates one animal from the rest, on the same images.

An example consists of the first principal components of an image's features, fitted on the training data alone. The
features depend on the raw set, because those of the paper are not available.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from den import config
from den.config import SettingsError
from den.streams import draws, limits, pixels
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task

RAW: str | None = "awa"
SEEDED = frozenset({"splits"})
NAME = "awa"
CLASSES = 50
EACH = 30  # images per class in each of training, validation and test data
WHOLE = (1 << 16) - 1  # the prepared value that means 1
PLACES = 30  # binary places to which raw features are rounded
BATCH = 1000


class Preparation(config.Params):
    """No settings: all features, and a draw of the images per seed."""


class Params(config.Params):
    """What is chosen when the stream is opened. Images are counted per class."""

    tasks: int = Field(CLASSES, ge=1, le=CLASSES)
    training_images: int = Field(EACH, ge=1, le=EACH)
    validation_images: int = Field(EACH, ge=0, le=EACH)
    test_images: int = Field(EACH, ge=1, le=EACH)
    components: PositiveInt = 500


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of training data.

    mean: (features,), axes: (features, components), scale: scalar; all float64.
    """

    mean: Tensor
    axes: Tensor
    scale: Tensor

    def of(self, x: Tensor) -> Tensor:
        """Return the components of examples (examples, features) float64: (examples, components) float32."""
        return ((x - self.mean) @ self.axes * self.scale).to(torch.float32)


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared: its features and number of images."""
    blocks = _blocks(raw)
    published = "Animals with Attributes 2" if "resnet101" in blocks else "Animals with Attributes 1"
    return f"{published}: features {', '.join(blocks)} of {len(raw['labels']):,} images"


def prepare(preparation: Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the arrays to store.

    features: (images, features) uint16. labels: (images,) uint8. splits: (seeds, classes, 90) int32, rows of features
    for training, validation and test data. Raises ValueError for negative features, or a class of fewer than 90 images.
    """
    features = np.concatenate([hellinger(raw[name]) for name in _blocks(raw)], axis=1)
    splits = np.stack([_table(raw["labels"], seed) for seed in range(seeds)])
    return {"features": features, "labels": raw["labels"], "splits": splits}


def hellinger(block: np.ndarray) -> np.ndarray:
    """Return the square root of each number's share in the sum of its row, in 65,535ths: uint16. Rows of zeros stay.

    All sums are of integers, and quotients and roots are rounded after IEEE 754, so all machines agree on every bit.
    Raises ValueError for a number that is negative or not finite.
    """
    if not (np.isfinite(block).all() and block.min() >= 0):
        raise ValueError("features must be finite and not negative")
    batches = [block[at : at + BATCH] for at in range(0, len(block), BATCH)]
    return np.concatenate([_roots(batch) for batch in batches])


def fit(x: Tensor, components: int) -> Components:
    """Return the leading principal components of examples (examples, features) float64.

    The largest entry of each component (the first of equals) is positive. The components of the examples have a mean
    square of 1. Raises SettingsError if the examples span fewer components.
    """
    mean = x.mean(dim=0)
    centred = x - mean
    wide = x.shape[0] < x.shape[1]
    values, vectors = torch.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = values.flip(0)[:components], vectors.flip(1)[:, :components]
    if values[-1] <= values[0] * max(x.shape) * torch.finfo(x.dtype).eps:
        raise _too_many(components, "the training images span fewer")
    axes = centred.T @ vectors if wide else vectors
    return Components(mean, _turned(axes / axes.norm(dim=0)), (values.sum() / (len(x) * components)).rsqrt())


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`; it computes components on the first access to its data.

    Raises SettingsError if the settings ask for more than is prepared, or for too many components.
    """
    rows = _rows(params, limits.of_seed(NAME, arrays["splits"], seed), seed)
    classes, features = arrays["splits"].shape[1], arrays["features"].shape[1]
    limits.tasks(NAME, params.tasks, classes)
    most = min(len(rows["train"]) - 1, features)
    if params.components > most:
        raise _too_many(params.components, f"{len(rows['train'])} training images have at most {most}")

    @cache
    def fitted() -> Components:
        return fit(_features(arrays, rows["train"]), params.components)

    @cache
    def components(part: str) -> Tensor:
        return fitted().of(_features(arrays, rows[part]))

    def examples(task: int, part: str) -> Examples:
        targets = pixels.targets(arrays["labels"][rows[part]], range(task, task + 1))
        return Examples(components(part), targets, deviation=1.0)

    tasks = Lazy(params.tasks, lambda task: Task(task, examples(task, "train"), examples(task, "validation")))
    return Stream(NAME, (params.components,), classes, tasks, Lazy(params.tasks, lambda task: examples(task, "test")))


def _blocks(raw: Mapping[str, np.ndarray]) -> list[str]:
    return sorted(name for name in raw if name != "labels")


def _roots(batch: np.ndarray) -> np.ndarray:
    units = np.rint(batch.astype(np.float64) * (1 << PLACES)).astype(np.int64)
    sums = np.maximum(units.sum(axis=1, keepdims=True), 1)
    return np.rint(np.sqrt(units / sums) * WHOLE).astype(np.uint16)


def _table(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the images of each class for training, then validation, then test data: (classes, 90) int32."""
    table = []
    for label in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == label)
        if len(members) < 3 * EACH:
            raise ValueError(f"class {label} has {len(members)} images, and {3 * EACH} are needed")
        table.append(members[draws.permutation(len(members), NAME, "split", seed, label)][: 3 * EACH])
    return np.array(table, np.int32)


def _rows(params: Params, table: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the images of training, validation and test data, each with the classes mixed."""
    counts = {"train": params.training_images, "validation": params.validation_images, "test": params.test_images}
    parts = {part: table[:, at * EACH : at * EACH + count] for at, (part, count) in enumerate(counts.items())}
    return {part: _mixed(chosen.ravel(), part, seed) for part, chosen in parts.items()}


def _mixed(rows: np.ndarray, part: str, seed: int) -> np.ndarray:
    return rows[draws.permutation(len(rows), NAME, part, seed)]


def _features(arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> Tensor:
    return torch.from_numpy(arrays["features"][rows].astype(np.float64))


def _turned(axes: Tensor) -> Tensor:
    """Return the axes with signs such that the largest entry of each is positive."""
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    return axes * largest.sign()


def _too_many(components: int, why: str) -> SettingsError:
    return SettingsError(
        f"streams.{NAME}.components: {components} requested, {why}; ask for fewer, or for more training_images"
    )
