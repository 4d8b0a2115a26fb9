"""The progress of a run: live bars on a terminal, plain lines elsewhere, nothing if a server watches."""

import sys
import threading
from collections.abc import Sequence
from time import perf_counter
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from den.cells import Cell, tasks_of
from den.ledger import CellResult, Measurement, Places
from flows.runtime import estimates


def source(result: CellResult) -> str:
    """Return where an answered cell's result comes from: this run, or an earlier one and its date."""
    if result.how == "measured":
        return f"{result.title}: measured by this run before it was interrupted"
    return f"{result.title}: {_end(result.measurement)}"


def _end(reused: Measurement | None) -> str:
    """Return how a cell came to its result."""
    return f"reused from {reused.origin.ended:%Y-%m-%d %H:%M}" if reused else "measured"


class Watcher:
    """Receives the progress of a run and shows nothing: for runs that a server watches."""

    def planned(self, cells: Sequence[Cell], answered: Sequence[CellResult], announcement: str, places: Places) -> None:
        """Which cells will run is known, which results are there already, and in words how long the run will take.

        places: of the run, with the data of its cells.
        """

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """A stage of a cell begins; `task` counts from 1."""

    def ended(self, cell: Cell, failure: str | None = None, reused: Measurement | None = None) -> None:
        """A cell ended: measured, answered by an earlier measurement, or failed for this reason."""

    def goes_on(self, work: str) -> None:
        """All cells have ended; this work follows, in words."""

    def close(self) -> None:
        """Restore the terminal."""


class Count:
    """How much of a run is done: its cells, and the tasks that they have to learn.

    Tasks that a cell learned before this run are excluded; counting them would overstate the speed.
    tasks_of: the number of tasks of each cell, by title.
    """

    def __init__(self, cells: Sequence[Cell], places: Places) -> None:
        self.tasks_of = {cell.title: tasks_of(cell, places) for cell in cells}
        self.cells, self.ended = len(cells), 0
        self.tasks, self.learned = sum(self.tasks_of.values()), 0
        self._start = perf_counter()
        self._reached: dict[str, int] = {}

    def reach(self, cell: Cell, learned: int) -> None:
        """Record how many tasks a cell has learned."""
        if cell.title in self._reached:
            self.learned += learned - self._reached[cell.title]
        else:
            self.tasks -= learned
        self._reached[cell.title] = learned

    def end(self, cell: Cell) -> None:
        """Record that a cell ended; it may have reported nothing before."""
        if cell.title not in self._reached:
            self.reach(cell, 0)
        self.reach(cell, self.tasks_of[cell.title])
        self.ended += 1

    def summary(self) -> str:
        """Return in words how many cells have ended, and how long the rest takes at the speed so far."""
        rest, ended = self.tasks - self.learned, f"{self.ended} of {self.cells} cells"
        if not rest or not self.learned:
            return ended
        return f"{ended}, about {estimates.duration((perf_counter() - self._start) * rest / self.learned)} left"


class Lines(Watcher):
    """One line for each stage begun and each cell ended, the latter with how much is left."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._start = perf_counter()
        self._count = Count((), Places())

    def planned(self, cells: Sequence[Cell], answered: Sequence[CellResult], announcement: str, places: Places) -> None:
        """Print which cells are answered already and how much is left."""
        for result in answered:
            self._print(source(result))
        self._print(announcement)
        self._count = Count(cells, places)

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Print that a stage begins."""
        with self._lock:
            self._count.reach(cell, task - 1)
            self._print(f"{cell.title}: task {task} of {self._count.tasks_of[cell.title]} · {stage}")

    def ended(self, cell: Cell, failure: str | None = None, reused: Measurement | None = None) -> None:
        """Print how the cell ended, and how much is left."""
        with self._lock:
            self._count.end(cell)
            self._print(f"{cell.title}: {f'failed: {failure}' if failure else _end(reused)}")
            self._print(self._count.summary())

    def goes_on(self, work: str) -> None:
        """Print what follows."""
        self._print(work)

    def _print(self, line: str) -> None:
        print(f"{perf_counter() - self._start:7.1f} s  {line}", file=self._stream, flush=True)


class Live(Watcher):
    """A bar for the run, with cells and time left, and a bar per running cell, with its tasks and stage."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[stage]}"), console=console, transient=True,
        )  # fmt: skip
        self._bars: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def planned(self, cells: Sequence[Cell], answered: Sequence[CellResult], announcement: str, places: Places) -> None:
        """Draw the bar of the run: its unit is a task that a cell has to learn."""
        for result in answered:
            self._progress.console.print(source(result), highlight=False)
        self._progress.console.print(announcement, highlight=False)
        self._count = Count(cells, places)
        if cells:
            self._progress.start()
            self._run_bar = self._progress.add_task("all cells", total=self._count.tasks, stage=self._count.summary())

    def began(self, cell: Cell, task: int, stage: str) -> None:
        """Advance the cell's bar, and the bar of the run if a task is done."""
        with self._lock:
            self._count.reach(cell, task - 1)
            self._progress.update(self._bar(cell, task - 1), completed=task - 1, stage=stage)
            self._advance()

    def ended(self, cell: Cell, failure: str | None = None, reused: Measurement | None = None) -> None:
        """Replace the cell's bar by a line."""
        with self._lock:
            self._count.end(cell)
            if cell.title in self._bars:
                self._progress.remove_task(self._bars.pop(cell.title))
            self._advance()
        self._progress.console.print(f"{cell.title}: {failure or _end(reused)}", style="red" if failure else None)

    def goes_on(self, work: str) -> None:
        """Print what follows, above the bar of the run."""
        self._progress.console.print(work, highlight=False)

    def close(self) -> None:
        """Remove the bars."""
        self._progress.stop()

    def _bar(self, cell: Cell, learned: int) -> TaskID:
        if cell.title not in self._bars:
            bar = self._progress.add_task(
                cell.title, total=self._count.tasks_of[cell.title], completed=learned, stage=""
            )
            self._bars[cell.title] = bar
        return self._bars[cell.title]

    def _advance(self) -> None:
        done = self._count
        self._progress.update(self._run_bar, completed=done.learned, total=done.tasks, stage=done.summary())


def for_terminal() -> Watcher:
    """Return a live watcher if standard error is a terminal, else one that prints lines."""
    console = Console(stderr=True)
    return Live(console) if console.is_terminal else Lines()
