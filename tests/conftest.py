"""What all tests share: one thread for torch, and a small project of their own to run in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis  # noqa: F401  before trio, whose plugin for it warns if it is imported after
import pytest
import small
import torch

from den.ledger import Places
from den.streams import prepared

ROOT = Path(__file__).parent.parent
PARTS = (
    "den",
    "flows",
    "reports",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
    "prefect.toml",
    "prefect.yaml",
)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Keep torch to one thread, as a cell's process does."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh copy of the project, under git and DVC, with nothing prepared and nothing run."""
    folder = tmp_path_factory.mktemp("project")
    for part in PARTS:
        _copy(ROOT / part, folder / part)
    for words in (["init", "--quiet"], ["add", "--all"], [*IDENTITY, "commit", "--quiet", "--message", "project"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def blobs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with small blobs, prepared for two seeds; for reading only."""
    folder = tmp_path_factory.mktemp("streams")
    prepared.prepare("blobs", small.PREPARATION, {}, 2, folder)
    return folder


@pytest.fixture
def places(blobs_folder: Path, tmp_path: Path) -> Places:
    """Return places of one's own over the shared blobs."""
    return Places(blobs_folder, tmp_path / "ledger", tmp_path / "index.sqlite", tmp_path / "work")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def den(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `den` with these words in a project; its Prefect and MLflow keep their files there."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    command = [sys.executable, "-m", "flows.cli", *words]
    known = inherited | {"NO_COLOR": "1", "COLUMNS": "120"} | environment
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, timeout=300, check=False)


OWN = ("PREFECT_", "MLFLOW_", "DVC_", "DEN_LEDGER")  # settings that a project of the tests must not inherit
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.org")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "out"))
    else:
        shutil.copy(source, target)
