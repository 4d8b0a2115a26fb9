"""What a working set-up has, a function each: what was found, whether it will do, and what to do where it will not."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http.client import HTTPException
from importlib import metadata
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flows.runtime import addresses

PACKAGE = "den-bench"
EXTRA = {"extra": "pipeline"}
LOCK = Path("requirements.txt")
NAMED = 3  # of the packages that differ
LITTLE, ENOUGH = 1, 5  # free GB: checkpoints and reports of a suite, and all streams with their raw data besides
SECONDS = 3  # for a server to answer


class State(StrEnum):
    """Whether what was found will do; a hint is about what one can do without."""

    FINE = "fine"
    HINT = "hint"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it where it is not fine."""

    found: str
    state: State = State.FINE
    advice: str = ""


hint = partial(Finding, state=State.HINT)
missing = partial(Finding, state=State.MISSING)


def python() -> Finding:
    """Look whether this Python is one that the package is made for."""
    allowed, version = metadata.metadata(PACKAGE)["Requires-Python"], platform.python_version()
    if SpecifierSet(allowed).contains(version, prereleases=True):
        return Finding(version)
    return missing(version, advice=f"install a Python {allowed}, and `make setup PYTHON=...` with it")


def packages() -> Finding:
    """Look for the packages that `den` needs, in versions that it can use."""
    needed = [Requirement(line) for line in metadata.requires(PACKAGE) or ()]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate(EXTRA)]
    if wrong := [str(one).split(";")[0] for one in needed if not _is_met(one)]:
        return missing(f"{len(wrong)} of {len(needed)} not there: {_some(wrong)}", advice="`make setup` installs them")
    return Finding(f"{len(needed)} of {len(needed)}")


def lock() -> Finding:
    """Compare what is installed with the lock file: other versions are other results, as each record says."""
    if not LOCK.exists():
        return missing("not here", advice="run the command in the project's folder")
    locked = [Requirement(line) for line in LOCK.read_text(encoding="utf-8").splitlines() if line.strip()]
    locked = [one for one in locked if one.marker is None or one.marker.evaluate()]
    if other := [f"{one.name} {_installed(one) or 'none'}, not {one.specifier}" for one in locked if not _is_met(one)]:
        return hint(f"{len(other)} of {len(locked)} differ: {_some(other)}", advice="`make setup` installs the lock")
    return Finding(f"{len(locked)} of {len(locked)} versions as in {LOCK}")


def git() -> Finding:
    """Look for git, and for the commit that records will name."""
    if not shutil.which("git"):
        return missing("not on the PATH", advice="install git: records name the commit that they were made with")
    done = _told("git", "rev-parse", "--short", "HEAD")
    if done.returncode:
        return missing("no commit here", advice="work in a `git clone` of the project: records name their commit")
    return Finding(f"commit {done.stdout.strip()}")


def dvc() -> Finding:
    """Look whether DVC keeps the data."""
    from flows.data import stream_files

    if not stream_files.versioned():
        return hint(
            "does not keep the data", advice="work in a `git clone`, with DVC from `make setup`, to pin versions"
        )
    if not shutil.which("dvc"):
        return hint("not on the PATH", advice="`. .venv/bin/activate`, to use `dvc repro`")
    return Finding("keeps the data")


def remote() -> Finding:
    """Look for a place that prepared data is shared through."""
    done = _told(sys.executable, "-m", "dvc", "remote", "list")
    if done.returncode or not done.stdout.strip():
        return hint("none", advice="`dvc remote add --default NAME ADDRESS` shares prepared data between machines")
    return Finding(", ".join(line.split()[0] for line in done.stdout.splitlines() if line.strip()))


def disk() -> Finding:
    """Look for room."""
    free = shutil.disk_usage(".").free / 1e9
    state = State.MISSING if free < LITTLE else State.HINT if free < ENOUGH else State.FINE
    advice = f"make room; {ENOUGH} GB are enough for all streams and suites" if state != State.FINE else ""
    return Finding(f"{free:.0f} GB free", state, advice)


def params() -> Finding:
    """Check params.yaml as every command does."""
    from den import suites

    try:
        plan = suites.load()
        cells = sum(len(plan.cells(name)) for name in plan.suites)
    except suites.SettingsError as error:
        return missing("it is refused", advice="; ".join(str(error).splitlines()))
    return Finding(f"{len(plan.suites)} suites, {cells} cells")


