"""DVC as its users expect it: data goes to a remote and comes back, accepted results are compared and plotted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import IDENTITY, ROOT, den

from den import suites
from den.ledger import Places
from flows import lockfile


def dvc(folder: Path, *words: str) -> str:
    known = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_report_depends_on_all_of_reports_but_its_own_output() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    modules = {f"reports/{path.name}" for path in (ROOT / "reports").glob("*.py")} - {"reports/__init__.py"}
    folders = {f"reports/{name}" for name in ("accepted", "figures", "published", "templates")}
    assert set(stages["report"]["deps"]) == modules | folders | {"reports/out/quick/metrics.json"}


@pytest.mark.slow
def test_data_goes_to_a_remote_and_comes_back_the_same(project: Path, tmp_path: Path) -> None:
    assert den(project, "prepare", "--stream", "blobs").returncode == 0
    before = contents(project / "data/streams/blobs")
    dvc(project, "remote", "add", "--default", "away", str(tmp_path / "remote"))
    dvc(project, "push", "data@blobs")
    shutil.rmtree(project / "data/streams/blobs")
    shutil.rmtree(project / ".dvc/cache")
    dvc(project, "pull", "data@blobs")
    assert contents(project / "data/streams/blobs") == before
    again = den(project, "prepare", "--stream", "blobs")
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_what_the_lock_says_holds_until_code_settings_or_bytes_change(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert den(project, "prepare", "--stream", "blobs").returncode == 0
    monkeypatch.chdir(project)
    assert lockfile.holds("blobs", suites.load(), Places())
    assert "up to date" in dvc(project, "status", "data@blobs")
    for name in ("den/streams/blobs.py", "data/streams/blobs/manifest.json", "params.yaml"):
        before = Path(name).read_text()
        Path(name).write_text(before + "\n" if name != "params.yaml" else before.replace("seeds: 10", "seeds: 9"))
        assert not lockfile.holds("blobs", suites.load(), Places()), name
        Path(name).write_text(before)
    assert lockfile.holds("blobs", suites.load(), Places())
    assert not lockfile.holds("split_mnist", suites.load(), Places())


@pytest.mark.slow
def test_two_preparations_at_once_do_each_other_no_harm(project: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "prepare", "--stream", "blobs"]
    both = [subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE) for _ in range(2)]
    for one in both:
        _, said = one.communicate(timeout=300)
        assert one.returncode == 0, said
    assert json.loads((project / "data/streams/blobs/manifest.json").read_text())


@pytest.mark.slow
def test_accepted_results_are_compared_between_commits_and_plotted(project: Path) -> None:
    path = project / "reports/accepted/mnist-variation/metrics.json"
    found = json.loads(path.read_text())
    found["mnist_variation"]["den"]["auroc"] -= 0.25
    path.write_text(json.dumps(found))
    changes = json.loads(dvc(project, "metrics", "diff", "HEAD", "--json"))[str(path.relative_to(project))]
    assert changes["mnist_variation.den.auroc"]["diff"] == pytest.approx(-0.25)
    subprocess.run(["git", *IDENTITY, "commit", "--quiet", "--all", "--message", "worse"], cwd=project, check=True)
    page = Path(dvc(project, "plots", "show", "--out", "plots").strip().splitlines()[-1].removeprefix("file://"))
    assert "average AUROC over tasks" in page.read_text()
