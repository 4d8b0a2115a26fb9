"""Writing a file whole or not at all."""

import os
import secrets
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write `content` to `path`, making its folder; a reader sees the old file or the new one, never half of it.

    That holds after a power cut, too: the content is on the disk before the file has its name. Who may read it, the
    umask says.
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
