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

import pytest
from projects import den
from small import cell

from den.config import SettingsError
from den.execution import execute
from den.ledger import Ledger, Order, Places, sealed
from den.worker import CellFailed
from flows.executors import cell_flow, dask_cluster

pytestmark = pytest.mark.long
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


def test_a_cluster_measures_what_this_machine_measures(project: Path, cluster: str) -> None:
    words = ("run", "--suite", "smoke", "--method", "l2", "--method", "ewc", "--method", "finetune", "--again")
    for place in ("--on", cluster), ():
        answer = den(project, *words, *place)
        assert answer.returncode == 0, answer.stderr
    ledger = Ledger(project / ".den/ledger", project / ".den/of-a-test.sqlite")
    there, here = ledger.runs()
    for run in (there, here):
        assert len(ledger.entries(run=run.id)) == len(run.measured) == 3
    digests = [sorted((entry.key, entry.digest) for entry in ledger.entries(run=run.id)) for run in (there, here)]
    assert digests[0] == digests[1]


def test_a_scheduler_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "PATIENCE", "1s")
    with pytest.raises(SettingsError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        dask_cluster.executor_at("tcp://127.0.0.1:9")


@pytest.mark.parametrize("order", [Order(run="other-run"), Order(fingerprint="0" * 64), Order(torch="1.0")])
def test_a_measurement_of_another_run_code_or_torch_is_not_taken_in(order: Order, places: Places) -> None:
    line = sealed.seal(execute(cell(), places, Order(write=False)))
    with pytest.raises(CellFailed, match="asked for was"):
        cell_flow.accepted(line, cell(), places, order)
    assert Ledger.of(places).entries() == []


def test_a_measurement_of_another_cell_or_a_damaged_one_is_not_taken_in(places: Places) -> None:
    line = sealed.seal(execute(cell(), places, Order(write=False)))
    with pytest.raises(CellFailed, match="cell and data"):
        cell_flow.accepted(line, cell("l2"), places, Order())
    with pytest.raises(CellFailed, match="damaged"):
        cell_flow.accepted(line.replace("blobs", "globs"), cell(), places, Order())
