"""What one sees while a benchmark runs: live bars on a terminal, plain lines elsewhere."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from den.runs import Cell


def tasks(cell: Cell) -> int:
    """Return how many tasks the cell will learn."""
    return int(cell.stream_params["tasks"])


class Silent:
    """Shows nothing: for runs that a server watches."""

    def planned(self, cells: Sequence[Cell], finished: Sequence[Cell], announcement: str) -> None:
        """Hear which cells will run, which have their record already, and in words how much is left."""

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Hear that a stage of a cell begins; `task` counts from 1."""

    def ended(self, cell: Cell, failure: str | None = None) -> None:
        """Hear that a cell is finished, or why it failed."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines(Silent):
    """One line for each task begun and each cell ended."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._tasks: dict[str, int] = {}
        self._start = perf_counter()

    def planned(self, cells: Sequence[Cell], finished: Sequence[Cell], announcement: str) -> None:
        """Say which cells are finished already and how much is left."""
        for cell in finished:
            self._say(f"{cell.title}: already finished")
        self._say(announcement)

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Say that a task begins, once."""
        if self._tasks.get(cell.title) != task:
            self._tasks[cell.title] = task
            self._say(f"{cell.title}: task {task} of {tasks(cell)}")

    def ended(self, cell: Cell, failure: str | None = None) -> None:
        """Say how the cell ended."""
        self._say(f"{cell.title}: {'failed: ' + failure if failure else 'finished'}")

    def _say(self, line: str) -> None:
        with self._lock:
            print(f"{perf_counter() - self._start:7.1f} s  {line}", file=self._stream, flush=True)


class Live(Silent):
    """A bar for the whole, with the time left, and one for each running cell, with its stage."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[stage]}"),
            console=console, transient=True, speed_estimate_period=600,
        )  # fmt: skip
        self._bars: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def planned(self, cells: Sequence[Cell], finished: Sequence[Cell], announcement: str) -> None:
        """Draw the bar of the whole: its unit is a task of a cell."""
        for cell in finished:
            self._progress.console.print(f"{cell.title}: already finished")
        self._progress.console.print(announcement, highlight=False)
        if cells:
            self._progress.start()
            self._whole = self._progress.add_task("all cells", total=sum(map(tasks, cells)), stage="")

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Move the cell's bar, and the whole's where a task is done."""
        with self._lock:
            bar = self._bar(cell)
            self._advance(bar, task - 1)
            self._progress.update(bar, stage=stage)

    def ended(self, cell: Cell, failure: str | None = None) -> None:
        """Take the cell's bar away and leave a line in its place."""
        with self._lock:
            bar = self._bar(cell)
            self._advance(bar, tasks(cell))
            self._progress.remove_task(bar)
        self._progress.console.print(f"{cell.title}: {failure or 'finished'}", style="red" if failure else None)

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()

    def _bar(self, cell: Cell) -> TaskID:
        if cell.title not in self._bars:
            self._bars[cell.title] = self._progress.add_task(cell.title, total=tasks(cell), stage="")
        return self._bars[cell.title]

    def _advance(self, bar: TaskID, done: int) -> None:
        moved = done - self._progress.tasks[self._progress.task_ids.index(bar)].completed
        self._progress.update(bar, completed=done)
        self._progress.advance(self._whole, moved)


_watcher: ContextVar[Silent] = ContextVar("watcher", default=Silent())  # noqa: B039  it holds no state


def watcher() -> Silent:
    """Return who watches the running benchmark."""
    return _watcher.get()


@contextmanager
def watched() -> Iterator[None]:
    """Show the benchmark that runs inside, as the terminal allows."""
    console = Console(stderr=True)
    seen = Live(console) if console.is_terminal else Lines()
    token = _watcher.set(seen)
    try:
        yield
    finally:
        seen.close()
        _watcher.reset(token)
