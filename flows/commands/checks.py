"""The checks of `den doctor`, one function each: the result, whether it suffices, and advice if it does not."""

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

from den import git
from flows.runtime import addresses

PACKAGE = "den-bench"
EXTRA = {"extra": "pipeline"}
LOCK = Path("requirements.txt")
NAMED = 3  # packages that a result names
LITTLE, ENOUGH = 1, 5  # free GB: for checkpoints and reports of a suite; for all streams and raw data, too
SECONDS = 3  # that a server has to answer


class State(StrEnum):
    """Whether a result suffices; a hint concerns something optional."""

    FINE = "fine"
    HINT = "hint"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """The result of a check, and advice if it is not fine."""

    summary: str
    state: State = State.FINE
    advice: str = ""


hint = partial(Finding, state=State.HINT)
missing = partial(Finding, state=State.MISSING)


def python() -> Finding:
    """Check that the package supports this version of Python."""
    allowed, version = metadata.metadata(PACKAGE)["Requires-Python"], platform.python_version()
    if SpecifierSet(allowed).contains(version, prereleases=True):
        return Finding(version)
    return missing(version, advice=f"install Python {allowed}, then `make setup PYTHON=...` with it")


def packages() -> Finding:
    """Check that all required packages are installed in supported versions."""
    declared = [Requirement(line) for line in metadata.requires(PACKAGE) or ()]
    required = [package for package in declared if package.marker is None or package.marker.evaluate(EXTRA)]
    if unmet := [str(package).split(";")[0] for package in required if not _is_met(package)]:
        return missing(f"{len(unmet)} of {len(required)} missing: {_some(unmet)}", advice="`make setup` installs them")
    return Finding(f"{len(required)} of {len(required)}")


def lock() -> Finding:
    """Compare the installed packages with the lock file: other versions may give other results."""
    if not LOCK.exists():
        return missing("not here", advice="run the command in the project's folder")
    lines = [Requirement(line) for line in LOCK.read_text(encoding="utf-8").splitlines() if line.strip()]
    locked = [package for package in lines if package.marker is None or package.marker.evaluate()]
    differing = [
        f"{package.name} {_installed(package) or 'none'}, not {package.specifier}"
        for package in locked
        if not _is_met(package)
    ]
    if differing:
        summary = f"{len(differing)} of {len(locked)} differ: {_some(differing)}"
        return hint(summary, advice="`make setup` installs the locked versions")
    return Finding(f"{len(locked)} of {len(locked)} versions as in {LOCK}")


def commit() -> Finding:
    """Check that git is installed and has a commit, which measurements record."""
    if not shutil.which("git"):
        return missing("not on the PATH", advice="install git: measurements record the commit of the code")
    head = git.output("rev-parse", "--short", "HEAD")
    if head is None:
        return missing("no commit here", advice="work in a `git clone` of the project: measurements record its commit")
    return Finding(f"commit {head.strip()}")


def dvc() -> Finding:
    """Check that DVC versions the data."""
    from flows.data import stream_files

    if not stream_files.versioned():
        return hint("does not version the data", advice="work in a `git clone` with DVC, which `make setup` installs")
    if not shutil.which("dvc"):
        return hint("not on the PATH", advice="run `. .venv/bin/activate` to use `dvc repro`")
    return Finding("versions the data")


def remote() -> Finding:
    """Check that a DVC remote is configured."""
    command = (sys.executable, "-m", "dvc", "remote", "list")
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode or not process.stdout.strip():
        return hint("none", advice="`dvc remote add --default NAME ADDRESS` shares prepared data between machines")
    return Finding(", ".join(line.split()[0] for line in process.stdout.splitlines() if line.strip()))


def disk() -> Finding:
    """Check that the disk has enough free space."""
    free = shutil.disk_usage(".").free / 1e9
    state = State.MISSING if free < LITTLE else State.HINT if free < ENOUGH else State.FINE
    advice = f"free some space; {ENOUGH} GB are enough for all streams and suites" if state != State.FINE else ""
    return Finding(f"{free:.0f} GB free", state, advice)


