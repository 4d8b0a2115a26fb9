"""The streams by name. To add one, write its file, and add its line here.

A stream with any other name is read from a user's file (`own_data`); `arrays` makes streams of arrays and data sets.
"""

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
    own_data,
    permuted_mnist,
    rotated_mnist,
    split_mnist,
)
from den.tasks import Stream


class Opened(Protocol):
    """The part of a stream's module that own data have, too.

    Preparation: the settings that the prepared files depend on.
    Params: the settings that apply when the stream is opened; the defaults are those of the published protocol.
    """

    __name__: str

    @property
    def Preparation(self) -> type[config.Params]: ...  # noqa: N802

    @property
    def Params(self) -> type[config.Params]: ...  # noqa: N802


class StreamModule(Opened, Protocol):
    """The interface of a stream's module.

    RAW: the raw set from which it is prepared, or None. SEEDED: the prepared arrays whose first axis counts seeds.
    IMAGES = True, only if examples have channels, height and width: convolutions read them.
    """

    RAW: str | None
    SEEDED: frozenset[str]

    def source(self, raw: Mapping[str, np.ndarray]) -> str:
        """Return a description of the data from which the files are prepared."""

    def prepare(self, preparation: Any, raw: Mapping[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
        """Return the arrays to store, with tables for the seeds 0 .. seeds - 1."""

    def build(self, params: Any, arrays: Mapping[str, np.ndarray], seed: int) -> Stream:
        """Return the stream of one seed. Raises SettingsError if the settings ask for more than is prepared."""


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

IMAGES = frozenset(name for name, module in STREAMS.items() if getattr(module, "IMAGES", False))


def module_of(name: str) -> Opened:
    """Return the module of a stream: its own, or that of own data for every name that is not registered."""
    return STREAMS.get(name, own_data)
