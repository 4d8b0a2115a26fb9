"""The project itself, and `den` run in a copy of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ACCEPTED_SUITES = sorted(path.parent.name for path in (ROOT / "reports/accepted").glob("*/cells.csv"))
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
HEAVY = {
    "torch",
    "prefect",
    "mlflow",
    "pandas",
    "matplotlib",
    "dvc",
    "numpy",
    "pydantic",
}  # what `den --help` does without
OWN = ("PREFECT_", "MLFLOW_", "DVC_", "DEN_LEDGER")  # settings that a project of the tests must not inherit
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.org")


def den(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `den` with these words in a project; its Prefect and MLflow keep their files there."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    command = [sys.executable, "-m", "flows.cli", *words]
    known = inherited | {"NO_COLOR": "1", "COLUMNS": "120"} | environment
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, timeout=300, check=False)


def copied(folder: Path) -> Path:
    """Copy the project into an empty folder, under git and DVC; return the folder."""
    for part in PARTS:
        _copy(ROOT / part, folder / part)
    for words in (["init", "--quiet"], ["add", "--all"], [*IDENTITY, "commit", "--quiet", "--message", "project"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "out"))
    else:
        shutil.copy(source, target)
