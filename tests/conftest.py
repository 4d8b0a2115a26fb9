"""What all tests share: one thread for torch, and a small project of their own to run in."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis  # noqa: F401  before trio, whose plugin for it warns if it is imported after
import projects
import pytest
import small
import torch

from den.ledger import Places
from den.streams import prepared


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Keep torch to one thread, as a cell's process does."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh copy of the project, under git and DVC, with nothing prepared and nothing run."""
    return projects.copied(tmp_path_factory.mktemp("project"))


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
