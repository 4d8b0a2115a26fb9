"""`den status`: what is finished, running, resumable and waiting; looking disturbs nobody."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from small import cell

from den.cells import Cell, key_of
from den.execution import Execution, execute, folder_of, lock_of, locked
from den.ledger import Asked, Ledger, Order, Places
from flows.cli import main
from flows.commands import status
from flows.commands.status import FINISHED, RESUMABLE, RUNNING, WAITING
from flows.runtime import processes, run_records
from flows.runtime.run_records import Circumstances

HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(99)
"""


def begin(one: Cell, places: Places, stages: int, order: Order | None = None) -> None:
    """Run the first stages of a cell, as a run that is struck down does."""
    with locked(one, places):
        for _, step in zip(range(stages), Execution.resume(one, places, order).steps(), strict=False):
            step.run()


def states(cells: list[Cell], places: Places) -> list[str]:
    ledger = Ledger.of(places)
    return [one.state for one in status.statuses(cells, ledger, places, status.checkpointed(ledger.runs(), places))]


def test_a_cell_is_finished_resumable_or_waiting(places: Places) -> None:
    cells = [cell(), cell("l2"), cell("ewc")]
    execute(cells[0], places)
    begin(cells[1], places, 3)
    assert states(cells, places) == [FINISHED, RESUMABLE, WAITING]


def test_a_cell_runs_as_long_as_the_process_that_holds_its_lock_lives(places: Places) -> None:
    begin(cell(), places, 1)
    lock = lock_of(places, key_of(cell(), places))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout and holder.stdout.readline()
        assert states([cell()], places) == [RUNNING]
        holder.kill()
        holder.wait()
        assert states([cell()], places) == [RESUMABLE]


@pytest.mark.parametrize(("again", "state"), [(False, RESUMABLE), (True, WAITING)])
def test_a_cell_that_failed_is_resumable_if_its_run_would_be_continued(again: bool, state: str, places: Places) -> None:
    asked = Asked(suite="smoke", again=again)
    with run_records.begun(asked, [cell()], places, Circumstances()) as run:
        begin(cell(), places, 2, Order(run=run.id))
        run_records.end(run, [], {cell().title: "killed"}, "failed", [], places)
    assert states([cell()], places) == [state]


def test_looking_leaves_no_trace_and_no_lock(places: Places) -> None:
    assert states([cell()], places) == [WAITING]
    assert not places.work.exists()
    begin(cell(), places, 1)
    assert states([cell()], places) == [RESUMABLE]
    locked(cell(), places).acquire(timeout=0)  # raises Timeout if it is held


def test_a_cell_that_is_measured_again_is_running(places: Places) -> None:
    execute(cell(), places)
    with locked(cell(), places):
        assert states([cell()], places) == [RUNNING]
    assert states([cell()], places) == [FINISHED]


def test_two_may_look_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not processes.is_held(lock)


def test_the_newest_whole_checkpoint_tells_task_and_stage(places: Places) -> None:
    begin(cell(), places, 3)
    folder = folder_of(places, None, key_of(cell(), places))
    found = status.progress_of(folder)
    assert found is not None
    assert found.stage == "task 2 of 3 · train"
    newest = max(folder.glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:50])
    found = status.progress_of(folder)
    assert found is not None
    assert found.stage == "task 1 of 3 · evaluation"


def test_streams_that_are_not_prepared_keep_cells_waiting(suite: tuple[Cell, ...]) -> None:  # noqa: F811
    Path("data/streams/blobs").rename("data/streams/gone")
    answer = CliRunner().invoke(main, ["status"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert "data not prepared: blobs; `den prepare` prepares it" in answer.output
