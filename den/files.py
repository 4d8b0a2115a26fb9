"""Atomic writing of files."""

import os
import secrets
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` and create its folder; a reader sees the old file or the new one, never a part.

    That holds after a power failure, too: the content is on the disk before the file gets its name. The umask sets
    the permissions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
