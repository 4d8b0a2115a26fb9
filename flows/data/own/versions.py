"""The versions of own data: DVC's pointer file beside the prepared arrays. It is not in git unless you add it."""

from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from flows.data import dvc_command


def pointer_of(folder: Path) -> Path:
    """Return the pointer file of a prepared stream."""
    return folder.with_name(f"{folder.name}.dvc")


def pinned(folder: Path) -> str | None:
    """Return the hash of a prepared stream in its pointer file; None without one, or if it is damaged."""
    try:
        content = YAML(typ="safe").load(pointer_of(folder).read_text(encoding="utf-8"))
        return str(content["outs"][0]["md5"])
    except (OSError, YAMLError, ValueError, LookupError, TypeError):
        return None


def pin(folder: Path) -> bool:
    """Let DVC store the stream in its cache and write the pointer file; return whether it did."""
    return dvc_command.succeeds("add", "--quiet", str(folder))
