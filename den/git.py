"""Questions to git."""

import subprocess
from pathlib import Path


def output(*words: str, folder: Path | None = None) -> str | None:
    """Return what a git command prints about the repository of `folder`, by default the working folder.

    None if the command fails, or git is not installed.
    """
    command = ("git", *(() if folder is None else ("-C", str(folder))), *words)
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if process.returncode else process.stdout
