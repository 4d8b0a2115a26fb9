"""A suite by the library alone: python -m benchmarks.orchestration.bare SUITE SLOTS

Prints wall and CPU seconds of all its cells.

As many processes as slots, torch loaded before the clock starts, take one cell after another: no checkpoints, no
measurements, no orchestration. Two cells at a time slow each other down, here as under `den run`.
"""

import multiprocessing
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from den import harness, suites
from den.execution import Execution
from den.ledger import Places
from den.training import set_up_torch


def main(suite: str, slots: int) -> None:
    """Run the cells and print their seconds."""
    titles = [cell.title for cell in suites.load().cells(suite)]
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(slots + 1)
    with context.Pool(slots, begin, (ready,)) as pool:
        ready.wait()
        start = time.perf_counter()
        busy = pool.starmap(run, [(suite, title) for title in titles], chunksize=1)
        print(time.perf_counter() - start, sum(busy))


def begin(ready: Barrier) -> None:
    """Load what a stage needs, then wait for the other processes."""
    set_up_torch()
    ready.wait()


def run(suite: str, title: str) -> float:
    """Run one cell; return its CPU seconds. Its time begins with the opening of its stream."""
    cell = next(cell for cell in suites.load().cells(suite) if cell.title == title)
    before = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        execution = Execution.resume(cell, Places(work=Path(scratch)))
        harness.run(execution.method, execution.stream, cell.seed)
    return time.process_time() - before


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
