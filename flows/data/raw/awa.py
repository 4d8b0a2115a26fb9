"""Animals with Attributes in two editions, of which one suffices; the first is preferred.

The first edition is the published ResNet-101 features of AwA2: `AwA2-features.zip` of https://cvml.ista.ac.at/AwA2/,
unpacked in the raw folder or in the mirror. The second is bags of words of 92 images per class of AwA1:
`awa/awa1-bow-92.npz` in either folder.
"""

import shutil
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from den.streams.prepared import DataError
from flows.data.raw import sources
from flows.data.raw.sources import SourceError

URL = "https://cvml.ista.ac.at/AwA2/AwA2-features.zip"
SECONDS = 60  # without a byte, after which a download is abandoned
FEATURES = "Animals_with_Attributes2/Features/ResNet101/AwA2-features.txt"
LABELS = "Animals_with_Attributes2/Features/ResNet101/AwA2-labels.txt"
SHAPE = (37_322, 2_048)
CLASSES = 50
RESNET = {FEATURES: "", LABELS: ""}  # no checksum was ever published
WORDS = {"awa/awa1-bow-92.npz": "ef01b589c1e6c1d8d11c9bafabed8da2"}
ADVICE = f"put {URL}, unpacked, or awa/awa1-bow-92.npz into data/raw, or into the folder that {sources.MIRROR} names"


def load_resnet(folder: Path) -> dict[str, np.ndarray]:
    """Return resnet101 (37322, 2048) float32 and labels (37322,) uint8, 0 to 49.

    Raises DataError for a file that is not the published one, by its shape and range.
    """
    features = _table(folder / FEATURES, SHAPE)
    labels = _table(folder / LABELS, (SHAPE[0], 1))[:, 0]
    _require(np.isfinite(features).all() and features.min() >= 0, folder / FEATURES)
    _require(np.array_equal(np.unique(labels), np.arange(1, CLASSES + 1)), folder / LABELS)
    return {"resnet101": features, "labels": (labels - 1).astype(np.uint8)}


def load_words(folder: Path) -> dict[str, np.ndarray]:
    """Return lss, rgsift, sift and surf (4600, 2000), phog (4600, 252), and labels (4600,) uint8, 0 to 49."""
    (file,) = WORDS
    with np.load(folder / file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in ("lss", "phog", "rgsift", "sift", "surf", "labels")}


def download(files: Sequence[str], scratch: Path) -> None:
    """Download the published archive and unpack these files. Raises SourceError if its host does not answer."""
    if absent := [file for file in files if file not in RESNET]:
        raise SourceError(f"it has no {absent[0]}")
    if fault := sources.connection_fault(URL):
        raise SourceError(f"{URL}: {fault}")
    path = scratch / "features.zip"
    with urllib.request.urlopen(URL, timeout=SECONDS) as published, path.open("wb") as copy:
        shutil.copyfileobj(published, copy)
    _unpack(path, files, scratch)


def _unpack(path: Path, files: Sequence[str], scratch: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if absent := {*files} - {*archive.namelist()}:
            raise SourceError(f"it has no {min(absent)}")
        for file in files:
            archive.extract(file, scratch)


def _table(path: Path, shape: tuple[int, int]) -> np.ndarray:
    try:
        table = np.loadtxt(path, dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path} is not the published file: {error}; replace it or remove it") from None
    _require(table.shape == shape, path)
    return table


def _require(right: bool, path: Path) -> None:
    if not right:
        raise DataError(
            f"{path} is not the published file of {SHAPE[0]:,} images; replace it by the one of {URL}, unpacked, "
            "or remove it"
        )
