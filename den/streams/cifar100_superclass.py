"""CIFAR-100 by superclass: each task separates the five classes of one superclass, such as five trees."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from den.streams import cifar, draws, limits
from den.tasks import Stream

RAW: str | None = cifar.RAW
IMAGES = True
SEEDED = frozenset({"orders", "superclasses"})
NAME = "cifar100_superclass"
SUPERCLASSES = 20
PUBLISHED = {  # task orders of APD (Yoon et al. 2020), as superclasses
    "apd_a": tuple(range(SUPERCLASSES)),
    "apd_b": (15, 12, 5, 9, 7, 16, 18, 17, 1, 0, 3, 8, 11, 14, 10, 6, 2, 4, 13, 19),
    "apd_c": (17, 1, 19, 18, 12, 7, 6, 0, 11, 15, 10, 5, 13, 3, 9, 16, 4, 14, 2, 8),
    "apd_d": (11, 9, 6, 5, 12, 4, 0, 10, 13, 7, 14, 3, 15, 16, 8, 1, 2, 19, 18, 17),
    "apd_e": (6, 14, 0, 11, 12, 17, 13, 4, 9, 1, 7, 19, 8, 10, 3, 15, 18, 5, 2, 16),
}
Preparation = cifar.Preparation


class Params(cifar.Params):
    """Settings for opening the stream. Images are counted per class.

    order: of the superclasses, drawn by the seed or published.
    """

    tasks: int = Field(SUPERCLASSES, ge=1, le=SUPERCLASSES)
    order: Literal["seed", "apd_a", "apd_b", "apd_c", "apd_d", "apd_e"] = "seed"


def source(raw: Mapping[str, np.ndarray]) -> str:
    """Return a description of the data from which the files are prepared."""
    return cifar.SOURCE


def prepare(preparation: cifar.Preparation, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    """Return the images, their orders, and per seed an order of the superclasses: (seeds, 20) int32."""
    superclasses = [draws.permutation(SUPERCLASSES, NAME, "superclasses", seed) for seed in range(seeds)]
    return {**cifar.prepare(raw, seeds), "superclasses": np.array(superclasses, np.int32)}


def build(params: Params, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
    """Return the stream of `seed`. Raises SettingsError if the settings ask for more than is prepared."""
    drawn = limits.of_seed(NAME, arrays["superclasses"], seed)
    fine, coarse = np.asarray(arrays["fine"]), np.asarray(arrays["coarse"])
    order = PUBLISHED.get(params.order, drawn)[: params.tasks]
    groups = [np.unique(fine[coarse == superclass]).tolist() for superclass in order]
    return cifar.stream(NAME, params, arrays, seed, groups)
