"""Prepared streams on disk: arrays, and a manifest of their checksums, which every opening checks."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from den import config
from den.streams import STREAMS, limits
from den.tasks import Stream

MANIFEST = "manifest.json"
REMEDY = "`den prepare --force` makes it anew"


class DataError(RuntimeError):
    """A data file is missing or corrupt; the message names it and the command that restores it."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared stream.

    arrays: memory-mapped, by name. about: the settings and the source of the preparation. hash: of all files.
    """

    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any]
    hash: str


def prepare(name: str, preparation: config.Params, raw: Mapping[str, np.ndarray], seeds: int, folder: Path) -> Prepared:
    """Prepare stream `name` below `folder`, with draws for the seeds 0 .. seeds - 1; return it."""
    module = STREAMS[name]
    about = {
        "stream": name,
        "source": module.source(raw),
        "preparation": preparation.model_dump(mode="json"),
        "seeds": seeds,
    }
    write(folder / name, module.prepare(preparation, raw, seeds), about)
    return read(folder / name)


def open_stream(folder: Path, name: str, params: config.Params, seed: int) -> Stream:
    """Return the stream `name` that is prepared below `folder`.

    Raises DataError for missing or corrupt files, and SettingsError if the settings ask for more than is prepared.
    """
    return STREAMS[name].build(params, read(folder / name).arrays, seed)


def write(folder: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write arrays and manifest to `folder` atomically; they replace its former content."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        for name, array in arrays.items():
            np.save(fresh / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        files = {path.name: {"sha256": _sum(path), "bytes": path.stat().st_size} for path in sorted(fresh.iterdir())}
        manifest = {"version": 1, "about": about, "files": files}
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        if folder.exists():
            folder.replace(Path(scratch) / "stale")
        fresh.replace(folder)


def read(folder: Path) -> Prepared:
    """Return the prepared stream in `folder`, after a check of all its files.

    Raises DataError, which names the missing or corrupt file.
    """
    manifest = _manifest(folder)
    for name, file in manifest["files"].items():
        _check(folder / name, file)
    arrays = {Path(name).stem: np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in manifest["files"]}
    return Prepared(arrays, manifest["about"], _hash(manifest))


def hash_of(folder: Path) -> str:
    """Return the hash of the prepared stream in `folder` from its manifest alone; its files are not read."""
    return _hash(_manifest(folder))


def data_of(folder: Path, seed: int) -> str:
    """Return a hash of the data that a cell of `seed` reads from `folder`: the shared arrays and the seed's tables.

    The preparation of further seeds does not change it. Raises SettingsError if the seed is not prepared.
    """
    manifest = _manifest(folder)
    seeded = STREAMS[folder.name].SEEDED
    parts = {
        name: _sum_of_seed(folder / name, seed) if Path(name).stem in seeded else file["sha256"]
        for name, file in sorted(manifest["files"].items())
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _sum_of_seed(path: Path, seed: int) -> str:
    """Return a hash of the row of a table that belongs to one seed."""
    if not path.exists():
        raise DataError(f"{path} is missing; {REMEDY}")
    table = np.load(path, mmap_mode="r", allow_pickle=False)
    row = np.ascontiguousarray(limits.of_seed(path.parent.name, table, seed))
    header = f"{row.dtype.str} {row.shape} ".encode()
    return hashlib.sha256(header + row.tobytes()).hexdigest()


def _hash(manifest: Mapping[str, Any]) -> str:
    sums = "".join(f"{name} {file['sha256']}\n" for name, file in sorted(manifest["files"].items()))
    return hashlib.sha256(sums.encode()).hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        raise DataError(f"{path} is missing: the stream is not prepared; `den prepare` makes it")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = {name: dict(file) for name, file in manifest["files"].items()}
        return {"about": dict(manifest["about"]), "files": files}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is corrupt ({error!r}); {REMEDY}") from None


def _check(path: Path, file: Mapping[str, Any]) -> None:
    if not path.exists():
        raise DataError(f"{path} is missing; {REMEDY}")
    if path.stat().st_size != file.get("bytes") or _sum(path) != file.get("sha256"):
        raise DataError(f"{path} is corrupt: it does not match its checksum in {MANIFEST}; {REMEDY}")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
