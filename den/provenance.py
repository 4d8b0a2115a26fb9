"""The provenance of a result: commit, lock, versions and machine."""

import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from den import git
from den.ledger import Machine

ROOT = Path(__file__).resolve().parents[1]
VARIABLES = ("MKL_", "ONEDNN_", "ATEN_", "OPENBLAS_")
THREADS = "_NUM_THREADS"  # a cell has one thread, whatever these say
CPU_INFO, DRIVER = Path("/proc/cpuinfo"), Path("/sys/module/nvidia/version")


def provenance(device: torch.device) -> dict[str, Any]:
    """Return code, versions and machine for a measurement's origin; None for what cannot be determined."""
    return code() | {
        "lock": _hash(ROOT / "requirements.txt"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "machine": machine(device),
        "load": load(),
    }


def code() -> dict[str, Any]:
    """Return the commit of the code, and whether den/ differs from it; both are None outside of git."""
    changes = _git("status", "--porcelain", "--", "den")
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def machine(device: torch.device) -> Machine:
    """Return this machine; its GPU is included only if `device` is one."""
    of_gpu: dict[str, Any] = _gpu() if device.type == "cuda" else {}
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        capability=torch.backends.cpu.get_cpu_capability(),
        variables={name: value for name, value in sorted(os.environ.items()) if _matters(name)},
        cores=cores(),
        memory=memory(),
        **of_gpu,
    )


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """Return the machine's load over the last minute in processes; None if the system does not report it."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def memory() -> int | None:
    """Return the machine's memory in bytes; None if the system does not report it."""
    names = getattr(os, "sysconf_names", {})
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in names else None


def _gpu() -> dict[str, Any]:
    return {
        "gpu": torch.cuda.get_device_name(),
        "driver": DRIVER.read_text(encoding="utf-8").strip() if DRIVER.exists() else None,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _matters(variable: str) -> bool:
    return variable.startswith(VARIABLES) and not variable.endswith(THREADS)


@cache
def _processor() -> str:
    """Return the processor's model with family, model and stepping, since virtual machines share vague names."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in fields:
        parts = [fields[key] for key in ("CPU implementer", "CPU part", "CPU variant", "CPU revision") if key in fields]
        return " ".join(parts) or platform.processor() or platform.machine()
    detail = "/".join(fields.get(key, "?") for key in ("cpu family", "model", "stepping"))
    return f"{fields['model name']} ({detail})"


@cache
def _git(*words: str) -> str | None:
    output = git.output(*words, folder=ROOT)
    return None if output is None else output.strip()


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
