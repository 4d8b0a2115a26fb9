"""Machines and servers that are lost under a run: the run outlasts them, and its end is the same."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from sites import Site, opened, strike, until

from den import runs, suites
from den.ledger import Places
from flows import tracing

pytestmark = pytest.mark.slow

LONG = ("training.epochs=100",)
COMMAND = ("run", "--suite", "smoke", "--method", "ewc", "--set", *LONG)
HEARTBEAT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(project, tmp_path_factory.mktemp("elsewhere") / "project") as site:
        site.deploy()
        yield site


@pytest.fixture(scope="module")
def straight(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the record of the cell where nothing is lost."""
    assert site.den("prepare", "--stream", "blobs").returncode == 0
    folder = tmp_path_factory.mktemp("straight")
    (cell,) = suites.load(site.project / "params.yaml", LONG).cells("smoke", methods=["ewc"])
    return runs.execute(cell, Places(site.project / "data/streams", folder / "results", folder / "work"))


def record(project: Path) -> dict[str, Any]:
    (path,) = (project / "results/blobs").rglob("*.json")
    return json.loads(path.read_text())


def checkpoints(project: Path) -> set[str]:
    return {path.name for path in (project / ".den").rglob("*.safetensors")}


def test_a_server_that_does_not_answer_is_said_so(site: Site) -> None:
    strike(site.processes[0])
    refused = site.den(*COMMAND)
    assert refused.returncode == 2
    assert f"no Prefect server answers at {site.api}" in refused.stderr
    assert not checkpoints(site.project)
    site.start_server()


def test_a_run_outlasts_a_server_that_comes_back(site: Site, straight: dict[str, Any]) -> None:
    running = site.begin(*COMMAND)
    until(lambda: checkpoints(site.project), 120)
    strike(site.processes[-2])
    site.start_server()
    assert running.wait(240) == 0, (site.project / "den.log").read_text()
    assert tracing.compared(record(site.project), straight).same


def test_a_worker_that_is_lost_with_its_machine_is_replaced(site: Site, straight: dict[str, Any]) -> None:
    shutil.rmtree(site.project / "results", ignore_errors=True)
    site.prefect("automation", "create", "--from-file", str(ROOT / "docs/zombies.yaml"))
    worker = site.start_worker(**HEARTBEAT)
    running = site.begin(*COMMAND, "--on", "pool")
    until(lambda: checkpoints(site.elsewhere), 120)
    strike(worker)
    site.start_worker(**HEARTBEAT)
    assert running.wait(400) == 0, (site.project / "den.log").read_text()
    assert sorted(run["state_type"] for run in site.runs("cell")) == ["COMPLETED", "CRASHED"]
    assert tracing.compared(record(site.project), straight).same
