"""Where a result comes from: commit, lock, versions and machine."""

import hashlib
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]


def provenance(device: torch.device) -> dict[str, Any]:
    """Return what is known of the code and the machine; None where it is not known."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if (changes := _git("status", "--porcelain", "--", "den")) is None else bool(changes),
        "lock_hash": _hash(ROOT / "requirements.txt"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "host": f"{platform.system()} {platform.machine()}",
    }


@cache
def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(("git", "-C", str(ROOT), *words), capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
