"""Reads dvc.lock, DVC's record of the prepared streams, without starting DVC, which takes seconds."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML, YAMLError

from den.config import SettingsError
from den.ledger import Places
from den.streams import STREAMS
from den.suites import Plan
from flows.data.own import versions
from flows.data.raw.sources import md5_of

LOCK = Path("dvc.lock")


class Pinned(NamedTuple):
    """The entry of a stream: the hash of its folder, its settings, and the hashes of the code that prepared it."""

    md5: str
    params: object
    code: dict[str, str]


def pinned(stream: str) -> str | None:
    """Return the hash of a stream in dvc.lock; None if it has no entry. Raises SettingsError for a damaged file.

    The hash of own data is in a pointer file beside them.
    """
    if stream not in STREAMS:
        return versions.pinned(Places().data / stream)
    entry = _entry(stream)
    return entry.md5 if entry else None


def holds(stream: str, plan: Plan, places: Places) -> bool:
    """Return whether a stream matches dvc.lock in code, settings and bytes, so that DVC has nothing to do.

    Only DVC itself detects that its cache lacks the bytes, or that dvc.yaml has changed.
    """
    entry, folder = _entry(stream), places.data / stream
    if entry is None or not folder.is_dir():
        return False
    settings = {"data.seeds": plan.data.seeds, f"data.streams.{stream}": plan.data.streams.get(stream, {})}
    return (
        entry.params == {"params.yaml": settings}
        and all(Path(path).is_file() and md5_of(Path(path)) == md5 for path, md5 in entry.code.items())
        and folder_md5(folder) == entry.md5
    )


def _entry(stream: str) -> Pinned | None:
    """Return the entry of a stream, None if there is none. Raises SettingsError for a damaged file."""
    try:
        content = YAML(typ="safe").load(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else None
        entry = content["stages"].get(f"data@{stream}") if content else None
        if entry is None:
            return None
        code = {dependency["path"]: dependency["md5"] for dependency in entry["deps"]}
        return Pinned(entry["outs"][0]["md5"], entry["params"], code)
    except (YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{LOCK} is damaged ({reason}); restore it from git") from None


def folder_md5(folder: Path) -> str:
    """Return the hash that DVC gives a folder: that of the list of its files and their hashes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    entries = [{"md5": md5_of(path), "relpath": path.relative_to(folder).as_posix()} for path in files]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"
