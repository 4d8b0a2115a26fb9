"""CIFAR-100. Its published files are pickles, which are parsed without executing their instructions."""

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
ARCHIVE = "eb9058c3a382ffc7106e4002c42a8d85"  # MD5 of the archive
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
INSTRUCTIONS = {  # all that the published files consist of: a dictionary of lists, and one array
    *("PROTO", "STOP", "MARK", "EMPTY_DICT", "SETITEMS", "EMPTY_LIST", "APPENDS", "BINPUT", "LONG_BINPUT"),
    *("GLOBAL", "REDUCE", "BUILD", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWFALSE"),
    *("BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING"),
}
GLOBALS = {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


@dataclass
class Contents:
    """The content of a file: two lists of labels, and the position and size of its pixels in bytes."""

    labels: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in LABELS})
    start: int = 0
    size: int = 0


def load(folder: Path) -> dict[str, np.ndarray]:
    """Return images (60000, 3, 32, 32) uint8 and labels fine and coarse (60000,) uint8, the training set first.

    Raises DataError for a file of another layout than the published one.
    """
    paths = [folder / FOLDER / part for part in ("train", "test")]
    contents = [walk(path) for path in paths]
    fine, coarse = (np.array([label for part in contents for label in part.labels[name]], np.uint8) for name in LABELS)
    images = np.concatenate([_pixels(*pair) for pair in zip(paths, contents, strict=True)])
    return {"images": images, "fine": fine, "coarse": coarse}


def walk(path: Path) -> Contents:
    """Return the content of a file of the published layout. Raises DataError for any other layout."""
    contents, name = Contents(), ""
    for instruction, value, position in _instructions(path):
        if instruction == "SHORT_BINSTRING":
            name = value  # a list follows its name
        elif instruction == "BININT1" and name in LABELS:
            contents.labels[name].append(value)
        elif instruction == "BINSTRING":
            contents.start, contents.size = position + LENGTH, len(value)
    sizes = {len(labels) * math.prod(SHAPE) for labels in contents.labels.values()}
    if not contents.size or sizes != {contents.size}:
        raise _foreign(path, f"{contents.size} bytes of pixels do not match its labels")
    return contents


def download(files: Sequence[str], scratch: Path) -> None:
    """Download the published archive and unpack it. Raises SourceError if its host does not answer."""
    from torchvision.datasets.utils import download_and_extract_archive  # torchvision's CIFAR100 unpickles what it gets

    if fault := sources.connection_fault(URL):
        raise SourceError(f"{URL}: {fault}")
    download_and_extract_archive(URL, scratch, md5=ARCHIVE)


def _instructions(path: Path) -> Iterator[tuple[str, Any, int]]:
    """Yield the name, value and position of each instruction. Raises DataError for one that is not in INSTRUCTIONS."""
    with path.open("rb") as file:
        try:
            for instruction, value, position in pickletools.genops(file):
                if instruction.name not in INSTRUCTIONS or (instruction.name == "GLOBAL" and value not in GLOBALS):
                    raise _foreign(path, f"it has {instruction.name} {value or ''} at byte {position}")
                yield instruction.name, value, position or 0
        except ValueError as error:
            raise _foreign(path, sources.line(error)) from None


def _pixels(path: Path, contents: Contents) -> np.ndarray:
    """Return the images of a file, mapped: (images, 3, 32, 32) uint8."""
    shape = (contents.size // math.prod(SHAPE), *SHAPE)
    return np.memmap(path, np.uint8, "r", offset=contents.start, shape=shape)


def _foreign(path: Path, reason: str) -> DataError:
    return DataError(f"{path} has another layout than the published file: {reason}")
