"""Machines and servers that are lost under a run: the run outlasts them, and its end is the same."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from projects import ROOT
from sites import Site, measurements, opened, places_of, strike, until

from den import suites
from den.execution import execute
from den.ledger import Ledger, Measurement, Places

pytestmark = pytest.mark.long

LONG = ("training.epochs=100",)
COMMAND = ("run", "--suite", "smoke", "--method", "ewc", "--again", "--new", "--set", *LONG)


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(project, tmp_path_factory.mktemp("elsewhere") / "project") as site:
        site.deploy()
        yield site


@pytest.fixture(scope="module")
def straight(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """Return the cell's measurement if nothing is lost."""
    assert site.den("prepare", "--stream", "blobs").returncode == 0
    folder = tmp_path_factory.mktemp("straight")
    (cell,) = suites.load(site.project / "params.yaml", LONG).cells("smoke", methods=["ewc"])
    own = places_of(folder)
    return execute(cell, Places(site.project / "data/streams", own.ledger, own.index, own.work))


def checkpoints(project: Path) -> set[str]:
    return {path.name for path in (project / ".den/work").rglob("*.safetensors")}


def runs(project: Path) -> int:
    return len(Ledger.of(places_of(project)).runs())


def test_a_server_that_does_not_answer_is_named(site: Site) -> None:
    strike(site.processes[0])
    refused = site.den(*COMMAND)
    assert refused.returncode == 2
    assert f"no Prefect server answers at {site.api}" in refused.stderr
    assert not checkpoints(site.project)
    site.start_server()


def test_a_run_outlasts_a_server_that_comes_back(site: Site, straight: Measurement) -> None:
    running = site.begin(*COMMAND)
    until(lambda: checkpoints(site.project), 120)
    strike(site.processes[-2])
    site.start_server()
    assert running.wait(240) == 0, (site.project / "den.log").read_text()
    (measurement,) = measurements(site.project)
    assert measurement.digest == straight.digest


def test_a_worker_that_is_lost_with_its_machine_is_replaced(site: Site, straight: Measurement) -> None:
    site.prefect("automation", "create", "--from-file", str(ROOT / "docs/zombies.yaml"))
    worker = site.start_worker()
    running = site.begin(*COMMAND, "--on", "pool")
    until(lambda: checkpoints(site.elsewhere), 120)
    strike(worker)
    site.start_worker()
    assert running.wait(400) == 0, (site.project / "den.log").read_text()
    assert sorted(run["state_type"] for run in site.runs("cell")) == ["COMPLETED", "CRASHED"]
    _, measurement = measurements(site.project)
    assert measurement.digest == straight.digest
    assert runs(site.project) == 2


def test_a_cell_whose_process_is_killed_on_a_pool_goes_on_from_its_last_stage(
    site: Site, straight: Measurement
) -> None:
    shutil.rmtree(site.elsewhere / ".den/work", ignore_errors=True)
    before = len(measurements(site.project))
    running = site.begin(*COMMAND, "--on", "pool")
    until(lambda: checkpoints(site.elsewhere), 300)
    kill_cell(site.elsewhere)
    assert running.wait(400) == 1
    printed = (site.project / "den.log").read_text()
    assert "its process ended with code -9" in printed
    assert len(measurements(site.project)) == before
    again = site.den(*COMMAND[:-3], *COMMAND[-2:], "--on", "pool")
    assert again.returncode == 0, again.stderr
    assert measurements(site.project)[-1].digest == straight.digest


def kill_cell(project: Path) -> None:
    """Kill the process of a cell: forked, and without children of its own."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            forked = "forkserver" in " ".join(process.cmdline()) and not process.children()
            if forked and process.cwd() == str(project):
                process.kill()