def streams() -> Finding:
    """Look which streams are prepared, every byte of them."""
    from den.streams import STREAMS, prepared
    from flows.places import here

    folders = [here().data / name for name in STREAMS]
    there = [folder for folder in folders if (folder / prepared.MANIFEST).exists()]
    for folder in there:
        try:
            prepared.read(folder)
        except prepared.DataError as error:
            return missing(f"{folder.name} is damaged", advice=str(error))
    if lacking := [folder.name for folder in folders if folder not in there]:
        advice = "`den prepare` makes them; `den run` makes those that it needs"
        return hint(f"{len(there)} of {len(folders)} prepared, not {', '.join(lacking)}", advice=advice)
    return Finding(f"all {len(folders)} prepared")


def pins() -> Finding:
    """Look which streams have their version in dvc.lock."""
    from den.streams import STREAMS
    from flows.data import dvc_lock

    if loose := [name for name in STREAMS if dvc_lock.pinned(name) is None]:
        return hint(f"not in dvc.lock: {', '.join(loose)}", advice="`den prepare` pins them; commit dvc.lock")
    return Finding(f"all {len(STREAMS)} in dvc.lock")


def prefect_server() -> Finding:
    """Look whether the Prefect server that is configured answers."""
    from prefect.settings import PREFECT_API_URL

    address = PREFECT_API_URL.value()
    if not address:
        return Finding("its own, started by `den run`")
    return _server(address, "start it, or unset PREFECT_API_URL: `den run` then starts its own")


def mlflow() -> Finding:
    """Look whether the MLflow server that is configured answers."""
    from flows.tracking import tracker

    address = tracker.address()
    if not address.startswith("http"):
        return Finding(f"its own, in {tracker.FOLDER}" if tracker.FOLDER.exists() else "its own, made by `den run`")
    return _server(address, "start it, or unset MLFLOW_TRACKING_URI: `den run` then keeps its own")


def cuda() -> Finding:
    """Look for a GPU."""
    import torch

    if not torch.cuda.is_available():
        return hint(
            "none", advice="none is needed; a driver from R580 on is, to train on one with --set training.device=cuda"
        )
    return Finding(torch.cuda.get_device_name())


def cores() -> Finding:
    """Count the cores that cells may use."""
    from flows.runtime import concurrency

    return Finding(f"{concurrency.cores()} usable")


def mirror() -> Finding:
    """Look for the folder that raw data may come from."""
    from flows.data import raw

    folder = os.environ.get(raw.MIRROR)
    if not folder:
        return hint(f"{raw.MIRROR} is not set", advice="set it to a folder with MNIST/raw to do without downloads")
    if not (Path(folder) / raw.FOLDER).is_dir():
        return hint(f"no {Path(folder) / raw.FOLDER}", advice=f"let {raw.MIRROR} name a folder that has {raw.FOLDER}")
    return Finding(folder)


CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": python,
    "packages": packages,
    "lock file": lock,
    "git": git,
    "disk": disk,
    "params.yaml": params,
    "streams": streams,
    "DVC": dvc,
    "data versions": pins,
    "DVC remote": remote,
    "data mirror": mirror,
    "Prefect": prefect_server,
    "MLflow": mlflow,
    "cores": cores,
    "GPU": cuda,
}


def _installed(requirement: Requirement) -> str | None:
    try:
        return metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return None


def _is_met(requirement: Requirement) -> bool:
    version = _installed(requirement)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _some(names: list[str]) -> str:
    """Return the first few names, and that there are more."""
    return "; ".join(names[:NAMED]) + ("; ..." if len(names) > NAMED else "")


def _told(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _server(address: str, advice: str) -> Finding:
    """Return whether a Prefect or MLflow server is healthy."""
    bare = addresses.shown(address)
    try:
        urlopen(f"{bare}/health", timeout=SECONDS).close()
    except HTTPError as error:
        if error.code not in (401, 403):  # it answers, though not to strangers
            return missing(f"{bare} answers with {error.code}", advice=advice)
    except (OSError, HTTPException, ValueError) as error:
        return missing(f"no answer from {bare}: {error}", advice=advice)
    return Finding(f"{bare} answers")
