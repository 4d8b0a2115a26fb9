"""Streams, by name: one file each. To add one, write its file and its line here."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from den import config
from den.streams import (
    awa,
    blobs,
    cifar100,
    cifar100_superclass,
    mnist_variation,
    permuted_mnist,
    rotated_mnist,
    split_mnist,
)
from den.tasks import Stream


class StreamModule(Protocol):
    """What the file of a stream offers.

    RAW: the raw set it is prepared from, or None. SEEDED: the prepared arrays whose first axis counts seeds.
    Preparation: what the prepared files depend on.
    Params: what is chosen when the stream is opened; all have the values of the protocol as defaults.
    """

    RAW: str | None
    SEEDED: frozenset[str]

    @property
    def Preparation(self) -> type[config.Params]: ...  # noqa: N802

    @property
    def Params(self) -> type[config.Params]: ...  # noqa: N802

    def source(self, raw: Mapping[str, np.ndarray]) -> str:
        """Return in words what the prepared files are made from."""

    def prepare(self, preparation: Any, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
        """Return flat arrays, with splits for the seeds 0 .. seeds - 1."""

    def build(self, params: Any, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
        """Return the stream of one seed, or raise SettingsError where more is asked than was prepared."""


STREAMS: dict[str, StreamModule] = {
    "mnist_variation": mnist_variation,
    "permuted_mnist": permuted_mnist,
    "split_mnist": split_mnist,
    "rotated_mnist": rotated_mnist,
    "cifar100": cifar100,
    "cifar100_superclass": cifar100_superclass,
    "awa": awa,
    "blobs": blobs,
}

IMAGES = frozenset({"cifar100", "cifar100_superclass"})  # streams whose examples have channels, height and width
