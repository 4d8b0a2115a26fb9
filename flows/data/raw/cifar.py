"""CIFAR-100. Its published files are pickles; they are read by walking their instructions, none of which is run."""

import math
import pickletools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from den.streams.prepared import DataError
from flows.data.raw import sources
from flows.data.raw.sources import SourceError

URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
ARCHIVE = "eb9058c3a382ffc7106e4002c42a8d85"  # MD5 of what lies there
FOLDER = "cifar-100-python"  # below a torchvision root
FILES = {  # MD5 of the unpacked files
    f"{FOLDER}/train": "16019d7e3df5f24257cddd939b257f8d",
    f"{FOLDER}/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    f"{FOLDER}/meta": "7973b15100ade9c7d40fb424638fde48",
}
ADVICE = f"put {URL}, unpacked, into data/raw, or into the folder that {sources.MIRROR} names"
SHAPE = (3, 32, 32)  # of an image
LABELS = ("fine_labels", "coarse_labels")
LENGTH = 5  # bytes of a long string's instruction before its content
KNOWN = {  # all that the published files consist of: a dictionary of lists, and one array
    *("PROTO", "STOP", "MARK", "EMPTY_DICT", "SETITEMS", "EMPTY_LIST", "APPENDS", "BINPUT", "LONG_BINPUT"),
    *("GLOBAL", "REDUCE", "BUILD", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWFALSE"),
    *("BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING"),
}
GLOBALS = {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


@dataclass
class Contents:
    """What lies in a file: the two lists of labels, and where its pixels are, in bytes."""

    labels: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in LABELS})
    start: int = 0
    size: int = 0


def load(folder: Path) -> dict[str, np.ndarray]:
    """Return images (60000, 3, 32, 32) uint8 and labels fine and coarse (60000,) uint8, the training set first.

    Raises DataError for a file that is not laid out as the published one.
    """
    paths = [folder / FOLDER / part for part in ("train", "test")]
    contents = [walk(path) for path in paths]
    fine, coarse = (np.array([label for one in contents for label in one.labels[name]], np.uint8) for name in LABELS)
    images = np.concatenate([_pixels(*pair) for pair in zip(paths, contents, strict=True)])
    return {"images": images, "fine": fine, "coarse": coarse}


def walk(path: Path) -> Contents:
    """Return what a file of the published layout holds. Raises DataError for one of any other."""
    found, name = Contents(), ""
    for instruction, value, position in _instructions(path):
        if instruction == "SHORT_BINSTRING":
            name = value  # a list follows its name
        elif instruction == "BININT1" and name in LABELS:
            found.labels[name].append(value)
        elif instruction == "BINSTRING":
            found.start, found.size = position + LENGTH, len(value)
    sizes = {len(labels) * math.prod(SHAPE) for labels in found.labels.values()}
    if not found.size or sizes != {found.size}:
        raise _foreign(path, f"{found.size} bytes of pixels do not go with its labels")
    return found


def download(wanted: Sequence[str], scratch: Path) -> None:
    """Download the published archive and unpack it, where its host answers."""
    from torchvision.datasets.utils import download_and_extract_archive  # torchvision's CIFAR100 unpickles what it gets

    if why := sources.answer(URL):
        raise SourceError(f"{URL}: {why}")
    download_and_extract_archive(URL, scratch, md5=ARCHIVE)


def _instructions(path: Path) -> Iterator[tuple[str, Any, int]]:
    """Yield the name, value and position of each instruction, if it is one of the known ones."""
    with path.open("rb") as file:
        try:
            for instruction, value, position in pickletools.genops(file):
                if instruction.name not in KNOWN or (instruction.name == "GLOBAL" and value not in GLOBALS):
                    raise _foreign(path, f"it has {instruction.name} {value or ''} at byte {position}")
                yield instruction.name, value, position or 0
        except ValueError as error:
            raise _foreign(path, sources.line(error)) from None


def _pixels(path: Path, contents: Contents) -> np.ndarray:
    """Return the images of a file, mapped: (images, 3, 32, 32) uint8."""
    shape = (contents.size // math.prod(SHAPE), *SHAPE)
    return np.memmap(path, np.uint8, "r", offset=contents.start, shape=shape)


def _foreign(path: Path, why: str) -> DataError:
    return DataError(f"{path} is not laid out as the published file: {why}")
