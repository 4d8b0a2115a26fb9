"""Dask workers that are lost, or that have other code or other data than the machine that asks."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import copytree

import psutil
import pytest
from projects import OWN, den
from sites import measurements, strike, until

pytestmark = pytest.mark.long
pytest.importorskip("distributed", reason="Dask is an extra: pip install distributed")

LOOPBACK = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
LONG = ("--set", "training.epochs=100")
COMMAND = ("run", "--suite", "smoke", "--method", "ewc", "--again", "--new", *LONG)

Cluster = Callable[[list[Path]], str]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return what starts a scheduler, and a worker in each of some checkouts; it returns the scheduler's address."""
    started: list[subprocess.Popen[bytes]] = []
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    where = tmp_path / "where"

    def start(folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "dask", *words, *LOOPBACK]
        with (tmp_path / f"{words[0]}.log").open("ab") as log:
            started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=inherited))

    def cluster(checkouts: list[Path]) -> str:
        start(tmp_path, "scheduler", "--port", "0", "--scheduler-file", str(where))
        until(lambda: where.exists() and where.read_text(), 120)
        for checkout in checkouts:
            start(checkout, "worker", "--scheduler-file", str(where), "--no-nanny", "--nthreads", "1")
        return str(json.loads(where.read_text())["address"])

    yield cluster
    for process in started:
        strike(process)


def checkpoints(checkout: Path) -> list[Path]:
    return list((checkout / ".den/work").rglob("*.safetensors"))


def kill_worker(checkout: Path) -> None:
    """Kill the Dask worker of a checkout; its cell's process ends with it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(checkout) and "dask" in process.cmdline():
                process.kill()


def test_a_cell_whose_dask_worker_is_killed_goes_to_another(project: Path, tmp_path: Path, cluster: Cluster) -> None:
    checkouts = [copytree(project, tmp_path / name) for name in ("one", "two")]
    address = cluster(checkouts)
    with (tmp_path / "printed").open("wb") as file:
        command = [sys.executable, "-m", "flows.cli", *COMMAND, "--on", address]
        running = subprocess.Popen(command, cwd=project, stdout=file, stderr=file)
    at_work = until(lambda: [checkout for checkout in checkouts if checkpoints(checkout)], 300)
    kill_worker(at_work[0])
    assert running.wait(600) == 0, (tmp_path / "printed").read_text()
    straight = den(project, *COMMAND)
    assert straight.returncode == 0, straight.stderr
    there, here = measurements(project, method="ewc")
    assert there.digest == here.digest
    assert there.origin.run != here.origin.run


@pytest.mark.parametrize(
    ("path", "old", "new", "refusal"),
    [
        ("den/training.py", "\n\n\n", "\n\n\nOTHER = 1\n\n\n", "code here is .*, the order expects"),
        ("params.yaml", "classes: 10, examples: 200", "classes: 10, examples: 210", "of cell and data .*, asked for"),
    ],
)
def test_a_worker_with_other_code_or_data_is_refused(
    path: str, old: str, new: str, refusal: str, project: Path, tmp_path: Path, cluster: Cluster
) -> None:
    checkout = copytree(project, tmp_path / "unlike")
    content = (checkout / path).read_text()
    assert old in content
    (checkout / path).write_text(content.replace(old, new, 1))
    before = len(measurements(project))
    answer = den(project, *COMMAND, "--on", cluster([checkout]))
    assert answer.returncode == 1, answer.stderr
    assert re.search(refusal, answer.stderr), answer.stderr
    assert len(measurements(project)) == before
