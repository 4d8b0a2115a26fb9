"""A cell's own process: the same numbers, one thread, and an end when it should end."""

import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from projects import ROOT
from small import TRAINING, cell, most

from den.execution import execute
from den.ledger import Ledger, Measurement, Order, Places
from den.worker import CellFailed, Worker

FOREVER = cell("finetune", training=TRAINING.model_copy(update={"epochs": 1_000_000}))


def through_worker(method: str, places: Places) -> tuple[Measurement, list[str]]:
    with Worker(cell(method), places) as worker:
        titles = []
        for step in worker.steps():
            titles.append(step.title)
            answer = worker.run(step)
            assert answer["seconds"] >= 0
            assert {row["task"] for row in answer["measures"]} == {step.task}
    assert worker.measured
    return worker.measurement, titles


def elsewhere(places: Places, folder: Path) -> Places:
    return Places(places.data, folder / "ledger", folder / "index.sqlite", folder / "work")


@pytest.mark.parametrize("method", most)
def test_a_worker_gives_the_same_numbers(method: str, places: Places, tmp_path: Path) -> None:
    measurement, titles = through_worker(method, places)
    announced: list[str] = []
    alone = execute(cell(method), elsewhere(places, tmp_path / "other"), announce=announced.append)
    assert alone.digest == measurement.digest
    assert alone.origin.bits == measurement.origin.bits
    assert titles == announced
    assert Ledger.of(places).load(measurement.id) == measurement


def test_a_worker_reuses_what_is_current(places: Places) -> None:
    first, _ = through_worker("finetune", places)
    with Worker(cell(), places) as worker:
        assert worker.finish() == first
    assert not worker.measured


def test_other_code_is_refused_before_the_first_step(places: Places) -> None:
    with (
        Worker(cell(), places, Order(fingerprint="0" * 64)) as worker,
        pytest.raises(CellFailed, match="code here is .*, the order expects 000"),
    ):
        next(worker.steps())


def test_the_process_has_one_thread_for_arithmetic_and_one_to_listen(places: Places) -> None:
    with Worker(cell(), places) as worker:
        for step in worker.steps():
            worker.run(step)
            threads = Path(f"/proc/{worker._child.pid}/task")
            if sys.platform == "linux":
                assert len(list(threads.iterdir())) == 2


def test_a_killed_process_is_a_failed_cell_and_goes_on_from_its_checkpoint(places: Places) -> None:
    with Worker(cell("ewc"), places) as worker:
        steps = worker.steps()
        worker.run(next(steps))
        step = next(steps)
        worker.kill()
        with pytest.raises(CellFailed, match=r"^task 1 · fisher: its process ended with code -9; see .*\.log"):
            worker.run(step)
    measurement, titles = through_worker("ewc", places)
    assert titles[0] == "task 1 · fisher"
    straight = execute(cell("ewc"), elsewhere(places, places.work.parent / "straight"))
    assert measurement.digest == straight.digest


def test_a_failure_names_task_stage_and_step(places: Places) -> None:
    wild = cell("den", training=TRAINING.model_copy(update={"learning_rate": 1e6}))
    with (
        Worker(wild, places) as worker,
        pytest.raises(CellFailed, match=r"^task 1 · train: the loss is .* at step \d+"),
    ):
        for step in worker.steps():
            worker.run(step)
    assert Ledger.of(places).entries() == []


def test_a_refusal_is_told_before_the_first_step(places: Places) -> None:
    with Worker(cell(seed=7), places) as worker, pytest.raises(CellFailed, match="seeds: 7 requested"):
        next(worker.steps())


def test_leaving_ends_the_process(places: Places) -> None:
    with Worker(FOREVER, places) as worker:
        next(worker.steps())
        pid = worker._child.pid
    assert pid is not None
    assert gone(pid)


PARENT = """
import json, sys
from pathlib import Path
from den.config import read
from den.ledger import Places
from den.cells import Cell
from den.worker import Worker

with Worker(read(Cell, json.loads(sys.argv[1]), "cell"), Places(*map(Path, sys.argv[2:]))) as worker:
    step = next(worker.steps())
    print(worker._child.pid, flush=True)
    worker.run(step)
"""


@pytest.mark.slow
def test_a_worker_ends_with_its_parent(places: Places) -> None:
    words = [FOREVER.model_dump_json(), *(str(place) for place in asdict(places).values())]
    command = [sys.executable, "-c", PARENT, *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        assert alive(pid)
        parent.kill()
    assert gone(pid)


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def gone(pid: int, seconds: float = 5) -> bool:
    """Wait for a process to end; say whether it did."""
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)
