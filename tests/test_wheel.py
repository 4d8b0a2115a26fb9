"""Source archive and wheel: what they hold, what the wheel pulls in, and that the library works with that alone."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import bare
import pytest
from documents import code
from packaging.requirements import Requirement
from projects import ROOT

from flows import entry

PARTS = ("den", "flows", "reports", "tests", "docs", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
LEFT_BEHIND = ("data/raw/mnist", "data/streams/blobs.npy", ".den/ledger/x", "site/index.html", "reports/out/x", "x.whl")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SMALL = {"torch", "numpy", "pydantic", "ruamel.yaml", "safetensors", "filelock"}
BY_HAND = """\
import numpy as np

y = np.arange(200) % 10
X = np.random.default_rng(0).normal(size=(200, 64)) + np.eye(64)[6 * y] * 8
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source archive, built in a copy of the project that has been worked in."""
    source = tmp_path_factory.mktemp("source")
    leave_out = shutil.ignore_patterns("__pycache__", "accepted", "out")
    for part in PARTS:
        copy = shutil.copy if (ROOT / part).is_file() else lambda *paths: shutil.copytree(*paths, ignore=leave_out)
        copy(ROOT / part, source / part)
    for name in LEFT_BEHIND:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(source / 'dist')!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (path,) = (source / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the source archive."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([sys.executable, "-m", "pip", *build, archive], check=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Return the fields of METADATA."""
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return HeaderParser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def commands(wheel: Path, metadata: Message, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the commands of an environment with the wheel and its requirements, without an extra."""
    return bare.environment(tmp_path_factory.mktemp("bare"), wheel, metadata.get_all("Requires-Dist", []))


def run(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that sees only its own environment."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def test_the_source_archive_holds_the_packages_the_licence_and_the_readme_alone(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        names = {Path(*Path(member.name).parts[1:]).as_posix() for member in opened if member.isfile()}
    made = {"PKG-INFO", "setup.cfg"} | {name for name in names if name.startswith("den_bench.egg-info/")}
    files = {"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "den/py.typed"}
    assert made | files <= names
    others = names - made - files
    assert {name.split("/")[0] for name in others} == {"den", "flows", "reports"}
    assert all(name.endswith(".py") or name.startswith(("reports/published/", "reports/templates/")) for name in others)


def test_it_holds_the_packages_and_their_data_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names} == {
        "den",
        "flows",
        "reports",
        f"den_bench-{PROJECT['version']}.dist-info",
    }
    assert "den/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    for package in ("den", "flows", "reports"):
        modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")}
        assert modules <= names
    for folder in ("published", "templates"):
        assert {f"reports/{folder}/{path.name}" for path in (ROOT / "reports" / folder).iterdir()} <= names


def test_it_pulls_in_torch_numpy_and_four_small_packages(metadata: Message) -> None:
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert {requirement.name for requirement in requirements if requirement.marker is None} == SMALL
    assert all("extra" in str(requirement.marker) for requirement in requirements if requirement.marker)
    assert {"pipeline", "development"} <= set(metadata.get_all("Provides-Extra", []))


def test_its_metadata_are_those_of_the_project(metadata: Message) -> None:
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["License-Expression"] == "MIT" and metadata["License-File"] == "LICENSE"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text()


def test_the_example_of_the_readme_runs_with_its_requirements_alone(commands: Path, tmp_path: Path) -> None:
    (example,) = code(ROOT / "README.md", "python")
    tasks = "X1, y1, X2, y2 = X[y < 5], y[y < 5], X[y >= 5], y[y >= 5]\n"
    (tmp_path / "example.py").write_text(BY_HAND + tasks + example)
    done = run(commands / "python", "example.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    score, capacity = map(float, done.stdout.split())
    assert score > 0.9 and capacity >= 1


def test_the_example_of_the_notebook_page_runs_with_its_requirements_alone(commands: Path, tmp_path: Path) -> None:
    (notebook,) = code(ROOT / "docs/how-to/notebook.md", "python")
    kept = [line for line in notebook.splitlines() if "load_digits" not in line]
    assert len(kept) == len(notebook.splitlines()) - 2
    (tmp_path / "example.py").write_text(BY_HAND + "\n".join(kept))
    example = run(commands / "python", "example.py", folder=tmp_path)
    assert example.returncode == 0, example.stderr
    score, capacity = map(float, example.stdout.split())
    assert score > 0.9 and capacity >= 1
    origin = run(commands / "python", "-c", "import den; print(den.__file__)", folder=tmp_path).stdout
    assert Path(origin.strip()).is_relative_to(commands.parent)


@pytest.mark.parametrize("module", ["prefect", "mlflow", "dvc", "optuna", "pandas", "sklearn", "matplotlib", "click"])
def test_the_environment_is_bare(commands: Path, module: str, tmp_path: Path) -> None:
    missing = run(commands / "python", "-c", f"import {module}", folder=tmp_path)
    assert "ModuleNotFoundError" in missing.stderr


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--suite", "quick"]], ids=" ".join)
def test_the_command_says_what_it_needs(commands: Path, words: list[str], tmp_path: Path) -> None:
    den = run(commands / "den", *words, folder=tmp_path)
    assert (den.returncode, den.stdout, den.stderr) == (2, "", entry.MISSING + "\n")
    assert 'pip install "den-bench[pipeline]"' in den.stderr
    assert not list(tmp_path.iterdir())