def params() -> Finding:
    """Check params.yaml as every command does."""
    from den import suites

    try:
        plan = suites.load()
        cells = sum(len(plan.cells(name)) for name in plan.suites)
    except suites.SettingsError as error:
        return missing("invalid", advice="; ".join(str(error).splitlines()))
    return Finding(f"{len(plan.suites)} suites, {cells} cells")


def streams() -> Finding:
    """Check which streams are prepared, and that their files are intact."""
    from den.streams import STREAMS, prepared
    from flows.places import here

    folders = [here().data / name for name in STREAMS]
    present = [folder for folder in folders if (folder / prepared.MANIFEST).exists()]
    for folder in present:
        try:
            prepared.read(folder)
        except prepared.DataError as error:
            return missing(f"{folder.name} is damaged", advice=str(error))
    if lacking := [folder.name for folder in folders if folder not in present]:
        advice = "`den prepare` prepares them; `den run` prepares those that it needs"
        return hint(f"{len(present)} of {len(folders)} prepared, not {', '.join(lacking)}", advice=advice)
    return Finding(f"all {len(folders)} prepared")


def pins() -> Finding:
    """Check that dvc.lock has the version of every stream."""
    from den.streams import STREAMS
    from flows.data import dvc_lock

    if unpinned := [name for name in STREAMS if dvc_lock.pinned(name) is None]:
        return hint(f"not in dvc.lock: {', '.join(unpinned)}", advice="`den prepare` pins them; commit dvc.lock")
    return Finding(f"all {len(STREAMS)} in dvc.lock")


def prefect_server() -> Finding:
    """Check that the configured Prefect server answers."""
    from prefect.settings import PREFECT_API_URL

    address = PREFECT_API_URL.value()
    if not address:
        return Finding("none configured, `den run` starts its own")
    return _server(address, "start it, or unset PREFECT_API_URL: then `den run` starts its own")


def mlflow() -> Finding:
    """Check that the configured MLflow server answers."""
    from flows.tracking import tracker

    address = tracker.address()
    if not address.startswith("http"):
        place = f"uses {tracker.FOLDER}" if tracker.FOLDER.exists() else f"`den run` creates {tracker.FOLDER}"
        return Finding(f"none configured, {place}")
    return _server(address, f"start it, or unset MLFLOW_TRACKING_URI: then `den run` uses {tracker.FOLDER}")


def cuda() -> Finding:
    """Check for a GPU."""
    import torch

    if not torch.cuda.is_available():
        return hint("none", advice="optional; `--set training.device=cuda` needs a GPU and a driver of R580 or later")
    return Finding(torch.cuda.get_device_name())


def cores() -> Finding:
    """Count the usable cores."""
    from flows.runtime import concurrency

    return Finding(f"{concurrency.cores()} usable")


def mirror() -> Finding:
    """Check the folder that raw data may come from instead of downloads."""
    from flows.data import raw

    folder = os.environ.get(raw.MIRROR)
    if not folder:
        return hint(f"{raw.MIRROR} is not set", advice=f"set it to a folder with {raw.FOLDER} to avoid downloads")
    if not (Path(folder) / raw.FOLDER).is_dir():
        return hint(f"no {Path(folder) / raw.FOLDER}", advice=f"set {raw.MIRROR} to a folder with {raw.FOLDER}")
    return Finding(folder)


CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": python,
    "packages": packages,
    "lock file": lock,
    "git": commit,
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
    """Return the first few names, followed by an ellipsis if there are more."""
    return "; ".join(names[:NAMED]) + ("; ..." if len(names) > NAMED else "")


def _server(address: str, advice: str) -> Finding:
    """Check that a Prefect or MLflow server is healthy."""
    bare = addresses.shown(address)
    try:
        urlopen(f"{bare}/health", timeout=SECONDS).close()
    except HTTPError as error:
        if error.code not in (401, 403):  # it answers, but requires a login
            return missing(f"{bare} answers with {error.code}", advice=advice)
    except (OSError, HTTPException, ValueError) as error:
        return missing(f"no answer from {bare}: {error}", advice=advice)
    return Finding(f"{bare} answers")
