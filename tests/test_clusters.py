"""A real Dask cluster of two workers in checkouts of their own finds what this machine finds, to the last bit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import den
from small import cell

from den import runs
from den.config import SettingsError
from den.ledger import Places
from den.worker import CellFailed
from flows import cells, clusters, tracing

pytestmark = pytest.mark.slow
pytest.importorskip("distributed", reason="Dask is an extra: pip install distributed")


@pytest.fixture
def cluster(project: Path, tmp_path: Path) -> Iterator[str]:
    """Start a scheduler and two workers on loopback; return the scheduler's address."""
    started = []

    def start(folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "dask", *words]
        with (tmp_path / f"{words[0]}.log").open("ab") as log:
            started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=quiet))

    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DVC_"))}
    where = tmp_path / "where"
    try:
        start(
            tmp_path, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", "where"
        )
        while not where.exists() or not where.read_text():
            assert started[0].poll() is None, (tmp_path / "scheduler.log").read_text()
            time.sleep(0.1)
        for number in (1, 2):
            checkout = tmp_path / f"machine {number}"
            shutil.copytree(project, checkout)
            start(checkout, "worker", "--scheduler-file", str(where), "--no-nanny", "--nthreads", "1")
        yield json.loads(where.read_text())["address"]
    finally:
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.wait()


def records(folder: Path) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted((folder / "results").rglob("*.json"))]


def test_a_cluster_finds_what_this_machine_finds(project: Path, cluster: str) -> None:
    words = ("run", "--suite", "smoke", "--method", "l2", "--method", "ewc", "--method", "finetune")
    there = den(project, *words, "--on", cluster)
    assert there.returncode == 0, there.stderr
    found = records(project)
    assert len(found) == 3
    shutil.rmtree(project / "results")
    shutil.rmtree(project / ".den", ignore_errors=True)
    here = den(project, *words)
    assert here.returncode == 0, here.stderr
    for one, other in zip(found, records(project), strict=True):
        assert one["identity"] == other["identity"]
        assert tracing.compared(one, other).same


def test_a_scheduler_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "PATIENCE", "1s")
    with pytest.raises(SettingsError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        clusters.engine("tcp://127.0.0.1:9")


def test_a_record_of_another_identity_is_not_taken_in(places: Places, tmp_path: Path) -> None:
    record = runs.execute(cell(), places)
    with pytest.raises(CellFailed, match="it has other data, code or torch"):
        cells.taken(cell("l2"), places, record)
