"""What all raw sets share: the order in which sources are asked, checksums, and names given last of all."""

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
SECONDS = 5  # to answer a connection test


class SourceError(Exception):
    """A source cannot give the set; the message says why."""


PASSED_OVER = (
    SourceError,
    OSError,
    RuntimeError,
    ImportError,
    EOFError,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)

Source = Callable[[Sequence[str], Path], None]  # puts the wanted files below the scratch folder, or raises PASSED_OVER
Faults = Mapping[str, str]  # what is wrong with each file that is not right


@dataclass(frozen=True)
class Edition:
    """One edition of a set.

    files: paths below a torchvision root, with the MD5 of the unpacked file, or nothing where none was ever published.
    load: returns the arrays of the files below a folder; raises DataError for files that are not the published ones.
    """

    files: Mapping[str, str]
    load: Callable[[Path], dict[str, np.ndarray]]


@dataclass(frozen=True)
class RawSet:
    """A raw set: its editions, of which one is enough, the preferred first; its sources; what to do where all fail."""

    editions: tuple[Edition, ...]
    sources: Mapping[str, Source]
    advice: str = ""


def fetch(name: str, raw_set: RawSet, folder: Path) -> None:
    """Bring one edition of the set below `folder`. Raises DataError naming every source and why it failed."""
    faults = [_faults(edition, folder) for edition in raw_set.editions]
    if not all(faults):
        return
    _tell(faults, folder)
    reasons: list[str] = []
    for source, get in raw_set.sources.items():
        for edition, wrong in zip(raw_set.editions, faults, strict=True):
            if not (why := _take(get, edition, [*wrong], folder)):
                logger.info("%s: fetched from %s", name, source)
                return
            if (reason := f"{source}: {why}") not in reasons:
                reasons.append(reason)
                logger.warning("%s: passed over %s", name, reason)
    raise DataError(f"{name}: no source has it:\n  " + ";\n  ".join(filter(None, [*reasons, raw_set.advice])))


def load(raw_set: RawSet, folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the first edition that is below `folder`. Raises DataError where none is."""
    states: list[str] = []
    for edition in raw_set.editions:
        if not (faults := _faults(edition, folder)):
            return edition.load(folder)
        states.extend(f"{folder / file} {state}" for file, state in [*faults.items()][:1])
    raise DataError(f"{' and '.join(states)}; `den prepare` fetches it")


def mirror(wanted: Sequence[str], scratch: Path) -> None:
    """Copy the files from the folder that DEN_DATA_MIRROR names, unpacked where it has them packed."""
    root = os.environ.get(MIRROR)
    if not root:
        raise SourceError(f"the environment variable {MIRROR} is not set")
    for file in wanted:
        unpack(Path(root) / file, scratch / file)


def unpack(path: Path, target: Path) -> None:
    """Copy a file, or its packed twin. Raises SourceError where neither is there."""
    packed = path.with_name(f"{path.name}.gz")
    if not path.exists() and not packed.exists():
        raise SourceError(f"there is no {path}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb") if path.exists() else gzip.open(packed) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def answer(url: str) -> str:
    """Return why `url` does not answer within seconds, or nothing where it does."""
    reasons: list[str] = []
    thread = threading.Thread(target=_ask, args=(url, reasons), daemon=True)  # looking a name up knows no time limit
    thread.start()
    thread.join(SECONDS)
    return f"no answer within {SECONDS} seconds" if thread.is_alive() else "".join(reasons)


def line(error: object) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _ask(url: str, reasons: list[str]) -> None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
    except OSError as error:
        reasons.append(line(error))


def _tell(faults: Sequence[Faults], folder: Path) -> None:
    for file, state in (item for wrong in faults for item in wrong.items()):
        logger.log(
            logging.INFO if state == MISSING else logging.WARNING, "%s %s: asking the sources", folder / file, state
        )


def _faults(edition: Edition, folder: Path) -> Faults:
    states = {file: _state(folder / file, md5) for file, md5 in edition.files.items()}
    return {file: state for file, state in states.items() if state}


def _state(path: Path, md5: str) -> str:
    if not path.exists():
        return MISSING
    found = _md5(path) if md5 else md5
    return "" if found == md5 else f"is corrupt (its MD5 is {found}, not {md5})"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _take(get: Source, edition: Edition, wanted: Sequence[str], folder: Path) -> str:
    """Bring the wanted files from one source; return why that failed, or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching.") as scratch:
        try:
            get(wanted, Path(scratch))
            _place(edition, wanted, Path(scratch), folder)
        except PASSED_OVER as error:
            return line(error)
    return ""


def _place(edition: Edition, wanted: Sequence[str], scratch: Path, folder: Path) -> None:
    """Move the files to where they belong, each in one step, once the checksums of all of them are right."""
    for file in wanted:
        if state := _state(scratch / file, edition.files[file]):
            raise SourceError(f"{file} {state}")
    for file in wanted:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (scratch / file).replace(folder / file)
