"""What one sees while a benchmark runs: cells, tasks, stages and the time left, live or in lines."""

from dataclasses import replace
from io import StringIO

import pytest
import synthetic
from rich.console import Console
from small import cell

from den.ledger import Places
from flows.runtime import progress
from flows.runtime.progress import Count, Lines, Live

ONE, OTHER = cell(), cell("l2")
REUSED = replace(synthetic.result("blobs", "ewc", 0), how="reused")


def play(seen: progress.Watcher) -> None:
    """Show two cells: one from its first task on, one that goes on from its second, and fails."""
    seen.planned([ONE, OTHER], [REUSED], "2 of 3 cells to run", Places())
    seen.began(ONE, 1, "train")
    seen.began(OTHER, 2, "train")
    seen.began(ONE, 2, "evaluation")
    seen.ended(ONE)
    seen.ended(OTHER, "no room")
    seen.close()


def test_lines_say_cells_tasks_stages_and_what_is_left() -> None:
    file = StringIO()
    play(Lines(file))
    said = [line.split(" s  ", 1)[1] for line in file.getvalue().splitlines()]
    assert said[:6] == [
        "blobs · ewc · seed 0: reused from 2026-11-28 02:05",
        "2 of 3 cells to run",
        "blobs · finetune · seed 0: task 1 of 3 · train",
        "blobs · l2 · seed 0: task 2 of 3 · train",
        "blobs · finetune · seed 0: task 2 of 3 · evaluation",
        "blobs · finetune · seed 0: measured",
    ]
    assert said[6].startswith("1 of 2 cells, about ")
    assert said[7:] == ["blobs · l2 · seed 0: failed: no room", "2 of 2 cells"]


def test_a_terminal_shows_cells_tasks_and_stages() -> None:
    file = StringIO()
    seen = Live(Console(file=file, force_terminal=True, width=100, color_system=None))
    seen.planned([ONE, OTHER], [], "2 of 2 cells to run", Places())
    seen.began(ONE, 2, "train")
    seen._progress.refresh()
    assert "0/5" in file.getvalue()  # of six tasks one was learned before this run
    assert "0 of 2 cells" in file.getvalue()
    assert "1/3" in file.getvalue()
    assert "train" in file.getvalue()
    seen.began(ONE, 3, "train")
    seen.ended(OTHER, "no room")
    seen.close()
    assert "1 of 2 cells, about" in file.getvalue()
    assert "blobs · l2 · seed 0: no room" in file.getvalue()


def test_the_time_left_counts_what_this_run_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress, "perf_counter", lambda: now[0])
    count = Count([ONE, OTHER], Places())
    assert count.summary() == "0 of 2 cells"
    count.reach(ONE, 2)  # before this run, which has four tasks to learn
    count.reach(OTHER, 0)
    now[0] = 30.0
    assert count.summary() == "0 of 2 cells"
    count.end(ONE)
    assert count.summary() == "1 of 2 cells, about 90 seconds left"
    count.end(OTHER)
    assert count.summary() == "2 of 2 cells"


def test_a_cell_of_which_only_the_end_is_heard_counts_whole() -> None:
    count = Count([ONE, OTHER], Places())
    count.end(ONE)
    assert (count.learned, count.tasks, count.ended) == (3, 6, 1)
