"""dvc.lock: what DVC keeps of the prepared streams, read without starting DVC, which takes seconds."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from den.ledger import Places
from den.suites import Plan

LOCK = Path("dvc.lock")


def pinned(stream: str) -> str | None:
    """Return the hash under which dvc.lock keeps the stream, or None where it does not."""
    entry = _entry(stream)
    return entry["outs"][0]["md5"] if entry else None


def holds(stream: str, plan: Plan, places: Places) -> bool:
    """Tell whether all that dvc.lock says of a stream is so: its code, its settings and its bytes.

    DVC would then have nothing to do. That its cache lacks the bytes, or that dvc.yaml has changed, only DVC sees.
    """
    entry, folder = _entry(stream), places.data / stream
    if entry is None or not folder.is_dir():
        return False
    settings = {"data.seeds": plan.data.seeds, f"data.streams.{stream}": plan.data.streams.get(stream, {})}
    code = ((Path(one["path"]), one["md5"]) for one in entry["deps"])
    return (
        entry["params"] == {"params.yaml": settings}
        and all(path.is_file() and _md5(path) == md5 for path, md5 in code)
        and _folder_md5(folder) == pinned(stream)
    )


def _entry(stream: str) -> dict[str, Any] | None:
    stages = (YAML(typ="safe").load(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else None) or {}
    entry: dict[str, Any] | None = stages.get("stages", {}).get(f"data@{stream}")
    return entry


def _folder_md5(folder: Path) -> str:
    """Return a folder's hash as DVC takes it: of the list of its files and theirs."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [{"md5": _md5(path), "relpath": path.relative_to(folder).as_posix()} for path in files]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
