"""dvc.lock: what DVC keeps of the prepared streams, read without starting DVC, which takes seconds."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML, YAMLError

from den.config import SettingsError
from den.ledger import Places
from den.suites import Plan

LOCK = Path("dvc.lock")


class Pinned(NamedTuple):
    """What dvc.lock has of a stream: the hash of its files, and of what they were made from."""

    md5: str
    params: Any
    code: dict[str, str]


def pinned(stream: str) -> str | None:
    """Return the hash under which dvc.lock keeps the stream, or None where it does not."""
    entry = _entry(stream)
    return entry.md5 if entry else None


def holds(stream: str, plan: Plan, places: Places) -> bool:
    """Tell whether all that dvc.lock says of a stream is so: its code, its settings and its bytes.

    DVC would then have nothing to do. That its cache lacks the bytes, or that dvc.yaml has changed, only DVC sees.
    """
    entry, folder = _entry(stream), places.data / stream
    if entry is None or not folder.is_dir():
        return False
    settings = {"data.seeds": plan.data.seeds, f"data.streams.{stream}": plan.data.streams.get(stream, {})}
    return (
        entry.params == {"params.yaml": settings}
        and all(Path(path).is_file() and _md5(Path(path)) == md5 for path, md5 in entry.code.items())
        and _folder_md5(folder) == entry.md5
    )


def _entry(stream: str) -> Pinned | None:
    """Return what dvc.lock has of a stream, None if nothing. Raises SettingsError for a damaged file."""
    try:
        content = YAML(typ="safe").load(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else None
        entry = content["stages"].get(f"data@{stream}") if content else None
        if entry is None:
            return None
        code = {one["path"]: one["md5"] for one in entry["deps"]}
        return Pinned(entry["outs"][0]["md5"], entry["params"], code)
    except (YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{LOCK} is damaged ({reason}); restore it from git") from None


def _folder_md5(folder: Path) -> str:
    """Return a folder's hash as DVC takes it: of the list of its files and theirs."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [{"md5": _md5(path), "relpath": path.relative_to(folder).as_posix()} for path in files]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
