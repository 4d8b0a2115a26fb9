"""A run of a deployment refuses a checkout at another commit than the deployment was made for."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.deployments.steps import run_shell_script
from prefect.utilities.templating import apply_values
from projects import IDENTITY, ROOT

from den import provenance
from den.config import SettingsError
from flows.runtime import checkout

HERE, OTHER = "a" * 40, "b" * 40


@pytest.fixture(autouse=True)
def at_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "code", lambda: {"commit": HERE, "dirty": False})


@pytest.mark.parametrize("expected", [None, "", HERE])
def test_no_deployment_and_the_same_commit_are_fine(expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if expected is not None:
        monkeypatch.setenv(checkout.COMMIT, expected)
    checkout.refuse_other_commit()


def test_another_commit_is_refused_with_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkout.COMMIT, OTHER)
    with pytest.raises(SettingsError, match=f"made for commit {OTHER[:12]}, .* is at commit {HERE[:12]}: .*checkout"):
        checkout.refuse_other_commit()


def test_a_checkout_without_git_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "code", lambda: {"commit": None, "dirty": None})
    monkeypatch.setenv(checkout.COMMIT, OTHER)
    with pytest.raises(SettingsError, match="is at no commit"):
        checkout.refuse_other_commit()


def test_every_deployment_passes_its_commit_on_and_every_flow_asks_for_it() -> None:
    project = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for deployment in project["deployments"]:
        commit = "{{ commit.stdout }}"
        assert deployment["version"] == commit
        assert deployment["work_pool"]["job_variables"]["env"][checkout.COMMIT] == commit
        assert "checkout.refuse_other_commit()" in Path(ROOT, deployment["entrypoint"].split(":")[0]).read_text()


def test_deploying_fills_in_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["git", "init", "--quiet"], COMMIT):
        subprocess.run(command, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    project = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    (step,) = [step["prefect.deployments.steps.run_shell_script"] for step in project["build"]]
    output = asyncio.run(run_shell_script(**{key: value for key, value in step.items() if key != "id"}))
    for deployment in apply_values(project["deployments"], {step["id"]: output}):
        assert deployment["version"] == commit
        assert deployment["work_pool"]["job_variables"]["env"][checkout.COMMIT] == commit


COMMIT = ["git", *IDENTITY, "commit", "--quiet", "--allow-empty", "--message", "any"]
LOADED = f"""
import subprocess
import den.preloaded
from den import provenance
subprocess.run({COMMIT}, check=True)
print(provenance.code()["commit"])
"""


@pytest.mark.slow
def test_a_process_that_is_loaded_names_the_commit_that_it_has_loaded(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "den", tmp_path / "den", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"], COMMIT):
        subprocess.run(command, cwd=tmp_path, check=True)
    (first, later) = (
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()
        for command in (["git", "rev-parse", "HEAD"], [sys.executable, "-c", LOADED])
    )
    assert later == first
