"""The download of raw data sets: sources in order, checksums, and files that appear only when they are complete."""

import gzip
import hashlib
import logging
import os
import shutil
import tarfile
import tempfile
import threading
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from den.streams.prepared import DataError

logger = logging.getLogger(__name__)

MIRROR = "DEN_DATA_MIRROR"
MISSING = "is missing"
SECONDS = 5  # that a host has to answer a connection test


class SourceError(Exception):
    """A source cannot provide the set; the message gives the reason."""


FAILURES = (
    SourceError,
    OSError,
    RuntimeError,
    ImportError,
    EOFError,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)

Source = Callable[[Sequence[str], Path], None]  # writes these files below the scratch folder, or raises FAILURES
Faults = Mapping[str, str]  # the fault of each file that is missing or corrupt


@dataclass(frozen=True)
class Edition:
    """One edition of a set.

    files: paths below a torchvision root, with the MD5 of the unpacked file; empty if none was published.
    load: returns the arrays of the files below a folder; raises DataError if they are not the published files.
    """

    files: Mapping[str, str]
    load: Callable[[Path], dict[str, np.ndarray]]


@dataclass(frozen=True)
class RawSet:
    """A raw set: its editions, of which one suffices, the preferred first; its sources; advice if all sources fail."""

    editions: tuple[Edition, ...]
    sources: Mapping[str, Source]
    advice: str = ""


def fetch(name: str, raw_set: RawSet, folder: Path) -> None:
    """Bring one edition of the set below `folder`. Raises DataError with the reason for each source if all fail."""
    faults = [_faults(edition, folder) for edition in raw_set.editions]
    if not all(faults):
        return
    _log(faults, folder)
    reasons: list[str] = []
    for source, get in raw_set.sources.items():
        for edition, faulty in zip(raw_set.editions, faults, strict=True):
            if not (failure := _fetch_from(get, edition, [*faulty], folder)):
                logger.info("%s: fetched from %s", name, source)
                return
            if (reason := f"{source}: {failure}") not in reasons:
                reasons.append(reason)
                logger.warning("%s: skipped %s", name, reason)
    raise DataError(f"{name}: no source has it:\n  " + ";\n  ".join(filter(None, [*reasons, raw_set.advice])))


def load(raw_set: RawSet, folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the first edition that is complete below `folder`. Raises DataError if none is."""
    states: list[str] = []
    for edition in raw_set.editions:
        if not (faults := _faults(edition, folder)):
            return edition.load(folder)
        states.extend(f"{folder / file} {state}" for file, state in [*faults.items()][:1])
    raise DataError(f"{' and '.join(states)}; `den prepare` fetches it")


def mirror(files: Sequence[str], scratch: Path) -> None:
    """Copy these files from the folder that DEN_DATA_MIRROR names; unpack those that it has packed."""
    root = os.environ.get(MIRROR)
    if not root:
        raise SourceError(f"the environment variable {MIRROR} is not set")
    for file in files:
        unpack(Path(root) / file, scratch / file)


def unpack(path: Path, target: Path) -> None:
    """Copy a file, or unpack its packed version. Raises SourceError if neither exists."""
    packed = path.with_name(f"{path.name}.gz")
    if not path.exists() and not packed.exists():
        raise SourceError(f"there is no {path}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb") if path.exists() else gzip.open(packed) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def connection_fault(url: str) -> str:
    """Return why `url` does not answer within SECONDS; empty if it does."""
    reasons: list[str] = []
    thread = threading.Thread(target=_connect, args=(url, reasons), daemon=True)  # resolving a name has no time limit
    thread.start()
    thread.join(SECONDS)
    return f"no answer within {SECONDS} seconds" if thread.is_alive() else "".join(reasons)


def line(error: object) -> str:
    """Return the message of an error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _connect(url: str, reasons: list[str]) -> None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
    except OSError as error:
        reasons.append(line(error))


def _log(faults: Sequence[Faults], folder: Path) -> None:
    for file, state in (item for edition in faults for item in edition.items()):
        level = logging.INFO if state == MISSING else logging.WARNING
        logger.log(level, "%s %s: trying the sources", folder / file, state)


def _faults(edition: Edition, folder: Path) -> Faults:
    states = {file: _state(folder / file, md5) for file, md5 in edition.files.items()}
    return {file: state for file, state in states.items() if state}


def _state(path: Path, md5: str) -> str:
    if not path.exists():
        return MISSING
    actual = md5_of(path) if md5 else md5
    return "" if actual == md5 else f"is corrupt (its MD5 is {actual}, not {md5})"


def md5_of(path: Path) -> str:
    """Return the MD5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _fetch_from(get: Source, edition: Edition, files: Sequence[str], folder: Path) -> str:
    """Fetch these files from one source; return why that failed, empty if it did not."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching.") as scratch:
        try:
            get(files, Path(scratch))
            _move(edition, files, Path(scratch), folder)
        except FAILURES as error:
            return line(error)
    return ""


def _move(edition: Edition, files: Sequence[str], scratch: Path, folder: Path) -> None:
    """Move the files to `folder`, each in one step, after the checksums of all files are verified."""
    for file in files:
        if state := _state(scratch / file, edition.files[file]):
            raise SourceError(f"{file} {state}")
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (scratch / file).replace(folder / file)
