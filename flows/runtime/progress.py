"""What one sees while a benchmark runs: live bars on a terminal, plain lines elsewhere."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from den.cells import Cell
from den.ledger import CellResult, Measurement
from flows.runtime import estimates


def tasks(cell: Cell) -> int:
    """Return how many tasks the cell will learn."""
    return int(cell.stream_params["tasks"])


def source(result: CellResult) -> str:
    """Return where an answered cell's result comes from: this run, or an earlier one and its date."""
    if result.how == "measured":
        return f"{result.title}: measured by this run before it was interrupted"
    return f"{result.title}: {_end(result.measurement)}"


def _end(reused: Measurement | None) -> str:
    """Return how a cell came to its result."""
    return f"reused from {reused.origin.ended:%Y-%m-%d %H:%M}" if reused else "measured"


class Silent:
    """Shows nothing: for runs that a server watches."""

    def planned(self, cells: Sequence[Cell], answered: Sequence[CellResult], announcement: str) -> None:
        """Show which cells will run, which are answered already, and how much is left."""

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Hear that a stage of a cell begins; `task` counts from 1."""

    def ended(self, cell: Cell, failure: str | None = None, reused: Measurement | None = None) -> None:
        """Show that a cell is measured, which measurement answers it instead, or why it failed."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Count:
    """How much of a run is done: its cells, and the tasks that they have to learn.

    What a cell had learned before this run is none of it: counted, it would make the run look faster than it is.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells, self.ended = len(cells), 0
        self.tasks, self.learned = sum(map(tasks, cells)), 0
        self._start = perf_counter()
        self._reached: dict[str, int] = {}

    def reach(self, cell: Cell, learned: int) -> None:
        """Hear how many tasks a cell has learned."""
        if cell.title in self._reached:
            self.learned += learned - self._reached[cell.title]
        else:
            self.tasks -= learned
        self._reached[cell.title] = learned

    def end(self, cell: Cell) -> None:
        """Hear that a cell has ended, which may be the first that is heard of it."""
        if cell.title not in self._reached:
            self.reach(cell, 0)
        self.reach(cell, tasks(cell))
        self.ended += 1

    def told(self) -> str:
        """Return in words how many cells have ended, and how long the rest takes at the speed so far."""
        rest, ended = self.tasks - self.learned, f"{self.ended} of {self.cells} cells"
        if not rest or not self.learned:
            return ended
        return f"{ended}, about {estimates.duration((perf_counter() - self._start) * rest / self.learned)} left"


class Lines(Silent):
    """One line for each stage begun and each cell ended, the latter with how much is left."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._start = perf_counter()
        self._count = Count(())

    def planned(self, cells: Sequence[Cell], answered: Sequence[CellResult], announcement: str) -> None:
        """Print which cells are answered already and how much is left."""
        for result in answered:
            self._say(source(result))
        self._say(announcement)
        self._count = Count(cells)

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Say that a stage begins."""
        with self._lock:
            self._count.reach(cell, task - 1)
            self._say(f"{cell.title}: task {task} of {tasks(cell)} · {stage}")

    def ended(self, cell: Cell, failure: str | None = None, reused: Measurement | None = None) -> None:
        """Print how the cell ended, and how much is left."""
        with self._lock:
            self._count.end(cell)
            self._say(f"{cell.title}: {f'failed: {failure}' if failure else _end(reused)}")
            self._say(self._count.told())

    def _say(self, line: str) -> None:
        print(f"{perf_counter() - self._start:7.1f} s  {line}", file=self._stream, flush=True)


class Live(Silent):
    """A bar for the whole, with cells and time left, and one for each running cell, with its tasks and its stage."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[stage]}"), console=console, transient=True,
        )  # fmt: skip
        self._bars: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def planned(self, cells: Sequence[Cell], answered: Sequence[CellResult], announcement: str) -> None:
        """Draw the bar of the whole: its unit is a task that a cell has to learn."""
        for result in answered:
            self._progress.console.print(source(result), highlight=False)
        self._progress.console.print(announcement, highlight=False)
        self._count = Count(cells)
        if cells:
            self._progress.start()
            self._whole = self._progress.add_task("all cells", total=self._count.tasks, stage=self._count.told())

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Move the cell's bar, and the whole's where a task is done."""
        with self._lock:
            self._count.reach(cell, task - 1)
            self._progress.update(self._bar(cell, task - 1), completed=task - 1, stage=stage)
            self._advance()

    def ended(self, cell: Cell, failure: str | None = None, reused: Measurement | None = None) -> None:
        """Take the cell's bar away and leave a line in its place."""
        with self._lock:
            self._count.end(cell)
            if cell.title in self._bars:
                self._progress.remove_task(self._bars.pop(cell.title))
            self._advance()
        self._progress.console.print(f"{cell.title}: {failure or _end(reused)}", style="red" if failure else None)

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()

    def _bar(self, cell: Cell, learned: int) -> TaskID:
        if cell.title not in self._bars:
            bar = self._progress.add_task(cell.title, total=tasks(cell), completed=learned, stage="")
            self._bars[cell.title] = bar
        return self._bars[cell.title]

    def _advance(self) -> None:
        done = self._count
        self._progress.update(self._whole, completed=done.learned, total=done.tasks, stage=done.told())


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
