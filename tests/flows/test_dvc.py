"""DVC as its users expect it: data goes to a remote and comes back, accepted results are compared and plotted."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import IDENTITY, ROOT, den

from den import sources, suites
from den.ledger import Places
from den.streams import STREAMS, prepared
from flows.data import dvc_lock, raw


def dvc(folder: Path, *words: str) -> str:
    known = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def declared() -> dict[str, Any]:
    """Return dvc.yaml."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    return content


def files_of(modules: Iterable[str]) -> set[str]:
    """Return the files of modules, by their path in the project; of a package its __init__.py."""
    paths = (Path(str(find_spec(module).origin)) for module in modules)  # type: ignore[union-attr]
    return {path.relative_to(ROOT).as_posix() for path in paths}


def read_by_preparation(stream: str) -> set[str]:
    """Return the files that decide about a prepared stream's bytes: of streams, and of its raw set.

    What they import from elsewhere, settings and tasks, checks and holds, and makes no bytes.
    """
    closure = sources.closure([STREAMS[stream].__name__, prepared.__name__])
    code = {module for module in closure if module.startswith("den.streams.")}
    if (name := STREAMS[stream].RAW) is not None:
        code |= {raw.__name__, raw.sources.__name__, *(edition.load.__module__ for edition in raw.SETS[name].editions)}
    return files_of(code)


@pytest.mark.parametrize("stream", STREAMS)
def test_prepared_data_depends_on_all_code_that_makes_it(stream: str) -> None:
    stage = declared()["stages"]["data"]
    item = {"${key}": stream} | {f"${{item.{name}}}": path for name, path in stage["foreach"][stream].items()}
    deps = {item.get(dep, dep.replace("${key}", stream)) for dep in stage["do"]["deps"]}
    assert read_by_preparation(stream) <= deps
    assert deps <= set().union(*map(read_by_preparation, STREAMS)), "nothing else makes it anew"


def test_every_accepted_suite_is_among_the_metrics() -> None:
    paths = (ROOT / "reports/accepted").glob("*/metrics.json")
    assert sorted(declared()["metrics"]) == sorted(path.relative_to(ROOT).as_posix() for path in paths)


def test_every_plot_names_curves_that_are_there() -> None:
    for plot in declared()["plots"]:
        for about in plot.values():
            for path, columns in about["y"].items():
                assert {about["x"], *columns} <= set((ROOT / path).read_text().partition("\n")[0].split(","))


def test_the_report_depends_on_all_of_reports_but_its_own_output() -> None:
    modules = {f"reports/{path.name}" for path in (ROOT / "reports").glob("*.py")} - {"reports/__init__.py"}
    folders = {f"reports/{name}" for name in ("accepted", "analysis", "figures", "page", "published", "templates")}
    assert set(declared()["stages"]["report"]["deps"]) == modules | folders | {"reports/out/quick/metrics.json"}


@pytest.mark.slow
def test_in_a_fresh_clone_the_benchmark_is_to_be_measured(project: Path) -> None:
    status = json.loads(dvc(project, "status", "benchmark", "--json"))["benchmark"]
    assert {"reports/out/quick/metrics.json": "deleted"} in [entry.get("changed outs") for entry in status]


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
    assert dvc_lock.holds("blobs", suites.load(), Places())
    assert "up to date" in dvc(project, "status", "data@blobs")
    for name in ("den/streams/blobs.py", "data/streams/blobs/manifest.json", "params.yaml"):
        before = Path(name).read_text()
        Path(name).write_text(before + "\n" if name != "params.yaml" else before.replace("seeds: 10", "seeds: 9"))
        assert not dvc_lock.holds("blobs", suites.load(), Places()), name
        Path(name).write_text(before)
    assert dvc_lock.holds("blobs", suites.load(), Places())
    assert not dvc_lock.holds("split_mnist", suites.load(), Places())


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


def test_the_lock_has_the_code_that_prepares_the_data() -> None:
    """After a change of such code, `den prepare` for every stream brings the lock in step."""
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())
    locked = {dep["path"]: dep["md5"] for stage in lock["stages"].values() for dep in stage["deps"]}
    assert locked == {path: hashlib.md5((ROOT / path).read_bytes()).hexdigest() for path in locked}
