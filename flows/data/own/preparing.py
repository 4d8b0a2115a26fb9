"""Prepares own data: reads a file twice, and writes its rows, in the order of their tasks, into one array on disk.

The first reading takes the columns that divide rows, the second the features, a batch at a time.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from den.streams import prepared
from den.streams.own_data import Preparation
from den.streams.prepared import DataError
from flows.data.own.grouping import Rows, rows_of
from flows.data.own.source import Source

PATIENCE, INTERVAL = 2.0, 20.0  # seconds of work before the rest is estimated first, and again


def is_current(folder: Path, settings: Preparation) -> bool:
    """Return whether `folder` holds the stream of this file and these settings, intact.

    A prepared stream whose file is gone is current: the file cannot have changed it.
    """
    try:
        about = prepared.read(folder).about
    except DataError:
        return False
    path = Path(settings.file)
    same = about.get("preparation") == settings.model_dump(mode="json")
    return same and (not path.exists() or about.get("sha256") == sha256_of(path))


def prepare(name: str, settings: Preparation, folder: Path) -> None:
    """Prepare stream `name` in `folder`; print its size, and how long it takes.

    Raises DataError, which names file, line and column, for a file that is refused.
    """
    path = Path(settings.file)
    source = opened(path, settings)
    rows = rows_of(source, settings)
    print(f"{name}: {rows.summary}", file=sys.stderr, flush=True)
    about: dict[str, Any] = {
        "stream": name,
        "source": str(path),
        "sha256": sha256_of(path),
        "preparation": settings.model_dump(mode="json"),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.rows.") as scratch:
        x = _written(name, source, rows, Path(scratch) / "x.npy")
        prepared.write(folder, {"x": x, **rows.stored}, about)
        del x


def origin_of(folder: Path, data: str) -> str:
    """Return the file of the prepared stream in `folder`, with its SHA-256; empty if its data are not these."""
    try:
        about = prepared.read(folder).about if prepared.hash_of(folder) == data else {}
    except DataError:
        return ""
    return f"{about['source']}, SHA-256 {about['sha256']}" if "sha256" in about else ""


def opened(path: Path, settings: Preparation) -> Source:
    """Return the file, to be read. Raises DataError if it is missing, or of no known kind."""
    from flows.data.own import images, npz, tables  # they load pyarrow and Pillow, which a reused stream spares

    if not path.exists():
        raise DataError(f"{path} is missing; mend its path, or data.streams in params.yaml")
    kinds: dict[str, Callable[[Path, Preparation], Source]] = {
        ".csv": tables.Csv,
        ".parquet": tables.Parquet,
        ".npz": npz.Npz,
        "": images.Images,  # a folder
    }
    suffix = "" if path.is_dir() else path.suffix.lower() or path.name
    if suffix not in kinds:
        raise DataError(
            f"{path}: data come from {', '.join(filter(None, kinds))} or a folder of images; convert it to one of these"
        )
    return kinds[suffix](path, settings)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder, that of the names and hashes of its files."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = (f"{sha256_of(file)} {file.relative_to(path).as_posix()}\n" for file in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(name: str, source: Source, rows: Rows, path: Path) -> np.ndarray:
    """Write the features of all rows in their order; return them, memory-mapped."""
    kept = int((rows.places >= 0).sum())
    x = np.lib.format.open_memmap(path, mode="w+", dtype=source.dtype, shape=(kept, *source.shape))
    start, began, announced = 0, time.perf_counter(), 0.0
    for batch in source.batches():
        places = rows.places[start : start + len(batch)]
        x[places[places >= 0]] = batch[places >= 0]
        start += len(batch)
        spent = time.perf_counter() - began
        if spent > announced + (INTERVAL if announced else PATIENCE):
            left = spent * (len(rows.places) - start) / start
            print(f"{name}: about {left:.0f} seconds left to read", file=sys.stderr, flush=True)
            announced = spent
    if start != len(rows.places):
        raise DataError(f"{rows.path}: it changed while it was read; run the command again")
    x.flush()
    return x
